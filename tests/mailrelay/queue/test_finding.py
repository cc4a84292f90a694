"""Lists and searches of messages: what they find, page by page, and that an index leads there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext

from mailrelay.mail.emails import Email
from mailrelay.models import Feedback, Message, MessageAddress, envelope
from mailrelay.queue import byhand, finding, outbox, retention
from mailrelay.queue.finding import Page, Query
from tests.tiers import fewer

pytestmark = pytest.mark.django_db
Queue = Callable[..., Message]


def subjects(page: Page) -> list[str]:
    return [message.subject for message in page.rows]


@pytest.fixture
def ten(queued: Queue, monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Ten messages, three of them failed, one an alert; three make a page."""
    monkeypatch.setattr(finding, "PAGE", 3)
    rows = [
        queued(f"box{number}@example.com", "ops@example.com", subject=f"No {number}") for number in range(10)
    ]
    Message.objects.filter(pk__in=[rows[n].pk for n in (1, 4, 8)]).update(status="failed")
    Message.objects.filter(pk=rows[5].pk).update(source="alert")
    return rows


# --- pages


def test_pages_lead_to_the_oldest_and_back_without_a_gap(ten: list[Message]) -> None:
    page, seen, pages = finding.find(Query()), [], []
    while True:
        seen += subjects(page)
        pages.append(subjects(page))
        if page.older is None:
            break
        page = finding.find(Query(), before=page.older)
    assert seen == [f"No {number}" for number in range(9, -1, -1)]
    assert page.newer is not None
    back = finding.find(Query(), after=page.newer)
    assert subjects(back) == pages[-2]


def test_the_newest_page_is_whole_when_one_pages_back_to_it(ten: list[Message]) -> None:
    page = finding.find(Query(), after=ten[7].pk)
    assert subjects(page) == ["No 9", "No 8", "No 7"]
    assert page.newer is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(("failed",)), [8, 4, 1]),
        (Query(finding.WAITING), [9, 7, 6]),
        (Query(source="alert"), [5]),
        (Query(("sent",)), []),
        (Query(("failed",), text="ops@example.com"), [8, 4, 1]),
        (Query(source="alert", text="no"), [5]),
    ],
)
def test_a_filter_shows_its_messages_only(ten: list[Message], query: Query, found: list[int]) -> None:
    assert subjects(finding.find(query)) == [f"No {number}" for number in found]


def test_counting_stops_where_a_number_tells_nobody_more(
    ten: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finding.count(Query(("failed",))) == 3
    monkeypatch.setattr(finding, "MOST_COUNTED", 2)
    assert finding.count(Query(("failed",))) == 2


# --- search


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("box4@example.com", [4]),
        ("BOX4@Example.COM", [4]),
        ("<box4@example.com>", [4]),
        ("  box4@example.com ", [4]),
        ("box4@example", [4]),
        ("ops@example.com", [9, 8, 7]),
        ("@example.com", [9, 8, 7]),
        ("no 4", [4]),
        ("4 NO", [4]),
        ("box4", [4]),
        ("nobody@example.com", []),
        ("%", []),
        ("_", []),
        ("x" * 5000, []),
        ("'; drop table", []),
    ],
)
def test_search_finds_by_address_and_by_words(ten: list[Message], text: str, found: list[int]) -> None:
    assert subjects(finding.find(Query(text=text))) == [f"No {number}" for number in found]


def test_search_finds_an_address_whose_domain_is_in_another_script(queued: Queue) -> None:
    queued("anna@bücher.example", subject="Hello")
    for text in ("anna@bücher.example", "Anna@BÜCHER.example", "anna@xn--bcher-kva.example"):
        assert subjects(finding.find(Query(text=text))) == ["Hello"]


def test_search_finds_a_message_id_with_and_without_brackets(ten: list[Message]) -> None:
    for text in (ten[3].message_id, ten[3].message_id.strip("<>"), ten[3].message_id[1:20]):
        assert subjects(finding.find(Query(text=text))) == ["No 3"]


def test_pages_of_an_address_lead_to_the_oldest(ten: list[Message]) -> None:
    query = Query(text="ops@example.com")
    page = finding.find(query)
    seen = subjects(page)
    while page.older is not None:
        page = finding.find(query, before=page.older)
        seen += subjects(page)
    assert seen == [f"No {number}" for number in range(9, -1, -1)]


def test_an_address_with_a_status_is_looked_through_in_portions(
    ten: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "CANDIDATES", 4)
    assert subjects(finding.find(Query(("failed",), text="ops@example.com"))) == ["No 8", "No 4", "No 1"]
    monkeypatch.setattr(finding, "SECONDS", -1)
    query = Query(("failed",), text="ops@example.com")
    page = finding.find(query)
    assert (subjects(page), page.searched_to) == (["No 8"], ten[6].created_at)
    assert subjects(finding.find(query, before=page.older)) == ["No 4"]


def test_a_search_by_words_says_how_far_it_got_and_goes_on(
    ten: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "WINDOW", 4)
    monkeypatch.setattr(finding, "SECONDS", -1)
    page = finding.find(Query(text="box1"))
    assert (subjects(page), page.older) == ([], ten[6].pk)
    assert page.searched_to == ten[6].created_at
    page = finding.find(Query(text="box1"), before=page.older)
    assert (subjects(page), page.older) == ([], ten[2].pk)
    page = finding.find(Query(text="box1"), before=page.older)
    assert (subjects(page), page.older, page.searched_to) == (["No 1"], None, None)


def test_whatever_queues_a_mail_makes_it_findable(queued: Queue, relay: Any) -> None:
    raw = outbox.enqueue_raw(
        b"Subject: x\n\ny\n", sender="", recipients=["Raw@example.com"], to=[], subject="x", message_id="<1@x>",
        source="sendmail",
    )  # fmt: skip
    many = outbox.enqueue_many([mail_to("many@example.com")], source="api")
    copy = byhand.send_again(queued(), ["copy@example.com"])
    again = queued("key@example.com", key="k")
    assert queued("key@example.com", key="k").pk == again.pk
    for address, row in (("raw", raw), ("many", many[0]), ("copy", copy), ("key", again)):
        assert [one.pk for one in finding.find(Query(text=f"{address}@example.com")).rows] == [row.pk]
    assert Message.objects.filter(only_recipient="key@example.com").count() == 1


def mail_to(to: str) -> Any:
    return Email(to=[to], subject="x", text="x")


def test_a_deleted_message_is_found_no_more(ten: list[Message]) -> None:
    retention.remove(Message.objects.filter(pk=ten[4].pk))
    assert not finding.find(Query(text="box4@example.com")).rows
    assert MessageAddress.objects.count() == 18


# --- the indexes


def plan(sql: str) -> str:
    """How the database would run the statement, with its planner's statistics of a large table."""
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute(explain + sql.replace("%", "%%") if connection.vendor == "sqlite" else explain + sql)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.fixture
def many(relay: Any) -> None:
    """Enough rows that reading all of them costs more than an index; nearly all are sent, and none failed."""
    number = fewer(5_000, 20_000)
    Message.objects.bulk_create(
        [
            Message(
                status="sent",
                message_id=f"<{n}@x>",
                subject=f"No {n}",
                next_attempt_at=None,
                **envelope([f"box{n % 500}@example.com"] if n % 2 else []),
            )
            for n in range(number)
        ]
    )
    first = Message.objects.order_by("pk").values_list("pk", flat=True)[0]
    MessageAddress.objects.bulk_create(
        [
            MessageAddress(address=f"box{n % 500}@example.com", message_id=first + n)
            for n in range(0, number, 2)
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


QUERIES = (
    Query(),
    Query(("failed",)),
    Query(finding.WAITING),
    Query(source="alert"),
    Query(text="box7@example.com"),
    Query(text="box8@example.com"),
    Query(("sent",), text="box7@example.com"),
    Query(text="<77@x>"),
    Query(text="no 77"),
)


@pytest.mark.slow
@pytest.mark.long
def test_no_query_reads_its_way_through_the_table(many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "WINDOW", 100)  # a small part of the table, as it is of a large one
    monkeypatch.setattr(finding, "SECONDS", -1)
    with CaptureQueriesContext(connection) as taken:
        for query in QUERIES:
            finding.find(query, before=Message.objects.order_by("-pk").values_list("pk", flat=True)[10])
            finding.find(query)
            finding.count(Query(query.statuses, query.source))
    for statement in (one["sql"] for one in taken.captured_queries):
        shown = plan(statement)
        assert "Seq Scan" not in shown, (statement, shown)
        scans = [line for line in shown.splitlines() if line.startswith("SCAN ")]
        # Reading in the order of an index is fine where a LIMIT ends it.
        assert all("LIMIT" in statement for _ in scans), (statement, shown)
        assert "OFFSET" not in statement or "LIMIT 1 OFFSET 10" in statement


# --- upgrades


@pytest.fixture
def before(transactional_db: None) -> Iterator[Any]:
    """The models of 0.3.0, which had no index of recipients."""
    executor = MigrationExecutor(connection)
    executor.migrate([("mailrelay", "0004_refused_logins")])
    yield executor.loader.project_state([("mailrelay", "0004_refused_logins")]).apps
    call_command("migrate", verbosity=0)


@pytest.mark.slow
def test_messages_from_before_an_upgrade_are_found_by_each_recipient(before: Any) -> None:
    old = before.get_model("mailrelay", "Message")
    keys = {}
    for name, people in (
        ("one", ["Ops@example.com"]),
        ("two", ["ops@example.com", "b@example.com"]),
        ("no", []),
    ):
        recipients = [{"address": address, "status": "sent"} for address in people]
        keys[name] = old.objects.create(status="sent", message_id=f"<{name}@x>", recipients=recipients).pk
    call_command("migrate", verbosity=0)
    found = {
        text: [row.pk for row in finding.find(Query(text=text)).rows]
        for text in ("ops@example.com", "b@example.com")
    }
    assert found == {"ops@example.com": [keys["two"], keys["one"]], "b@example.com": [keys["two"]]}
    call_command("migrate", "mailrelay", "0012", verbosity=0)
    assert MessageAddress.objects.filter(message_id=keys["one"]).count() == 1


def returned(number: int) -> list[int]:
    """Messages of which every second one bounced, and every fourth was complained about as well; their ids."""
    bad = []
    for each in range(number):
        row = Message.objects.create(message_id=f"<{each}@x>", subject=f"mail {each}", status="sent")
        if each % 2:
            bad.append(row.pk)
            for kind in ("bounced", "complained") if each % 4 == 1 else ("bounced", "delayed"):
                Feedback.objects.create(message=row, recipient="a@example.com", kind=kind, source="dsn")
        else:
            Feedback.objects.create(message=row, recipient="a@example.com", kind="delivered", source="dsn")
    return bad[::-1]


def test_what_bounced_is_found_page_by_page_newest_first() -> None:
    bad = returned(2 * finding.PAGE + 20)
    query = Query(returned=True)
    first = finding.find(query)
    assert [row.pk for row in first.rows] == bad[: finding.PAGE]
    second = finding.find(query, before=first.older)
    assert [row.pk for row in second.rows] == bad[finding.PAGE :]
    assert second.older is None
    back = finding.find(query, after=second.newer)
    assert [row.pk for row in back.rows] == bad[: finding.PAGE]
    assert finding.count(query) == len(bad)


def test_words_are_looked_for_among_what_bounced() -> None:
    bad = returned(8)
    found = finding.find(Query(text="mail", returned=True))
    assert [row.pk for row in found.rows] == bad
    assert finding.find(Query(text="mail 2", returned=True)).rows == []
