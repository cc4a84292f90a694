"""Aliases: where they may and may not lead, and how they change."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning.aliases import (
    add_alias,
    change_alias,
    remove_alias,
    remove_aliases,
    set_aliases_enabled,
)
from mailboxes.provisioning.mailboxes import remove_mailbox
from mailboxes.provisioning.routes import MailCircle
from quazzar.errors import AlreadyExists, InvalidFields, NotFound
from quazzar.models import AuditEntry
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    return factories.domain()


def generation() -> int:
    return Stack.load().desired_generation


def actions() -> list[tuple[str, str, list[str]]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "target", "fields"))


def add(local_part: str, *destinations: str) -> Alias:
    return add_alias(factories.domain().pk, local_part, destinations)


# --- adding ------------------------------------------------------------------------------------------------
def test_a_new_alias_keeps_its_destinations_normalised_and_once(domain: Domain) -> None:
    destinations = ["Bob@Bücher.example", "ada@example.com", " ada@EXAMPLE.com"]
    add_alias(domain.pk, "Info", destinations)
    saved = Alias.objects.get()
    assert (saved.address, saved.local_part, saved.enabled) == ("info@example.com", "info", True)
    assert saved.destinations == ["bob@xn--bcher-kva.example", "ada@example.com"]
    assert (saved.generation, saved.synced) == (1, False)
    assert actions() == [("alias.added", "info@example.com", ["destinations", "enabled"])]


@pytest.mark.parametrize(
    "wrong", [[], None, "ada@example.com", ["ada"], ["ada@"], [5], ["ada@example.com", "x y@example.com"],
              ["a@example.com\nb@example.com"], ["|/bin/sh"], [":include:/etc/passwd"], {"a": 1}]
)  # fmt: skip
def test_what_is_no_list_of_addresses_is_refused(domain: Domain, wrong: Any) -> None:
    with pytest.raises(InvalidFields) as caught:
        add_alias(domain.pk, "info", wrong)
    assert caught.value.fields.keys() == {"destinations"}
    assert not Alias.objects.exists() and generation() == 0


def test_there_are_a_hundred_destinations_at_most() -> None:
    assert len(add("info", *(f"a{n}@example.org" for n in range(100))).destinations) == 100
    with pytest.raises(InvalidFields) as caught:
        add("more", *(f"a{n}@example.org" for n in range(101)))
    assert "100" in caught.value.fields["destinations"][0]


def test_an_address_is_a_mailbox_or_an_alias_and_once(domain: Domain) -> None:
    factories.mailbox("ada@example.com")
    factories.mailbox("gone@example.com", deleted_at=timezone.now())
    add("info", "ada@example.com")
    for local_part in ("ada", "INFO"):
        with pytest.raises(AlreadyExists):
            add(local_part, "x@example.org")
    assert add("gone", "ada@example.com").pk


def test_a_domain_that_is_not_there_is_named(domain: Domain) -> None:
    with pytest.raises(InvalidFields) as caught:
        add_alias(domain.pk + 1, "info", ["ada@example.com"])
    assert caught.value.fields.keys() == {"domain"}


# --- circles -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("itself", ["info@example.com", "INFO@Example.com", "info+tag@example.com"])
def test_an_alias_cannot_lead_to_itself(itself: str) -> None:
    for destinations in ([itself], ["ada@example.com", itself]):
        with pytest.raises(InvalidFields):
            add("info", *destinations)


def test_a_circle_is_refused_and_shown() -> None:
    add("a", "b@example.com")
    add("b", "x@example.org", "c@example.com")
    with pytest.raises(InvalidFields) as caught:
        add("c", "y@example.org", "a@example.com")
    path = "c@example.com → a@example.com → b@example.com → c@example.com"
    assert path in caught.value.fields["destinations"][0]


def test_a_circle_is_refused_when_an_alias_changes() -> None:
    a, b = add("a", "x@example.org"), add("b", "a@example.com")
    with pytest.raises(InvalidFields, match="fields"):
        change_alias(a.pk, {"destinations": ["b+tag@example.com"]})
    change_alias(b.pk, {"destinations": ["x@example.org"]})
    assert change_alias(a.pk, {"destinations": ["b@example.com"]}).pk


def test_a_disabled_alias_is_part_of_no_circle_until_it_is_enabled() -> None:
    row = add("a", "b@example.com")
    change_alias(row.pk, {"enabled": False})
    add("b", "a@example.com")
    with pytest.raises(InvalidFields) as caught:
        change_alias(row.pk, {"enabled": True})
    assert "forwarded in a circle" in caught.value.fields["enabled"][0]
    with pytest.raises(MailCircle):
        set_aliases_enabled([row.pk], True)


def test_two_ways_to_one_place_are_no_circle() -> None:
    add("end", "ada@example.org")
    add("left", "end@example.com")
    add("right", "end@example.com")
    assert add("top", "left@example.com", "right@example.com").pk


# --- changing and removing ---------------------------------------------------------------------------------
def test_what_is_given_changes_and_is_on_its_way() -> None:
    row = factories.alias(applied_at=timezone.now())
    change_alias(row.pk, {"enabled": False})
    saved = change_alias(row.pk, {"destinations": ["bob@example.org"]})
    assert (saved.destinations, saved.enabled, saved.synced, saved.generation) == (
        ["bob@example.org"],
        False,
        False,
        2,
    )
    assert [fields for _, _, fields in actions()] == [["enabled"], ["destinations"]]


def test_a_change_that_changes_nothing_leaves_no_trace() -> None:
    row = factories.alias(applied_at=timezone.now())
    same = {
        "domain": row.domain_id,
        "local_part": "info",
        "destinations": ["ADA@example.com".lower()],
        "enabled": True,
    }
    assert change_alias(row.pk, same).synced
    assert (generation(), actions()) == (0, [])


def test_the_address_stays() -> None:
    row = factories.alias()
    with pytest.raises(InvalidFields) as caught:
        change_alias(row.pk, {"local_part": "other", "domain": row.domain_id + 1})
    assert caught.value.fields.keys() == {"local_part", "domain"}


@pytest.mark.parametrize("wrong", ["yes", None, 1])
def test_enabled_is_true_or_false(wrong: Any) -> None:
    with pytest.raises(InvalidFields) as caught:
        change_alias(factories.alias().pk, {"enabled": wrong})
    assert caught.value.fields.keys() == {"enabled"}


def test_destinations_stay_when_their_mailbox_goes() -> None:
    box = factories.mailbox("ada@example.com")
    row = add("info", "ada@example.com")
    remove_mailbox(box.pk)
    assert Alias.objects.get(pk=row.pk).destinations == ["ada@example.com"]
    assert Mailbox.objects.get().deleted_at is not None


def test_what_is_gone_is_a_404() -> None:
    row = factories.alias()
    remove_alias(row.pk)
    for call in (remove_alias, lambda pk: change_alias(pk, {})):
        with pytest.raises(NotFound):
            call(row.pk)
    assert (generation(), [action for action, _, _ in actions()]) == (1, ["alias.removed"])


@pytest.mark.django_db(transaction=True)
def test_many_change_or_go_in_one_change(rung: list[str]) -> None:
    ids = [factories.alias(f"a{number}@example.com").pk for number in range(3)]
    assert set_aliases_enabled([*ids, 999], False) == 3
    assert set_aliases_enabled(ids, False) == 0
    assert (generation(), rung) == (1, ["stack"])
    assert remove_aliases([*ids, 999]) == 3
    assert remove_aliases(ids) == 0
    assert (generation(), rung, len(actions())) == (2, ["stack"] * 2, 6)


@pytest.mark.django_db(transaction=True)
def test_the_worker_is_called_once_it_is_committed_and_not_for_what_is_not(rung: list[str]) -> None:
    with transaction.atomic():
        add("info", "ada@example.com")
        assert rung == []
    with pytest.raises(RuntimeError), transaction.atomic():
        add("other", "ada@example.com")
        raise RuntimeError
    assert rung == ["stack"]
