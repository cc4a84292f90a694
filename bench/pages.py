"""How long the console takes for each page, and how much a first visit fetches, on a node after years of use."""

import os
import statistics
import subprocess
import sys
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench.ratios import bound

MAILBOXES, MESSAGES, DOMAINS = 10_000, 1_000_000, 100
#: Milliseconds of server time, and KB of a first visit.
SLOWEST, HEAVIEST = 60, 300
#: The lowest median of three rounds counts, because other work on the machine can only slow a page down.
ROUNDS, TIMES = 3, 9


def pages(directory: Path) -> None:
    """Prints the table. Takes a minute or two."""
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "QUAZZAR_DATA_DIR": str(directory),
        "QUAZZAR_SECRETS_KEY_FILE": str(directory / "secrets.key"),
    }
    for command in (
        "manage.py migrate -v0",
        "manage.py collectstatic --noinput -v0",
        "manage.py license trial",
    ):
        subprocess.run([sys.executable, *command.split()], env=env, check=True)
    subprocess.run([sys.executable, "-m", "bench.pages"], env=env, check=True)


def main() -> None:
    """Fills the database and requests each page, in a separate process."""
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    from bench.weight import weight

    settings.ALLOWED_HOSTS = ["testserver"]
    _fill()
    client = Client()
    client.force_login(User.objects.create_superuser("operator", "op@example.test", "open-sesame-42"))
    print(f"Pages with {MAILBOXES:,} mailboxes and {MESSAGES:,} messages")
    print(f"  {'page':44}{'server ms':>10}{'CPU ms':>8}{'first visit KB':>16}")

    def read(address: str) -> bytes:
        return (Path(settings.STATIC_ROOT) / address.removeprefix(settings.STATIC_URL)).read_bytes()

    slowest, heaviest = 0.0, 0.0
    for path in _paths():
        answer = client.get(path, follow=True)
        assert answer.status_code == 200, (path, answer.status_code)
        milliseconds, cpu = _measured(client, path)
        kilobytes = weight(answer.content.decode(), read) / 1000
        print(f"  {path:44}{milliseconds:10.1f}{cpu:8.1f}{kilobytes:16.0f}")
        slowest, heaviest = max(slowest, milliseconds), max(heaviest, kilobytes)
    bound("slowest page", slowest, SLOWEST, "ms")
    bound("heaviest first visit", heaviest, HEAVIEST, "KB")


def _measured(client: Any, path: str) -> tuple[float, float]:
    """Milliseconds of elapsed time and of processor time."""
    rounds = [[_timed(client, path) for _ in range(TIMES)] for _ in range(ROUNDS)]
    clock, cpu = (
        min(statistics.median(each[which] for each in times) for times in rounds) for which in (0, 1)
    )
    return clock, cpu


def _timed(client: Any, path: str) -> tuple[float, float]:
    begun, cpu = time.perf_counter(), time.process_time()
    client.get(path, follow=True)
    return (time.perf_counter() - begun) * 1000, (time.process_time() - cpu) * 1000


def _paths() -> list[str]:
    from mailboxes.models import Domain, Mailbox
    from mailrelay.models import Message

    domain, person, message = (model.objects.order_by("-pk")[0].pk for model in (Domain, Mailbox, Message))
    return [
        "/admin/",
        "/admin/mail-relay/",
        "/admin/mail-relay/mailboxes/list/",
        "/admin/mail-relay/mailboxes/list/?page=100",
        "/admin/mail-relay/mailboxes/list/?q=m9999",
        "/admin/mail-relay/mailboxes/aliases/",
        "/admin/mail-relay/mailboxes/domains/",
        "/admin/mail-relay/mailboxes/add/",
        f"/admin/mail-relay/mailboxes/{person}/",
        "/admin/mail-relay/dns/",
        f"/admin/mail-relay/dns/{domain}/",
        "/admin/doctor/",
        "/admin/expected/",
        "/admin/help/",
        "/admin/mail-relay/mailboxes/server/",
        "/admin/mailrelay/message/",
        "/admin/mailrelay/message/?q=ops@example.test",
        f"/admin/mailrelay/message/{message}/change/",
        "/admin/quazzar/apikey/",
        "/admin/quazzar/auditentry/",
        "/admin/auth/user/",
        "/admin/auth/user/add/",
    ]


def _fill() -> None:
    from django.utils import timezone

    from mailboxes.models import Alias, Domain, Mailbox, Stack

    now = timezone.now()
    Stack.objects.update_or_create(pk=1, defaults={"hostname": "mail.example.com"})
    domains = Domain.objects.bulk_create(
        Domain(name=f"d{number:03d}.test", applied_at=now) for number in range(DOMAINS)
    )
    Mailbox.objects.bulk_create(map(partial(_mailbox, domains, now), range(MAILBOXES)), batch_size=500)
    Alias.objects.bulk_create(
        Alias(
            domain=domain,
            local_part="info",
            address=f"info@{domain.name}",
            destinations=[f"m1@{domain.name}"],
        )
        for domain in domains
    )
    _multiply(_message(now))


def _mailbox(domains: list[Any], now: datetime, number: int) -> Any:
    from mailboxes.models import Mailbox

    domain = domains[number % DOMAINS]
    return Mailbox(
        domain=domain,
        local_part=f"m{number}",
        address=f"m{number}@{domain.name}",
        password_hash="x",
        home=f"{domain.name}/m{number}",
        quota_mb=100,
        usage_bytes=number << 12,
        applied_at=now,
        live_at=now,
    )


def _message(now: datetime) -> Any:
    from mailrelay.models import Message

    return Message.objects.create(
        subject="Report",
        message_id="<0@bench.test>",
        to=["ops@example.test"],
        recipients=[{"address": "ops@example.test", "status": "sent"}],
        only_recipient="ops@example.test",
        status="sent",
        attempts=1,
        created_at=now,
        sent_at=now,
    )


def _multiply(message: Any) -> None:
    """Copies of one message, half a minute apart, written by SQLite itself: the ORM would take minutes."""
    from django.db import connection

    earlier = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', {}, '-' || (i * 30) || ' seconds')"
    values = {
        name: earlier.format(name) if name in ("created_at", "sent_at") else connection.ops.quote_name(name)
        for field in message._meta.concrete_fields
        if (name := field.column) != "id"
    } | {"message_id": "'<' || i || '@bench.test>'", "subject": "'Report ' || i"}
    columns = ", ".join(map(connection.ops.quote_name, values))
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s) "
            f"INSERT INTO {message._meta.db_table} ({columns}) "
            f"SELECT {', '.join(values.values())} FROM n, {message._meta.db_table} WHERE id = %s",
            [MESSAGES - 1, message.pk],
        )


if __name__ == "__main__":
    main()
