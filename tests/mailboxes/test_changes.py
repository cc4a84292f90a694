"""One writer at a time, a generation for each change, and a ring once it is committed."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from mailboxes import changes
from mailboxes.models import Domain, Mailbox, Stack
from quazzar.errors import AlreadyExists, NotFound
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


def test_each_change_gets_the_next_generation() -> None:
    factories.stack(desired_generation=41)
    assert (changes.bump(), changes.bump()) == (42, 43)
    assert Stack.load().desired_generation == 43


def test_the_first_change_makes_the_stack_row() -> None:
    assert changes.bump() == 1
    assert Stack.objects.count() == 1


def test_a_generation_costs_one_statement() -> None:
    factories.stack()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        changes.bump()
    assert len(queries) == 1


def test_a_changed_row_is_on_its_way() -> None:
    row = factories.domain(applied_at="2026-01-01T00:00:00Z", generation=1)
    factories.stack(desired_generation=7)
    changes.stamp(row)
    assert (row.generation, row.synced) == (8, False)


def test_a_generation_that_is_rolled_back_never_was() -> None:
    with pytest.raises(RuntimeError), changes.writing():
        changes.bump()
        raise RuntimeError
    assert not Stack.objects.filter(desired_generation__gt=0).exists()


@pytest.mark.django_db(transaction=True)
def test_the_worker_is_called_after_the_commit(rung: list[str]) -> None:
    with transaction.atomic():
        with changes.writing():
            changes.announce()
        assert rung == []
    assert rung == ["stack"]


@pytest.mark.django_db(transaction=True)
def test_the_worker_is_not_called_for_what_was_rolled_back(rung: list[str]) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        changes.announce()
        raise RuntimeError
    assert rung == []


def test_a_duplicate_that_only_the_database_saw_is_a_conflict() -> None:
    factories.domain()
    with pytest.raises(AlreadyExists) as caught, changes.writing():
        Domain.objects.create(name="example.com")
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert Domain.objects.count() == 1


def test_a_row_is_found_or_it_is_a_404() -> None:
    row = factories.domain()
    assert changes.existing(Domain.objects.all(), row.pk) == row
    with pytest.raises(NotFound, match="domain does not exist"):
        changes.existing(Domain.objects.all(), row.pk + 1)


def test_many_keys_come_in_portions_each_once() -> None:
    portions = list(changes.batches([*range(700), *range(600)]))
    assert [len(portion) for portion in portions] == [changes.BATCH, 200]
    assert list(changes.batches({"b", "a"})) == [["a", "b"]]


# --- storing -----------------------------------------------------------------------------------------------
def reads(asked: CaptureQueriesContext, table: str) -> int:
    return sum(query["sql"].startswith("SELECT") and f'FROM "{table}"' in query["sql"] for query in asked)


def test_what_differs_is_stored_as_the_next_generation_without_reading_the_row_again() -> None:
    row = factories.mailbox()
    with CaptureQueriesContext(connection) as asked, changes.writing():
        stored, changed = changes.store(Mailbox.objects.all(), row, {"quota_mb": 5, "enabled": True})
    assert (changed, stored.quota_mb, stored.generation) == ({"quota_mb": (0, 5)}, 5, row.generation)
    assert reads(asked, "mailboxes_mailbox") == 0
    kept = Mailbox.objects.get()
    assert (kept.quota_mb, kept.generation, kept.applied_at) == (5, stored.generation, None)


def test_what_does_not_differ_is_not_stored() -> None:
    row = factories.mailbox()
    with changes.writing():
        assert changes.store(Mailbox.objects.all(), row, {"quota_mb": row.quota_mb}) == (row, {})
    assert Mailbox.objects.get().generation == row.generation


def test_a_row_that_was_changed_meanwhile_is_read_again_and_keeps_that_change() -> None:
    stale = factories.mailbox()
    with changes.writing():
        changes.store(Mailbox.objects.all(), Mailbox.objects.get(), {"quota_mb": 7})
    with changes.writing():
        stored, changed = changes.store(Mailbox.objects.all(), stale, {"display_name": "Ada"})
    assert (changed, stored.quota_mb, stored.display_name) == ({"display_name": ("", "Ada")}, 7, "Ada")
    kept = Mailbox.objects.get()
    assert (kept.quota_mb, kept.display_name) == (7, "Ada")


def test_a_row_that_went_meanwhile_is_not_found() -> None:
    row = factories.mailbox()
    Mailbox.objects.all().delete()
    with pytest.raises(NotFound), changes.writing():
        changes.store(Mailbox.objects.all(), row, {"quota_mb": 7})
