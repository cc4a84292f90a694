import time, pytest
from mailboxes import provisioning, importing
from mailboxes.models import Mailbox
from tests.mailboxes import factories
@pytest.mark.django_db(transaction=True)
def test_bench(rung):
    d=factories.domain(); factories.stack()
    csv="address,password\n"+"".join(f"b{n}@example.com,plum-Tundra-{n:06d}\n" for n in range(10000))
    t=time.time(); job=importing.start(csv.encode()); print("check+start 10k", time.time()-t)
    from mailboxes import passwords
    t=time.time(); [passwords.hash_password("plum-Tundra-77") for _ in range(40)]; one=(time.time()-t)/40
    rows=[importing.Row(*v) for v in __import__("json").loads(job.rows.reveal())][:400]
    t=time.time(); importing._hashed(job.pk, rows); print("hash one",one,"400 in pool, each",(time.time()-t)/400)
    rows=[importing.Row(*v) for v in __import__("json").loads(job.rows.reveal())]
    t=time.time(); importing._write(job.pk, rows, ["{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$abcdefgh$abcdefgh"]*10000); print("write 10k", time.time()-t)
    ts=[]
    for n in range(50):
        t=time.time(); provisioning.add_mailbox(d.pk, f"x{n}"); ts.append(time.time()-t)
    print("add at 10k", sorted(ts)[25], max(ts))
    t=time.time(); n=provisioning.remove_mailboxes(Mailbox.objects.values_list("pk",flat=True)[:5000]); print("remove",n,time.time()-t)
