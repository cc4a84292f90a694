"""Makes a fixture: run in a checkout of that release, with the packages of now. Not collected: it tests nothing.

``python make.py TARGET.sql KEYS`` fills an empty data dir with what an operator of the release would have, through the
release's own functions, and writes the database as SQL. Each secret says that it is none.
"""

# Names of functions differ from release to release, and of modules that exist no more.
# mypy: ignore-errors

import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

TARGET, KEYS = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
DATA = Path(tempfile.mkdtemp(prefix="quazzar-released-"))
sys.path.insert(0, str(Path.cwd()))
os.environ |= {
    "DJANGO_SETTINGS_MODULE": "quazzar.settings", "QUAZZAR_DATA_DIR": str(DATA), "DATABASE_URL": "",
    "QUAZZAR_SECRETS_KEY_FILE": str(KEYS), "SECRET_KEY": "no-secret-at-all", "REDIS_URL": "",
}  # fmt: skip

import django  # noqa: E402

django.setup()

from django.apps import apps  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

call_command("migrate", interactive=False, verbosity=0)

from mailrelay.models import AlertState, Message, RelaySettings  # noqa: E402
from mailrelay.sender import Email, Sender  # noqa: E402
from quazzar import apikeys, audit  # noqa: E402

anna = User.objects.create_superuser("anna", "anna@plain.example", "not-a-secret-anna")
User.objects.create_user("ben", "ben@plain.example", "not-a-secret-ben", is_staff=True)
apikeys.mint(anna, "monitoring", ["mail:read", "mail:send"])
RelaySettings.objects.update_or_create(pk=1, defaults={
    "host": "relay.example", "port": 587, "security": "starttls", "username": "node",
    "password": "not-a-secret-relay", "from_address": "node@plain.example",
    "alert_recipients": ["ops@plain.example"], "backup_recipients": ["ops@plain.example"],
})  # fmt: skip
for number in range(3):
    to = [f"x{number}@elsewhere.example", f"y{number}@elsewhere.example"]
    Sender().queue(Email(to=to, subject=f"Queued {number}", text=f"body {number}"), source="api")
Message.objects.filter(subject="Queued 1").update(status="sent", sent_at=timezone.now(), body=None)
Message.objects.filter(subject="Queued 2").update(status="failed", last_error="550 5.1.1 unknown", attempts=3)
audit.record("relay.changed", "relay settings", ["host"])
if apps.is_installed("mailboxes"):
    from mailboxes import changes, importing, provisioning, stacksettings
    from mailboxes.models import Domain, Mailbox, Stack

    changes.ring = lambda: None
    changes.ring_import = lambda number: None
    for name in ("plain.example", "other.example"):
        provisioning.add_domain(name, catch_all="" if name == "plain.example" else "ada@plain.example")
    pk = dict(Domain.objects.values_list("name", "pk"))
    for name in ("ada", "bob", "gone"):
        provisioning.add_mailbox(pk["plain.example"], name, password=f"not-a-secret-{name}", quota_mb=5)
    provisioning.remove_mailbox(Mailbox.objects.get(address="gone@plain.example").pk)
    provisioning.add_alias(pk["other.example"], "info", ["ada@plain.example", "x@elsewhere.example"])
    provisioning.add_alias(pk["other.example"], "off", ["ada@plain.example"], enabled=False)
    importing.start(b"address,password\nnew@other.example,not-a-secret-new\n")
    stacksettings.enable("mail.plain.example")
    stacksettings.change(send_through_relay=True)
    Stack.objects.update(
        phase="healthy", applied_generation=3, parts={"users": {"generation": 3, "digest": "x"}}
    )
if apps.is_installed("dnsrecords"):
    from dnsrecords import publishing
    from dnsrecords.models import DomainCheck, DomainOptions, RecordCheck
    from mailboxes import dkimrotation, dkimsecond

    for name in ("rotating.example", "rotated.example"):
        provisioning.add_domain(name)
    pk = dict(Domain.objects.values_list("name", "pk"))
    dkimrotation.begin(pk["rotating.example"])
    dkimsecond.begin(pk["rotating.example"])
    row = dkimrotation.begin(pk["rotated.example"])
    dkimrotation.switch(row.pk, row.dkim_next_selector)
    row = dkimsecond.begin(pk["rotated.example"])
    dkimsecond.sign(row.pk, row.dkim_ed25519_selector)
    publishing.set_up(pk["plain.example"], {
        "server": "192.0.2.1", "port": 53, "zone": "plain.example", "key_name": "k.example",
        "algorithm": "hmac-sha256", "secret": "bm90IGEgc2VjcmV0IGF0IGFsbCwgcmVhbGx5ISE=",
    })  # fmt: skip
    DomainOptions.objects.update_or_create(domain_id=pk["plain.example"], defaults={"mta_sts": "testing"})
    DomainCheck.objects.create(domain_id=pk["plain.example"], checked_at=timezone.now())
    RecordCheck.objects.create(
        domain_id=pk["plain.example"], record="spf", expected="v=spf1 mx -all", status="ok"
    )
AlertState.objects.all()
connection.close()
with closing(sqlite3.connect(DATA / "quazzar.sqlite3")) as database:
    lines = "".join(f"{line}\n" for line in database.iterdump())
TARGET.write_text(lines)
print(TARGET, len(lines))
