"""Pages of the audit log, its filters, and what they cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from quazzar.auditlog import reading
from quazzar.auditlog.reading import Filter
from quazzar.models import AuditEntry

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 1, tzinfo=UTC)


def fill(number: int, **fields: object) -> None:
    """Entries a minute apart; two in a row have the same time."""
    AuditEntry.objects.bulk_create(
        AuditEntry(
            **{
                "at": START + timedelta(minutes=index // 2),
                "actor": "user:anna",
                "action": "mailbox.changed",
                "target": f"m{index}@lab.test",
                **fields,
            }
        )
        for index in range(number)
    )


def targets(page: reading.Page) -> list[str]:
    return [entry.target.partition("@")[0] for entry in page.entries]


def test_pages_follow_each_other_in_both_directions_without_gap_or_overlap() -> None:
    fill(25)
    first = reading.page(Filter(), size=10)
    second = reading.page(Filter(), before=first.older, size=10)
    third = reading.page(Filter(), before=second.older, size=10)
    assert targets(first) + targets(second) + targets(third) == [f"m{n}" for n in reversed(range(25))]
    assert (first.newer, third.older) == (None, None)
    assert targets(reading.page(Filter(), after=third.newer, size=10)) == targets(second)
    assert targets(reading.page(Filter(), after=second.newer, size=10)) == targets(first)
    assert reading.page(Filter(), after=second.newer, size=10).newer is None


def test_a_place_that_is_none_begins_at_the_newest() -> None:
    fill(3)
    assert targets(reading.page(Filter(), before=10**9)) == ["m2", "m1", "m0"]
    assert targets(reading.page(Filter(), after=10**9)) == ["m2", "m1", "m0"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(who="user:bob"), {"bob's", "both"}),
        (Filter(who="user:bo"), set()),
        (Filter(what="relay.changed"), {"relay", "both"}),
        (Filter(what="relay"), {"relay", "both"}),
        (Filter(what="rel"), set()),
        (Filter(address="203.0.113.7"), {"far"}),
        (Filter(address="203.0.113"), set()),
        (Filter(since=START + timedelta(days=1)), {"late"}),
        (Filter(until=START), {"early"}),
        (Filter(search="BOB changed"), {"bob's", "both"}),
        (Filter(search="203.0"), {"far"}),
        (Filter(who="user:bob", what="relay"), {"both"}),
        (Filter(search="100%"), set()),
    ],
)
def test_filters(wanted: Filter, found: set[str]) -> None:
    for row in (
        {"target": "bob's", "actor": "user:bob", "action": "mailbox.changed"},
        {"target": "relay", "action": "relay.changed"},
        {"target": "both", "actor": "user:bob", "action": "relay.changed"},
        {"target": "far", "address": "203.0.113.7"},
        {"target": "late", "at": START + timedelta(days=2)},
        {"target": "early", "at": START - timedelta(days=2)},
    ):
        AuditEntry.objects.create(**{"at": START, "actor": "user:anna", "action": "alias.added", **row})
    assert {entry.target for entry in reading.page(wanted).entries} == found
    assert {entry.target for entry in reading.each(wanted)} == found


def test_a_search_says_how_far_back_it_came_and_goes_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SEARCHED", 10)
    fill(25)
    found = reading.page(Filter(search="m3@"))
    assert (found.entries, found.searched_to is not None) == ([], True)
    found = reading.page(Filter(search="m3@"), before=found.older)
    assert found.entries == []
    found = reading.page(Filter(search="m3@"), before=found.older)
    assert (targets(found), found.older, found.searched_to) == (["m3"], None, None)


def test_an_export_reads_in_portions_and_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_CHUNK", 4)
    fill(12)
    with CaptureQueriesContext(connection) as queries:
        assert [entry.target for entry in reading.each(Filter())] == [
            f"m{n}@lab.test" for n in reversed(range(12))
        ]
    assert len(queries) == 4


@pytest.mark.parametrize(
    "wanted", [Filter(), Filter(who="user:anna"), Filter(what="relay.changed"), Filter(address="::1")]
)
@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="reads SQLite's plan")
def test_every_filter_has_an_index_that_gives_the_order(wanted: Filter) -> None:
    plan = reading._indexed(wanted)[:51].explain()
    assert "USING INDEX" in plan or "USING COVERING INDEX" in plan
    assert "TEMP B-TREE" not in plan
