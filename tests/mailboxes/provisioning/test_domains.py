"""Domains: added with a key, changed in their catch-all only, removed when empty."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from mailboxes.dkim import keys
from mailboxes.models import Alias, DkimKey, Domain, Mailbox, Stack
from mailboxes.provisioning.domains import add_domain, change_domain, remove_domain, remove_domains
from quazzar.errors import AlreadyExists, DomainNotEmpty, InvalidFields, NotFound
from quazzar.models import AuditEntry
from tests.mailboxes import factories
from tests.mailboxes.factories import opened

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real key takes a tenth of a second."""
    monkeypatch.setattr(keys, "generate", lambda: keys.KeyPair("-----PRIVATE-----", "MIIB"))


def generation() -> int:
    return Stack.load().desired_generation


def audited() -> list[tuple[str, str, list[str]]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "target", "fields"))


# --- adding ------------------------------------------------------------------------------------------------
def test_a_new_domain_is_kept_as_a_labels_with_a_key_and_on_its_way() -> None:
    row = add_domain("Bücher.Example ")
    saved = Domain.objects.get()
    assert (saved, saved.name, saved.catch_all) == (row, "xn--bcher-kva.example", "")
    key = DkimKey.objects.get(domain=row)
    assert (key.selector, key.algorithm, key.state, key.since) == ("quazzar", "rsa", "signing", None)
    assert (opened(key.private_key), key.public_key) == ("-----PRIVATE-----", "MIIB")
    assert (saved.generation, saved.synced) == (generation(), False) == (1, False)


def test_the_key_of_a_new_domain_is_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    add_domain("example.com")
    key = DkimKey.objects.get()
    assert "PRIVATE KEY" in opened(key.private_key) and key.public_key.startswith("MII")


@pytest.mark.parametrize(
    "name", ["", "localhost", "exa mple.com", "a@example.com", "example.com\nother.com", 5, None]
)
def test_what_is_no_domain_is_refused(name: Any) -> None:
    with pytest.raises(InvalidFields) as caught:
        add_domain(name)
    assert caught.value.fields.keys() == {"name"}
    assert not Domain.objects.exists() and generation() == 0


def test_the_catch_all_is_a_full_address() -> None:
    assert add_domain("example.com", catch_all=" Ada@Example.ORG").catch_all == "ada@example.org"
    assert add_domain("example.net", catch_all=None).catch_all == ""
    for wrong in ("ada", "@example.com", "ada@", "a b@example.com", 7):
        with pytest.raises(InvalidFields) as caught:
            add_domain("example.org", catch_all=wrong)  # type: ignore[arg-type]
        assert caught.value.fields.keys() == {"catch_all"}


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidFields) as caught:
        add_domain("nope", catch_all="nope")
    assert caught.value.fields.keys() == {"name", "catch_all"}


def test_the_same_domain_again_is_a_conflict_in_whichever_spelling() -> None:
    add_domain("example.com")
    with pytest.raises(AlreadyExists, match=r"The domain example\.com already exists"):
        add_domain("EXAMPLE.com.")
    assert generation() == 1


def test_the_log_has_names_of_fields_only() -> None:
    row = add_domain("example.com", catch_all="ada@example.org")
    change_domain(row.pk, {"catch_all": None})
    remove_domain(row.pk)
    assert audited() == [
        ("domain.added", "example.com", ["catch_all", "name"]),
        ("domain.changed", "example.com", ["catch_all"]),
        ("domain.removed", "example.com", []),
    ]


@pytest.mark.django_db(transaction=True)
def test_the_worker_is_called_once_it_is_committed_and_not_for_what_is_not(rung: list[str]) -> None:
    with transaction.atomic():
        add_domain("example.com")
        assert rung == []
    assert rung == ["stack"]
    with pytest.raises(RuntimeError), transaction.atomic():
        add_domain("example.org")
        raise RuntimeError
    with pytest.raises(AlreadyExists):
        add_domain("example.com")
    assert rung == ["stack"]


# --- changing ----------------------------------------------------------------------------------------------
def test_the_catch_all_changes_and_goes() -> None:
    row = factories.domain(applied_at=timezone.now())
    assert change_domain(row.pk, {"catch_all": "ada@example.com"}).catch_all == "ada@example.com"
    assert not Domain.objects.get().synced
    assert change_domain(row.pk, {"catch_all": None}).catch_all == ""
    assert generation() == 2


def test_a_change_that_changes_nothing_leaves_no_trace(rung: list[str]) -> None:
    row = factories.domain(catch_all="ada@example.com", applied_at=timezone.now())
    for fields in ({}, {"name": "Example.COM"}, {"catch_all": "ADA@example.com"}):
        assert change_domain(row.pk, fields).synced
    assert (generation(), audited(), rung) == (0, [], [])


def test_the_name_stays() -> None:
    row = factories.domain()
    for other in ("example.org", "", None, "exa mple"):
        with pytest.raises(InvalidFields, match="fields") as caught:
            change_domain(row.pk, {"name": other})
        assert "cannot change" in caught.value.fields["name"][0]


def test_a_domain_that_is_gone_is_a_404() -> None:
    for call in (lambda: change_domain(99, {}), lambda: remove_domain(99)):
        with pytest.raises(NotFound):
            call()
    assert generation() == 0


# --- removing ----------------------------------------------------------------------------------------------
def test_a_domain_with_mailboxes_stays() -> None:
    box = factories.mailbox()
    factories.alias()
    with pytest.raises(DomainNotEmpty, match=r"example\.com still has 1 mailbox"):
        remove_domain(box.domain_id)  # type: ignore[arg-type]
    assert Domain.objects.exists() and Alias.objects.exists() and generation() == 0


def test_its_aliases_go_with_it_and_others_stay() -> None:
    factories.alias("info@example.com")
    kept = factories.alias("info@example.org", "info@example.com")
    remove_domain(factories.domain("example.com").pk)
    assert [*Alias.objects.all()] == [kept]
    assert Alias.objects.get().destinations == ["info@example.com"]
    assert generation() == 1


def test_its_deleted_mailboxes_stay_without_a_domain() -> None:
    box = factories.mailbox(deleted_at=timezone.now())
    remove_domain(factories.domain().pk)
    saved = Mailbox.objects.get()
    assert (saved.pk, saved.domain, saved.address) == (box.pk, None, "ada@example.com")


@pytest.mark.django_db(transaction=True)
def test_many_go_in_one_change_or_none_does(rung: list[str]) -> None:
    empty = [factories.domain(name).pk for name in ("a.example", "b.example")]
    filled = factories.mailbox().domain_id
    with pytest.raises(DomainNotEmpty):
        remove_domains([*empty, filled])  # type: ignore[list-item]
    assert (Domain.objects.count(), rung) == (3, [])
    assert remove_domains([*empty, 999]) == 2
    assert (generation(), rung) == (1, ["stack"])
    assert [action for action, _, _ in audited()] == ["domain.removed"] * 2


def test_a_name_that_leaves_no_room_for_its_dkim_record_is_refused() -> None:
    label = "a" * 54
    fits = ".".join([label] * 4)
    assert len(fits) == 219 and add_domain(fits).name == fits
    with pytest.raises(InvalidFields) as caught:
        add_domain(f"{fits}bb")
    assert "DKIM" in caught.value.fields["name"][0]
    assert Domain.objects.count() == 1
