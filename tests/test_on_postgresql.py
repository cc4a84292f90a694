"""Code that stores rows, on a real PostgreSQL, which refuses some things that SQLite accepts, and has row locks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig import or_skip
from tests.rig.services import Postgres
from tests.tiers import fewer

HERE = Path(__file__).parent
AGAIN = {
    "contract": (
        "aliases", "alerts", "backups", "dns", "dns_options", "dns_publishing", "domains", "import_mailboxes", "lists",
        "mailboxes", "mailboxes_list", "messages", "messages_read", "relay", "retry", "stack", "suppressions", "events",
        "proofs", "inboxes",
    ),
    "mailboxes": ("changes", "migrations"),
    "mailboxes/dkim": ("lifecycle",),
    "mailboxes/own": ("keeping",),
    "dnsrecords/dkim": ("progress",),
    "dnsrecords/reports": ("intake", "summary"),
    "dnsrecords/blocklists": ("check",),
    "dnsrecords/proof": ("running",),
    "mailboxes/provisioning": ("domains", "mailboxes", "aliases", "retention"),
    "mailboxes/maillog": ("journeys", "following", "finding", "surfaces"),
    "mailboxes/stack": ("control",),
    "mailboxes/csvfiles": ("importing", "exporting"),
    "mailrelay": ("backends", "notifiers"),
    "mailrelay/api": ("pages",),
    "mailrelay/feedback": ("recording",),
    "mailrelay/suppression": ("listing",),
    "mailrelay/queue": (
        "counts", "delivery", "finding", "history", "outbox", "retention", "submission", "waiting",
    ),
    "mailrelay/relay": ("settings",),
    "quazzar/sealing": ("check_seals", "fields", "fields_dumps", "fields_queries", "fields_unreadable"),
    "quazzar/monitoring": ("health",),
    "quazzar/api": ("idempotency",),
    "quazzar/auditlog": ("reading",),
    "quazzar/backups": ("backup_and_restore",),
    "mailboxes/volumes": ("mail",),
}  # fmt: skip
#: Words of the contract's tests whose answer is given before any row is written.
NO_WRITES = ("refused", "cannot_be", "gate", "400", "402", "403", "405")


#: Those of the usual run: of each kind of writing one.
USUAL = {
    "contract": ("aliases", "messages", "mailboxes", "dns_options"),
    "mailboxes/dkim": ("lifecycle",),
    "mailboxes/provisioning": ("mailboxes",),
    "mailboxes/maillog": ("journeys",),
    "mailrelay/queue": ("outbox",),
    "quazzar/sealing": ("fields",),
    "quazzar/api": ("idempotency",),
}


def run_tests(database_url: str) -> tuple[int, str]:
    files = [
        HERE / folder / f"test_{name}.py" for folder, names in fewer(USUAL, AGAIN).items() for name in names
    ]
    chosen = f"not contract or not ({' or '.join(NO_WRITES)})"
    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        chosen,
        *files,
    ]
    # What only SQLite can show is skipped there, and runs in the outer run.
    env = {**os.environ, "DATABASE_URL": database_url, "QUAZZAR_TEST_REQUIRE_REAL": ""}
    run = subprocess.run(argv, env=env, cwd=HERE.parent, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


@pytest.mark.real
@pytest.mark.long
def test_what_is_stored_is_the_same_on_postgresql() -> None:
    with or_skip(Postgres) as server:
        code, output = run_tests(server.url)
    assert code == 0, output[-20_000:]
    print(output[-200:])
    skipped = re.search(r"(\d+) skipped", output)
    assert skipped is not None, output[-2000:]
    assert int(skipped[1]) == ONLY_ON_SQLITE, output[-2000:]


#: How many of them say that they are SQLite's alone.
ONLY_ON_SQLITE = fewer(2, 8)
