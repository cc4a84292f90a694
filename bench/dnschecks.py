"""A thousand domains checked again on a real Knot, compared with dnspython sending only the same queries."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.ratios import bound
from tests.rig import LOOPBACK, free_port
from tests.rig.nameserver import Nameserver

DOMAINS = 1000
_KEY = "QUJD" * 90


def dns(directory: Path) -> None:
    """All due at once; then one domain whose servers do not answer, alone and among the others."""
    print(f"{DOMAINS:,} domains looked up, all due at once")
    with Nameserver() as server:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="bench.settings",
            QUAZZAR_DATA_DIR=str(directory),
            QUAZZAR_SECRETS_KEY_FILE=str(directory / "secrets.key"),
            QUAZZAR_DNS_RESOLVERS=server.address,
        )
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--noinput"], check=True, stdout=subprocess.DEVNULL
        )
        import django

        django.setup()
        questions = _fill(server)
        bare = _bare(server.port, questions)
        print(f"  dnspython, {len(questions):,} of their questions   {bare:6.1f} s")
        seconds = _all_due()
        print(f"  looked up, judged and kept              {seconds:6.1f} s")
        bound(f"{DOMAINS:,} domains", seconds, 45, "s")
        _dead()


def _fill(server: Nameserver) -> list[tuple[str, str]]:
    """Domains with all their records in one zone above them: a thousand zones would measure Knot."""
    from dnsrecords.kinds.registry import wanted
    from dnsrecords.names import within
    from dnsrecords.records.facts import Facts
    from dnsrecords.text.strings import quoted
    from mailboxes.models import DkimKey, Domain, Stack

    # With a hostname there are all the recommended records too.
    Stack.objects.update_or_create(pk=1, defaults={"hostname": "mail.many.test"})
    names = [f"d{number:04d}.many.test" for number in range(DOMAINS)]
    Domain.objects.bulk_create([Domain(name=name) for name in names])
    key = {
        "algorithm": "rsa",
        "selector": "quazzar",
        "state": "signing",
        "private_key": "",
        "public_key": _KEY,
    }
    DkimKey.objects.bulk_create(DkimKey(domain=domain, **key) for domain in Domain.objects.all())
    lines, questions = [], []
    for domain in Domain.objects.order_by("name"):
        facts = Facts.for_domain(domain)
        for record in wanted(facts):
            questions.append((record.name, record.type))
            value = quoted(record.value) if record.type == "TXT" else record.value
            lines.append(f"{record.name}. 300 {record.type} {value}")
        assert within(facts.hostname, "many.test")
    server.publish("many.test", [*lines, f"mail.many.test. 300 A {LOOPBACK}"])
    return questions


def _bare(port: int, questions: list[tuple[str, str]]) -> float:
    """dnspython's queries per second, a hundred at once, in one thread."""
    import dns.asyncquery
    import dns.message

    places = asyncio.Semaphore(100)

    async def one(name: str, type_: str) -> Any:
        async with places:
            query = dns.message.make_query(name, type_)
            return await dns.asyncquery.udp(query, LOOPBACK, port=port, timeout=5)

    async def every() -> None:
        await asyncio.gather(*(one(*each) for each in questions))

    started = time.perf_counter()
    asyncio.run(every())
    return time.perf_counter() - started


def _all_due() -> float:
    from django.utils import timezone

    from dnsrecords.checking import check
    from dnsrecords.models import DomainCheck, RecordCheck
    from mailboxes.models import Domain

    for pk in Domain.objects.values_list("pk", flat=True):
        DomainCheck.objects.update_or_create(domain_id=pk, defaults={"due_at": timezone.now()})
    started = time.perf_counter()
    assert check.check_due() == DOMAINS
    seconds = time.perf_counter() - started
    wrong = RecordCheck.objects.exclude(status="ok").filter(record__in=["mx", "spf", "dkim", "dmarc"])
    assert not wrong.exists(), wrong.first()
    return seconds


def _dead() -> None:
    """A domain whose name servers never answer."""
    from django.conf import settings

    from dnsrecords.checking import check
    from dnsrecords.records.facts import Facts

    settings.QUAZZAR_DNS_RESOLVERS = [f"{LOOPBACK}:{_silent_port()}"]
    started = time.perf_counter()
    check.look(Facts("dead.test", "mail.dead.test", dkim_public_key=_KEY))
    bound("a domain whose servers are silent", time.perf_counter() - started, 10, "s")


def _silent_port() -> int:
    """A port that is open and never answers."""
    import socket

    port = free_port()
    _kept.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    _kept[-1].bind((LOOPBACK, port))
    return port


_kept: list[Any] = []
