"""/api/mail/domains and /{id}."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from mailboxes import changes
from mailboxes.models import Alias, Domain, Mailbox, Stack
from quazzar.models import AuditEntry
from tests.contract.answers import DOMAINS, error, is_time, ok, wrong
from tests.mailboxes import factories

KEYS = {
    "id",
    "name",
    "catch_all",
    "contact",
    "mailbox_count",
    "alias_count",
    "dkim",
    "warnings",
    "synced",
    "created_at",
}
NOT_NAMES: list[Any] = [
    "", " ", None, 5, True, ["example.com"], {"a": 1}, "localhost", "a b.com", "-a.com", "a-.com", "a..com",
    ".example.com", "exa_mple.com", "a@example.com", "example.com/", "https://example.com", "example.com:25",
    "[192.0.2.1]", "192.0.2.1", "exam\nple.com", "exam\x00ple.com", "*.example.com", "x" * 64 + ".com",
    "x." * 150 + "com", "x" * 100_000, "exa%mple.com", "\u202eexample.com", "example.com ok\nevil.com ok",
]  # fmt: skip
NOT_CATCH_ALLS: list[Any] = [
    5, True, [], {}, ["ops@example.com"], "ops", "@example.com", "ops@", "a b@example.com", "a@b@example.com",
    "a@example.com, b@example.com", "a@example.com\nb@example.com", "a\x00@example.com", "a@localhost",
    "x" * 65 + "@example.com", "x" * 100_000, '"a b"@example.com', "Ops <ops@example.com>", "|/bin/sh",
]  # fmt: skip
pytestmark = pytest.mark.django_db


def one(domain: Domain) -> str:
    return f"{DOMAINS}/{domain.pk}"


def names(response: Any) -> list[str]:
    return [row["name"] for row in ok(response)["results"]]


# --- adding ------------------------------------------------------------------------------------------------
def test_a_new_domain_is_201_and_shown_as_it_will_be_read(api: APIClient) -> None:
    made = ok(api.post(DOMAINS, {"name": "example.com"}), 201)
    assert made.keys() == KEYS
    assert made == ok(api.get(f"{DOMAINS}/{made['id']}")) == ok(api.get(DOMAINS))["results"][0]
    assert type(made["id"]) is int and is_time(made["created_at"])
    assert made | {"id": 1, "created_at": ""} == {
        "id": 1, "name": "example.com", "catch_all": None, "contact": None, "mailbox_count": 0, "alias_count": 0,
        "dkim": {"selector": "quazzar", "state": "ready"}, "synced": False, "created_at": "",
        "warnings": made["warnings"],
    }  # fmt: skip


@pytest.mark.slow
def test_no_answer_holds_the_key(api: APIClient) -> None:
    response = api.post(DOMAINS, {"name": "example.com"})
    signing = Domain.objects.get().signing_key
    assert signing is not None and signing.private_key is not None
    key = signing.private_key.reveal()
    assert key and key.encode()[:40] not in response.content and b"PRIVATE" not in response.content


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Müller.Example", "xn--mller-kva.example"), ("EXAMPLE.com", "example.com"), ("a.b.c.example", "a.b.c.example"),
        ("xn--mller-kva.example", "xn--mller-kva.example"), ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
    ],
)  # fmt: skip
def test_a_name_is_kept_in_lower_case_a_labels(api: APIClient, given: str, kept: str) -> None:
    assert ok(api.post(DOMAINS, {"name": given}), 201)["name"] == kept


@pytest.mark.parametrize("again", ["example.com", "EXAMPLE.COM", "Example.com"])
def test_the_same_name_again_is_409(api: APIClient, domain: Domain, again: str) -> None:
    told = error(api.post(DOMAINS, {"name": again}), 409, "already_exists")
    assert "example.com" in told["message"]
    assert Domain.objects.count() == 1


def test_another_spelling_of_a_name_is_the_same_name(api: APIClient) -> None:
    ok(api.post(DOMAINS, {"name": "müller.example"}), 201)
    error(api.post(DOMAINS, {"name": "XN--MLLER-KVA.example"}), 409, "already_exists")


@pytest.mark.slow
def test_what_is_no_name_is_refused(api: APIClient, subtests: pytest.Subtests) -> None:
    for given in NOT_NAMES:
        with subtests.test(ascii(given)[:80]):
            assert list(wrong(api.post(DOMAINS, {"name": given}))) == ["name"]
            assert not Domain.objects.exists()


@pytest.mark.slow
def test_what_is_no_address_is_no_catch_all(
    api: APIClient, domain: Domain, subtests: pytest.Subtests
) -> None:
    for given in NOT_CATCH_ALLS:
        with subtests.test(ascii(given)[:80]):
            for response in (
                api.post(DOMAINS, {"name": "other.example", "catch_all": given}),
                api.put(one(domain), {"name": "example.com", "catch_all": given}),
                api.patch(one(domain), {"catch_all": given}),
            ):
                assert list(wrong(response)) == ["catch_all"]
            assert Domain.objects.get().catch_all == ""


def test_a_name_is_required_and_every_wrong_field_is_told_at_once(api: APIClient) -> None:
    assert wrong(api.post(DOMAINS, {})) == {"name": ["This field is required."]}
    assert wrong(api.post(DOMAINS, {"name": 5, "catch_all": 5, "nope": 1})).keys() == {
        "name",
        "catch_all",
        "nope",
    }
    assert wrong(api.post(DOMAINS, {"name": "localhost", "catch_all": "x"})).keys() == {"name", "catch_all"}


def test_a_change_bumps_the_generation_and_is_audited(api: APIClient) -> None:
    made = ok(api.post(DOMAINS, {"name": "example.com"}), 201)
    first = Stack.load().desired_generation
    ok(api.patch(f"{DOMAINS}/{made['id']}", {"catch_all": "ops@example.com"}))
    assert Stack.load().desired_generation > first > 0
    assert [entry.action for entry in AuditEntry.objects.order_by("id")][-2:] == [
        "domain.added",
        "domain.changed",
    ]


# --- replacing and changing --------------------------------------------------------------------------------
def test_patch_sets_the_catch_all_and_null_or_empty_removes_it(api: APIClient, domain: Domain) -> None:
    for nothing in (None, ""):
        assert ok(api.patch(one(domain), {"catch_all": "Ops@Example.com"}))["catch_all"].endswith(
            "@example.com"
        )
        assert ok(api.patch(one(domain), {}))["catch_all"] is not None
        assert ok(api.patch(one(domain), {"catch_all": nothing}))["catch_all"] is None


def test_put_takes_the_catch_all_back_when_it_is_absent(api: APIClient, domain: Domain) -> None:
    ok(api.patch(one(domain), {"catch_all": "ops@example.com"}))
    assert ok(api.put(one(domain), {"name": "example.com"}))["catch_all"] is None


@pytest.mark.parametrize("method", ["put", "patch"])
def test_what_was_read_can_be_written_back(api: APIClient, domain: Domain, method: str) -> None:
    before = ok(api.patch(one(domain), {"catch_all": "ops@example.com"}))
    generation = Stack.load().desired_generation
    assert ok(getattr(api, method)(one(domain), before)) == before
    assert Stack.load().desired_generation == generation


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_name_cannot_change_but_may_be_sent_as_it_is(api: APIClient, domain: Domain, method: str) -> None:
    for name in ("other.example", "sub.example.com", "nonsense", ""):
        assert list(wrong(getattr(api, method)(one(domain), {"name": name}))) == ["name"]
    assert ok(getattr(api, method)(one(domain), {"name": "EXAMPLE.com"}))["name"] == "example.com"


@pytest.mark.slow
def test_what_is_only_shown_changes_nothing(
    api: APIClient, domain: Domain, subtests: pytest.Subtests
) -> None:
    for field in sorted(KEYS - {"name", "catch_all", "contact"}):
        with subtests.test(ascii(field)[:80]):
            before = ok(api.get(one(domain)))
            assert ok(api.patch(one(domain), {field: "nonsense"})) == before


# --- deleting ----------------------------------------------------------------------------------------------
def test_an_empty_domain_is_deleted_with_its_aliases(
    api: APIClient, domain: Domain, forward: Callable[..., Alias]
) -> None:
    forward("info")
    response = api.delete(one(domain))
    assert (response.status_code, response.content) == (204, b"")
    for again in (api.delete(one(domain)), api.get(one(domain)), api.put(one(domain), {"nope": 1})):
        error(again, 404, "not_found")
    assert not Alias.objects.exists()


def test_a_domain_with_mailboxes_is_409_until_the_last_is_deleted(
    api: APIClient, domain: Domain, box: Callable[..., Mailbox]
) -> None:
    row = box("ada")
    error(api.delete(one(domain)), 409, "domain_not_empty")
    Mailbox.objects.filter(pk=row.pk).update(deleted_at=timezone.now())
    assert api.delete(one(domain)).status_code == 204
    assert Mailbox.objects.get().domain_id is None


# --- reading -----------------------------------------------------------------------------------------------
def test_it_counts_what_lives_in_it(
    api: APIClient, domain: Domain, box: Callable[..., Mailbox], forward: Callable[..., Alias]
) -> None:
    for name in ("a", "b", "c"):
        box(name)
    box("gone", deleted_at=timezone.now())
    forward("d"), forward("e")
    Domain.objects.create(name="empty.example")
    found = {
        row["name"]: (row["mailbox_count"], row["alias_count"]) for row in ok(api.get(DOMAINS))["results"]
    }
    assert found == {"example.com": (3, 2), "empty.example": (0, 0)}


def test_a_key_whose_sealing_key_is_gone_shows_as_unreadable(
    api: APIClient, domain: Domain, settings: Any, tmp_path: Path
) -> None:
    Domain.objects.create(name="none.example")
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    states = {row["name"]: row["dkim"]["state"] for row in ok(api.get(DOMAINS))["results"]}
    assert states == {"example.com": "unreadable", "none.example": "none"}


def test_synced_says_whether_the_running_stack_has_it(api: APIClient, domain: Domain) -> None:
    assert ok(api.get(one(domain)))["synced"] is False
    Domain.objects.update(applied_at=timezone.now())
    assert ok(api.get(one(domain)))["synced"] is True
    assert ok(api.patch(one(domain), {"catch_all": "ops@example.com"}))["synced"] is False


def test_search_and_order(api: APIClient) -> None:
    for name in ("b.example", "a.example", "c.test"):
        Domain.objects.create(name=name)
    assert names(api.get(DOMAINS)) == ["a.example", "b.example", "c.test"]
    assert names(api.get(DOMAINS, {"ordering": "-name"})) == ["c.test", "b.example", "a.example"]
    assert names(api.get(DOMAINS, {"ordering": "mailbox_count,-id"})) == ["c.test", "a.example", "b.example"]
    assert names(api.get(DOMAINS, {"search": "EXAMPLE", "page_size": "1"})) == ["a.example"]
    assert list(wrong(api.get(DOMAINS, {"ordering": "dkim_private_key"}))) == ["ordering"]


@pytest.mark.slow
def test_the_number_of_queries_does_not_grow_with_the_page(
    api: APIClient, domain: Domain, box: Callable[..., Mailbox], forward: Callable[..., Alias]
) -> None:
    api.get(DOMAINS)  # notes that the key was used
    box("operator")
    with CaptureQueriesContext(connection) as few:
        assert len(names(api.get(DOMAINS))) == 1
    for n in range(60):
        factories.domain(f"d{n}.example", dkim_private_key="PEM")
    for n in range(5):
        box(f"u{n}"), forward(f"f{n}")
    with CaptureQueriesContext(connection) as many:
        assert len(names(api.get(DOMAINS, {"page_size": 500}))) == 61
    assert len(many) == len(few)


@pytest.mark.slow
def test_an_id_that_is_not_there_is_404(api: APIClient, subtests: pytest.Subtests) -> None:
    for method in ["get", "put", "patch", "delete"]:
        for pk in ["0", "999", str(2**63 - 1), str(2**63), "9" * 40]:
            with subtests.test(ascii((method, pk))[:80]):
                error(getattr(api, method)(f"{DOMAINS}/{pk}"), 404, "not_found")


def test_what_is_no_id_is_404(api: APIClient, domain: Domain, subtests: pytest.Subtests) -> None:
    for pk in ["abc", "-1", "1.5", "1/", "%00", "1%0a"]:
        with subtests.test(ascii(pk)[:80]):
            error(api.get(f"{DOMAINS}/{pk}"), 404, "not_found")


# --- the same request again --------------------------------------------------------------------------------
def test_the_same_idempotency_key_gives_the_first_answer(keyed: Callable[..., Any]) -> None:
    first = keyed(DOMAINS, {"name": "example.com"})
    again = keyed(DOMAINS, {"name": "example.com"})
    assert ok(first, 201) == ok(again, 201)
    assert again["Idempotent-Replayed"] == "true"
    error(keyed(DOMAINS, {"name": "other.example"}), 409, "idempotency_conflict")
    assert Domain.objects.count() == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_the_same_requests_at_once_one_adds_it(
    api: APIClient, at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "ring", lambda: None)
    answers = at_once(6, lambda: api.post(DOMAINS, {"name": "example.com"}))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert {answer.json().get("error") for answer in answers} == {None, "already_exists"}
