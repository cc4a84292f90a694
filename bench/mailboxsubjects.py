"""Measures within the product's settings: ``python -m bench.mailboxsubjects NAME ARGUMENT …`` prints JSON."""

import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import django
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

DOMAIN = "many.test"
PASSWORD = "the same for all of them"
_HOST = "127.0.0.1"


def milliseconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def fill(until: str) -> dict[str, float]:
    """Adds rows until there are that many mailboxes, all with the same hash, in one change."""
    from mailboxes import changes
    from mailboxes.models import Mailbox
    from mailboxes.provisioning import passwords

    domain = _domain()
    hashed = passwords.hash_password(PASSWORD)
    with changes.writing():
        first = Mailbox.objects.live().count()
        generation = changes.bump()
        rows = [_row(domain.pk, hashed, generation, number) for number in range(first, int(until))]
        Mailbox.objects.bulk_create(rows, batch_size=500)
        changes.announce()
    return {"rows": float(Mailbox.objects.live().count())}


def _domain() -> Any:
    from mailboxes.models import Domain
    from mailboxes.provisioning.domains import add_domain

    return Domain.objects.filter(name=DOMAIN).first() or add_domain(DOMAIN)


def _row(domain_id: int, hashed: str, generation: int, number: int) -> Any:
    from mailboxes.models import Mailbox

    local = f"user{number:06d}"
    return Mailbox(
        domain_id=domain_id,
        local_part=local,
        address=f"{local}@{DOMAIN}",
        home=f"{DOMAIN}/{local}",
        password_hash=hashed,
        quota_mb=100,
        generation=generation,
    )


def create(key: str, count: str) -> dict[str, float]:
    """POSTs mailboxes: median milliseconds of that many, hash included, and the queries of one."""
    from mailboxes.models import Mailbox

    client = _client(key)
    domain = _domain().pk
    before = set(Mailbox.objects.values_list("pk", flat=True))

    def post(number: int) -> None:
        body = {"domain": domain, "local_part": f"new{number}", "password": "correct horse battery"}
        answer = client.post("/api/mail/mailboxes", body, content_type="application/json")
        assert answer.status_code == 201, answer.content

    post(0)
    times = [milliseconds(partial(post, number)) for number in range(1, int(count) + 1)]
    with CaptureQueriesContext(connection) as queries:
        post(-1)
    added = set(Mailbox.objects.values_list("pk", flat=True)) - before
    Mailbox.objects.filter(pk__in=added).delete()
    return {"ms": statistics.median(times), **_counted(queries)}


def listing(key: str, count: str) -> dict[str, Any]:
    """Fetches a page of 50 from our API and from DRF alone, in turn: the first, one in the middle, the last."""
    from mailboxes.models import Mailbox

    last = -(-Mailbox.objects.live().count() // 50)
    ours, bare = _client(key), Client(headers={"Host": _HOST})
    pages: dict[str, Any] = {}
    for page in (1, last // 2, last):
        rows = [(_page(ours, page), _bare_page(bare, page)) for _ in range(int(count) + 1)][1:]
        with CaptureQueriesContext(connection) as queries:
            _page(ours, page)
        mine, theirs = (statistics.median(column) for column in zip(*rows, strict=True))
        pages[str(page)] = {"ms": mine, "bare_ms": theirs, **_counted(queries)}
    return pages


def _page(client: Client, number: int) -> float:
    return milliseconds(lambda: _fifty(client.get(f"/api/mail/mailboxes?page={number}")))


def _bare_page(client: Client, number: int) -> float:
    from bench import bareapi

    with override_settings(ROOT_URLCONF=bareapi.__name__, MIDDLEWARE=bareapi.MIDDLEWARE):
        return milliseconds(lambda: _fifty(client.get(f"/mailboxes?page={number}")))


def _fifty(answer: Any) -> None:
    assert answer.status_code == 200, answer.content
    assert answer.content.count(b'"address"') == 50, answer.content[:300]


def _client(key: str) -> Client:
    return Client(headers={"Host": _HOST, "Authorization": f"Bearer {key}", "Accept": "application/json"})


def _counted(queries: CaptureQueriesContext) -> dict[str, float]:
    """The number of queries and, counted apart, of statements that only begin or end a transaction."""
    words = [str(query["sql"]).split()[0].upper() for query in queries.captured_queries]
    bounds = sum(word in {"BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK"} for word in words)
    return {"queries": float(len(words) - bounds), "bounds": float(bounds)}


def main() -> None:
    name, *arguments = sys.argv[1:]
    logging.disable()
    django.setup()
    print(json.dumps(globals()[name](*arguments)))


if __name__ == "__main__":
    main()
