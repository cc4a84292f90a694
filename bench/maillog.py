"""What following the mail server's logs costs, and how long a search of a million events takes."""

import json
import os
import struct
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bench.ownprocess import measured
from bench.ratios import bound
from tests.rig.services import Postgres

#: Events that are stored when it is measured; a mail has five.
EVENTS = int(os.environ.get("BENCH_EVENTS", "1000000"))
_EACH = 5
#: Milliseconds that a search may take, and the share of a core that following may cost at so many mails a second.
SEARCH, CORE, RATE = 200, 2, 10
_TIMES, _SECONDS = 15, 60


def maillog(directory: Path) -> None:
    """Prints a table for SQLite and PostgreSQL."""
    for database in ("SQLite", "PostgreSQL"):
        place = directory / database
        place.mkdir()
        with Postgres() if database == "PostgreSQL" else nullcontext() as server:
            found = measured("bench.maillog", place, server.url if server else "")
        print(f"Mail log: {database}, {EVENTS:,} events")
        for name, number in found.items():
            print(f"  {name:48}{number:10.2f}")
        slowest = max((name for name in found if name.endswith("(ms)")), key=lambda name: found[name])
        bound(f"slowest search: {slowest}", found[slowest], SEARCH, "ms")
        bound(f"following {RATE} mails a second", found["following: CPU (% of a core)"], CORE, "%")
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

    settings.ALLOWED_HOSTS = ["testserver"]
    _fill(EVENTS // _EACH)
    client = Client()
    client.force_login(User.objects.create_superuser("operator", "op@example.test", "open-sesame-42"))
    costs = {f"{name} (ms)": _best(work) for name, work in _searches(client).items()}
    print(json.dumps(costs | _following()))


def _best(work: Callable[[], object]) -> float:
    """The best of several: noise on the machine can only slow it down."""
    times = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1000)
    return min(times)


def _searches(client: Any) -> dict[str, Callable[[], object]]:
    from mailboxes.models import Journey

    middle = Journey.objects.count() // 2

    def page(query: str, path: str = "/admin/find-mail/") -> Callable[[], object]:
        def get() -> None:
            answer = client.get(f"{path}{query}")
            assert answer.status_code == 200, (path, query, answer.status_code)

        return get

    return {
        "page: newest": page(""),
        "page: waiting": page("?tab=waiting"),
        "page: in the middle": page(f"?before={middle}-0"),
        "search: an address of 500": page("?q=box7@example.test"),
        "search: an address in every mail": page("?q=everyone@example.test"),
        "search: the same, waiting": page("?q=everyone@example.test&tab=waiting"),
        "search: an address of no mail": page("?q=nobody@example.test"),
        "search: a Message-ID": page("?q=<77@bench.test>"),
        "search: a queue id": page(f"?q={0xA0000000 + middle:X}"),
        "search: a client in every mail": page("?q=192.0.2.1"),
        "journey": page("", f"/admin/find-mail/{middle}/"),
        "API: search": page("?q=box7@example.test", "/api/mail/journeys"),
    }


_SERIES = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {size}) "
_KEYS = (
    "'box' || (i % 500) || '@example.test'",
    "'sender' || (i % 5000) || '@other.test'",
    "'everyone@example.test'",
    "'m:<' || i || '@bench.test>'",
    "'c:192.0.2.1'",
)
_KINDS = ("accepted", "scanned", "queued", "delivered", "filed")


def _fill(mails: int) -> None:
    """Journeys as the follower stores them, by the database itself."""
    from django.db import connection

    series = _SERIES.format(size=mails)
    queue_id = (
        "printf('%X', 2684354560 + i)" if connection.vendor == "sqlite" else "upper(to_hex(2684354560 + i))"
    )
    state = "CASE WHEN i % 5000 = 0 THEN 'waiting' ELSE 'delivered' END"
    at = "2026-11-30 07:00:00+00" if connection.vendor == "postgresql" else "2026-11-30 07:00:00"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO mailboxes_journey (id, state, began_at, last_at, message_id, sender, recipients, recipient_count, "
            f"client, login, size, score, spam, facts) {series} SELECT i, {state}, '{at}', '{at}', "
            f"'<' || i || '@bench.test>', 'sender' || (i % 5000) || '@other.test', '[\"box1@example.test\"]', 1, "
            f"'192.0.2.1', '', 518, 3.69, {'false' if connection.vendor == 'postgresql' else '0'}, '{{\"n\": 5}}' FROM n"
        )
        for key in (*_KEYS, f"'q:' || {queue_id}"):
            cursor.execute(
                f"INSERT INTO mailboxes_journeykey (key, journey_id) {series} SELECT {key}, i FROM n"
            )
        for kind in _KINDS:
            cursor.execute(
                f"INSERT INTO mailboxes_mailevent (journey_id, at, service, kind, queue_id, recipient, remote, code, text, count) "
                f"{series} SELECT i, '{at}', 'postfix', '{kind}', {queue_id}, 'box1@example.test', "
                f"'mail.example.test[192.0.2.9]:25', '2.0.0', '250 2.0.0 Ok: queued as 4jdFR83JyhzCnR3', 1 FROM n"
            )
        if connection.vendor == "postgresql":
            for table in ("journey", "journeykey", "mailevent"):
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('mailboxes_{table}', 'id'), max(id)) FROM mailboxes_{table}"
                )
        cursor.execute("ANALYZE")


# --- following


class _Stream:
    """A log as the Engine streams it: frames, a second's worth at each read."""

    def __init__(self, seconds: list[bytes]) -> None:
        from mailboxes.engine.logstream import LogFrames

        self._frames, self._seconds = LogFrames(), seconds

    def read(self) -> Any:
        return list(self._frames.feed(self._seconds.pop(0))) if self._seconds else []

    def close(self) -> None:
        pass


def _following() -> dict[str, float]:
    """CPU and time that the lines of ``RATE`` mails a second cost; and how many mails a second it can follow."""
    import threading

    from mailboxes.maillog.following import Follower

    logs = {
        service: [_frames(service, second) for second in range(_SECONDS)]
        for service in ("postfix", "dovecot", "rspamd")
    }

    class Engine:
        def follow(self, name: str, since_ns: int) -> _Stream:
            return _Stream(logs[name.rpartition("-")[2]])

    follower = Follower(Engine(), threading.Event())  # type: ignore[arg-type]
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(_SECONDS):
        follower.turn()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "following: CPU (% of a core)": cpu / _SECONDS * 100,
        "following: time, database included (%)": wall / _SECONDS * 100,
        "following: mails a second, at most": RATE * _SECONDS / wall,
    }


def _frames(service: str, second: int) -> bytes:
    now = time.time_ns() - (_SECONDS - second) * 10**9
    frames = b""
    for number in range(second * RATE, second * RATE + RATE):
        for line in _lines(number)[service]:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
            data = f"{stamp}.{now % 10**9:09d}Z {line}\n".encode()
            frames += struct.pack(">BxxxL", 1, len(data)) + data
            now += 1_000_000
    return frames


def _lines(number: int) -> dict[str, list[str]]:
    """What the three log about one mail from outside, as the stand-ins did."""
    queue_id, to, sender = (
        f"{0xB0000000 + number:X}",
        f"box{number % 500}@example.test",
        f"s{number % 300}@other.test",
    )
    head = "2026-11-30T07:05:14.048001+00:00 INFO postfix"
    client, message_id = f"mx.other.test[192.0.2.{number % 250}]", f"<new-{number}@bench.test>"
    symbols = (
        "FORGED_RECIPIENTS(2.00){m:a@b.test;s:c@d.test;},HFILTER_FROMHOST_NORES_A_OR_MX(1.50){other.test;},"
        "HFILTER_HELO_NORES_A_OR_MX(0.30){client.test;},MIME_GOOD(-0.10){text/plain;},ARC_NA(0.00){},FROM_EQ_ENVFROM(0.00){},"
        "FROM_NO_DN(0.00){},MIME_TRACE(0.00){0:+;},MISSING_XM_UA(0.00){},ONCE_RECEIVED(0.00){},RCPT_COUNT_ONE(0.00){1;},"
        "RCVD_COUNT_ZERO(0.00){0;},RDNS_NONE(0.00){},R_DKIM_NA(0.00){},SINGLE_SHORT_PART(0.00){},TO_DN_NONE(0.00){}"
    )
    task = (
        f"2026-11-30 07:05:14 #7(rspamd_proxy) <af4b48>; proxy; rspamd_task_write_log: id: {message_id}, qid: <{queue_id}>, "
        f"ip: 192.0.2.1, from: <{sender}>, (default: F (no action): [3.69/15.00] [{symbols}]), len: 316, time: 48.159ms, "
        f"dns req: 18, digest: <f17cabae268fdfb2e63e8fe8365ade03>, rcpts: <{to}>, mime_rcpts: <{to}>"
    )
    return {
        "postfix": [
            f"{head}/smtpd[891]: connect from {client}",
            f'{head}/smtpd[891]: {client}: replacing command "rcpt TO:<{to}>" with "rcpt TO:<{to}> NOTIFY=NEVER"',
            f"{head}/smtpd[891]: {queue_id}: client={client}",
            f"{head}/cleanup[894]: {queue_id}: message-id={message_id}",
            f"{head}/qmgr[852]: {queue_id}: from=<{sender}>, size=518, nrcpt=1 (queue active)",
            f"{head}/smtpd[891]: disconnect from {client} ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
            f"{head}/lmtp[895]: {queue_id}: to=<{to}>, relay=mail.stack.test[/mail-sockets/dovecot/lmtp], delay=0.39, "
            f"delays=0.19/0.05/0.09/0.06, dsn=2.0.0, status=sent (250 2.0.0 <{to}> +6JEFCogDWtLAAAAXKzvFA Saved)",
            f"{head}/qmgr[852]: {queue_id}: removed",
        ],
        "dovecot": [
            "Nov 30 07:05:14 lmtp(75): Info: Connect from local",
            f"Nov 30 07:05:14 lmtp({to})<75><+6JE>: Info: sieve: msgid={message_id}: stored mail into mailbox 'INBOX'",
            "Nov 30 07:05:14 lmtp(75): Info: Disconnect from local: Logged out (state=READY)",
        ],
        "rspamd": [
            task,
            "2026-11-30 07:05:14 #7(rspamd_proxy) <af4b48>; proxy; rspamd_stat_classifier_is_skipped: classify condition",
            "2026-11-30 07:05:14 #7(rspamd_proxy) <af4b48>; proxy; rspamd_protocol_http_reply: regexp statistics: 0 pcre",
        ],
    }


if __name__ == "__main__":
    main()
