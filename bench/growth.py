"""What grows with the history or with the queue: pages, lists, searches, scrapes and sweeps at several sizes."""

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

from bench.ownprocess import measured
from bench.ratios import bound
from tests.rig.services import Postgres

#: Messages that were sent, and messages that wait; the most can be set, since ten million take minutes to write.
SIZES = (1_000, 100_000, int(os.environ.get("BENCH_MOST", "1000000")))
#: Milliseconds that anything may take at the largest size.
FLAT = 60
TIMES = 7
#: Memory, and searches that read as many messages as a fifth of a second allows.
_NOT_FLAT = ("memory, MiB", "API, word of none (0.2 s)", "API, source of none")
#: Rows of one statement, so that a transaction stays small.
_PORTION = 1_000_000


def growth(directory: Path) -> None:
    """Prints a table each for SQLite and PostgreSQL, and for a long history and a long queue."""
    for database in ("SQLite", "PostgreSQL"):
        for kind in ("sent", "waiting"):
            columns = {}
            for size in SIZES:
                place = directory / f"{database}-{kind}-{size}"
                place.mkdir()
                with Postgres() if database == "PostgreSQL" else nullcontext() as server:
                    url = server.url if server else ""
                    columns[size] = measured("bench.growth", place, url, kind, str(size))
                shutil.rmtree(place)
            _print(f"{database}, messages {kind}", columns)


def _print(title: str, columns: dict[int, dict[str, float]]) -> None:
    print(f"Growth: {title} (milliseconds)")
    print(f"  {'':34}" + "".join(f"{size:>12,}" for size in columns))
    for name in next(iter(columns.values())):
        print(f"  {name:34}" + "".join(f"{column[name]:12.1f}" for column in columns.values()))
    timed = {name: ms for name, ms in columns[SIZES[-1]].items() if name not in _NOT_FLAT}
    slowest = max(timed.items(), key=itemgetter(1))
    bound(f"slowest at {SIZES[-1]:,} ({slowest[0]})", slowest[1], FLAT, "ms")
    print(flush=True)


def main() -> None:
    """Fills the database and measures."""
    import logging

    import django

    django.setup()
    logging.disable()
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    kind, size = sys.argv[1], int(sys.argv[2])
    settings.ALLOWED_HOSTS = ["testserver"]
    _fill(kind, size)
    from mailrelay.tasks import sweep_outbox

    client = Client()
    client.force_login(User.objects.create_superuser("operator", "op@example.test", "open-sesame-42"))
    sweep_outbox()  # of a long queue, pages tell the number that it counts
    costs = {name: _median(work) for name, work in _works(client, kind, size).items()}
    costs["memory, MiB"] = _resident()
    print(json.dumps(costs))


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def _resident() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _works(client: Any, kind: str, size: int) -> dict[str, Callable[[], object]]:
    from mailrelay.models import Message
    from mailrelay.queue import counts, outbox, retention
    from mailrelay.sender import Email, Sender
    from mailrelay.tasks import sweep_outbox

    newest = Message.objects.order_by("-pk").values_list("pk", flat=True)[0]

    def page(path: str) -> Callable[[], object]:
        def get() -> None:
            answer = client.get(path, follow=True)
            assert answer.status_code == 200, (path, answer.status_code)

        return get

    messages, api = "/admin/mailrelay/message/", "/api/mail/messages"
    last, status = max(1, size // 50), "sent" if kind == "sent" else "retrying"
    return {
        "Home": page("/admin/"),
        "relay page": page("/admin/mail-relay/"),
        "Messages": page(messages),
        "Messages, in the middle": page(f"{messages}?before={newest - size // 2}"),
        "Messages, failed": page(f"{messages}?status=failed"),
        "Messages to an address": page(f"{messages}?q=box7@example.test"),
        "Messages by Message-ID": page(f"{messages}?q=<77@bench.test>"),
        "one message": page(f"{messages}{newest}/change/"),
        "API, page 1": page(api),
        "API, page in the middle": page(f"{api}?page={max(1, last // 2)}"),
        "API, last page": page(f"{api}?page={last}"),
        "API, failed": page(f"{api}?status=failed"),
        "API by status, page 100": page(f"{api}?status={status}&page={min(last, 100)}"),
        "API by status, page far back": page(f"{api}?status={status}&page={max(1, last * 9 // 10)}"),
        "API by status, going on": page(f"{api}?status={status}&before={newest - size // 2}"),
        "API, by created_at": page(f"{api}?ordering=created_at"),
        "API, ordered by status": page(f"{api}?ordering=-status"),
        "API, to an address": page(f"{api}?search=box7@example.test"),
        "API, by Message-ID": page(f"{api}?search=<77@bench.test>"),
        "API, a word in all": page(f"{api}?search=report"),
        "API, source of all": page(f"{api}?source=api"),
        "API, source of none": page(f"{api}?source=sendmail"),
        "API, word of none (0.2 s)": page(f"{api}?search=nothing"),
        "API, health": page("/api/mail/health"),
        "/metrics": page("/metrics"),
        "/readyz": lambda: client.get("/readyz"),
        "sweep": sweep_outbox,
        "queue a mail": lambda: Sender().queue(Email(to=["ops@example.test"], subject="x", text="x")),
        "claim a hundred": lambda: outbox.release("x", [row.pk for row in outbox.claim("x", 100)]),
        "purge": retention.purge,
        "counts": counts.by_status,
    }


def _fill(kind: str, size: int) -> None:
    from django.utils import timezone

    from mailrelay.models import HourlyCount, Message, RelaySettings, envelope
    from quazzar import doorbell

    doorbell.ring = lambda task, *ids: None
    # Nobody listens there, so what waits stays.
    RelaySettings(pk=1, host="127.0.0.1", port=1, security="none", from_address="node@example.test").save()
    now = timezone.now()
    first = Message.objects.create(
        subject="Report",
        message_id="<0@bench.test>",
        to=["ops@example.test"],
        status="sent" if kind == "sent" else "retrying",
        attempts=1,
        created_at=now,
        sent_at=now if kind == "sent" else None,
        next_attempt_at=None if kind == "sent" else now + timedelta(hours=2),
        waits_for=None if kind == "sent" else "connect",
        last_error=None
        if kind == "sent"
        else {"stage": "connect", "code": None, "message": "x", "at": now.isoformat()},
        **envelope(["box0@example.test"]),
    )
    for begun in range(1, size, _PORTION):
        _copy(first, begun, min(begun + _PORTION, size))
    if kind == "sent":
        HourlyCount.objects.create(hour=HourlyCount.STOCK, outcome="sent", number=size)


def _copy(message: Any, begun: int, end: int) -> None:
    """Copies of one message, written by the database itself: the ORM would take minutes."""
    from django.db import connection

    is_sqlite = connection.vendor == "sqlite"
    numbers = (
        f"WITH RECURSIVE n(i) AS (SELECT {begun} UNION ALL SELECT i + 1 FROM n WHERE i < {end - 1})"
        if is_sqlite
        else f"WITH n(i) AS (SELECT generate_series({begun}, {end - 1}))"
    )
    values = {
        name: connection.ops.quote_name(name)
        for field in message._meta.concrete_fields
        if (name := field.column) != "id"
    } | {
        "message_id": "'<' || i || '@bench.test>'",
        "subject": "'Report ' || i",
        "only_recipient": "'box' || (i % 500) || '@example.test'",
    }
    table = message._meta.db_table
    columns = ", ".join(map(connection.ops.quote_name, values))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) {numbers} SELECT {', '.join(values.values())} "
            f"FROM n, {table} WHERE id = {message.pk}"
            if not is_sqlite
            else f"{numbers} INSERT INTO {table} ({columns}) SELECT {', '.join(values.values())} "
            f"FROM n, {table} WHERE id = {message.pk}"
        )
        if not is_sqlite:
            cursor.execute(f"ANALYZE {table}")


if __name__ == "__main__":
    main()
