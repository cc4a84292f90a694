"""/api/mail/aliases and /{id}."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from mailboxes import changes
from mailboxes.models import Alias, Domain, Mailbox, Stack
from tests.contract.answers import ALIASES, DOMAINS, MAILBOXES, error, lookups, ok, wrong
from tests.contract.test_mailboxes import NOT_FLAGS

Forward = Callable[..., Alias]
KEYS = {
    "id": int, "domain": int, "local_part": str, "address": str, "destinations": list, "enabled": bool, "synced": bool,
    "warnings": list,
}  # fmt: skip
TO = ["ops@example.net"]
NOT_DESTINATIONS: list[Any] = [
    "ops@example.net", None, 5, True, {}, {"a": 1}, [], [None], [5], [True], [[]], [{}], [["ops@example.net"]], [""], [" "],
    ["ops"], ["@example.net"], ["ops@"], ["a b@example.net"], ["a@b@example.net"], ["a@example.net, b@example.net"],
    ["a@example.net b@example.net"], ["a@example.net\nb@example.net"], ["a\x00@example.net"], ["a@localhost"],
    ["a@[192.0.2.1]"], ["Ops <ops@example.net>"], ['"a b"@example.net'], ["|/bin/sh"], ["/etc/passwd"], [":include:/x"],
    ["root"], ["x" * 65 + "@example.net"], ["a@" + "x." * 150 + "net"], ["x" * 100_000], ["größe@example.net"],
    ["ops@example.net", 5], [f"u{n}@example.net" for n in range(101)], [f"u{n}@example.net" for n in range(5000)],
    ["info@example.com"], ["INFO@example.com"],
]  # fmt: skip
pytestmark = pytest.mark.django_db


def at(row: Alias | int) -> str:
    return f"{ALIASES}/{row if isinstance(row, int) else row.pk}"


def locals_(response: Any) -> list[str]:
    return [row["local_part"] for row in ok(response)["results"]]


# --- adding ------------------------------------------------------------------------------------------------
def test_a_new_alias_is_201_and_shown_as_it_will_be_read(api: APIClient, domain: Domain) -> None:
    made = ok(api.post(ALIASES, {"domain": domain.pk, "local_part": "info", "destinations": TO}), 201)
    assert made == ok(api.get(at(made["id"]))) == ok(api.get(ALIASES))["results"][0]
    assert {name: type(value) for name, value in made.items()} == KEYS
    assert made == {
        "id": made["id"], "domain": domain.pk, "local_part": "info", "address": "info@example.com", "destinations": TO,
        "enabled": True, "synced": False, "warnings": made["warnings"],
    }  # fmt: skip


def test_destinations_are_kept_in_their_order_each_once(api: APIClient, domain: Domain) -> None:
    given = ["b@Müller.example", "a@example.net", "b@xn--mller-kva.example", "c@example.com"]
    made = ok(api.post(ALIASES, {"domain": domain.pk, "local_part": "Info", "destinations": given}), 201)
    assert made["destinations"] == ["b@xn--mller-kva.example", "a@example.net", "c@example.com"]
    assert made["local_part"] == "info"


def test_what_is_no_local_part_of_a_mailbox_is_none_of_an_alias(api: APIClient, domain: Domain) -> None:
    values: list[Any] = ["", None, 5, [], "a b", "a@b", "a+tag", "größe", "a\nb", "-a", "x" * 65]
    for local_part in values:
        body = {"domain": domain.pk, "local_part": local_part, "destinations": TO}
        assert list(wrong(api.post(ALIASES, body))) == ["local_part"]


@pytest.mark.slow
def test_destinations_that_are_refused(
    api: APIClient, domain: Domain, forward: Forward, subtests: pytest.Subtests
) -> None:
    row = forward("info", *TO)
    for given in NOT_DESTINATIONS:
        with subtests.test(ascii(given)[:80]):
            for response in (
                api.post(ALIASES, {"domain": domain.pk, "local_part": "new", "destinations": given})
                if given not in (["info@example.com"], ["INFO@example.com"])
                else api.patch(at(row), {"destinations": given}),
                api.put(at(row), {"destinations": given}),
                api.patch(at(row), {"destinations": given}),
            ):
                assert list(wrong(response)) == ["destinations"]
            assert ok(api.get(at(row)))["destinations"] == TO


REFUSED: list[tuple[str, Any]] = [
    *(("enabled", value) for value in NOT_FLAGS),
    *((name, 1) for name in ("surprise", "", "catch_all", "created_at")),
]


@pytest.mark.slow
def test_what_cannot_be_is_refused_by_its_field(
    api: APIClient, domain: Domain, forward: Forward, subtests: pytest.Subtests
) -> None:
    row = forward("info", *TO)
    new = {"domain": domain.pk, "local_part": "new", "destinations": TO}
    for field, value in REFUSED:
        with subtests.test(ascii((field, value))):
            for response in (
                api.post(ALIASES, new | {field: value}),
                api.put(at(row), {"destinations": TO, field: value}),
                api.patch(at(row), {field: value}),
            ):
                assert list(wrong(response)) == [field]


def test_a_domain_that_is_not_there_is_a_400_of_its_field(
    api: APIClient, domain: Domain, subtests: pytest.Subtests
) -> None:
    for given in [0, -1, 999, 2**63, 10**40, "1", None, True, [1], {}, 1.5]:
        with subtests.test(ascii(given)[:80]):
            body = {"domain": given, "local_part": "info", "destinations": TO}
            assert list(wrong(api.post(ALIASES, body))) == ["domain"]


def test_what_is_required(api: APIClient, forward: Forward) -> None:
    assert wrong(api.post(ALIASES, {})).keys() == {"domain", "local_part", "destinations"}
    assert wrong(api.put(at(forward()), {})).keys() == {"destinations"}


def test_the_same_address_again_is_409(
    api: APIClient, domain: Domain, forward: Forward, box: Callable[..., Mailbox]
) -> None:
    forward("info"), box("ada")
    for local_part in ("info", "INFO", "ada"):
        body = {"domain": domain.pk, "local_part": local_part, "destinations": TO}
        told = error(api.post(ALIASES, body), 409, "already_exists")
        assert local_part.lower() in told["message"]


def test_the_address_of_a_deleted_mailbox_is_free(
    api: APIClient, domain: Domain, box: Callable[..., Mailbox]
) -> None:
    row = box("ada")
    api.delete(f"{MAILBOXES}/{row.pk}")
    ok(api.post(ALIASES, {"domain": domain.pk, "local_part": "ada", "destinations": TO}), 201)
    error(api.post(f"{MAILBOXES}/{row.pk}/restore"), 409, "already_exists")


def test_mail_that_would_go_round_in_a_circle_is_refused(
    api: APIClient, domain: Domain, forward: Forward
) -> None:
    forward("a", "b@example.com")
    body = {"domain": domain.pk, "local_part": "b", "destinations": ["a@example.com"]}
    assert list(wrong(api.post(ALIASES, body))) == ["destinations"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_the_same_requests_at_once_one_adds_it(
    api: APIClient, domain: Domain, at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "ring", lambda: None)
    body = {"domain": domain.pk, "local_part": "info", "destinations": TO}
    answers = at_once(6, lambda: api.post(ALIASES, body))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]


def test_the_same_idempotency_key_gives_the_first_answer(keyed: Callable[..., Any], domain: Domain) -> None:
    body = {"domain": domain.pk, "local_part": "info", "destinations": TO}
    assert ok(keyed(ALIASES, body), 201) == ok(keyed(ALIASES, body), 201)
    error(keyed(ALIASES, body | {"local_part": "other"}), 409, "idempotency_conflict")
    assert Alias.objects.count() == 1


# --- replacing and changing --------------------------------------------------------------------------------
def test_patch_changes_what_is_given_alone_and_put_takes_the_rest_back(
    api: APIClient, forward: Forward
) -> None:
    row = forward("info", *TO)
    before = ok(api.get(at(row)))
    assert ok(api.patch(at(row), {"enabled": False})) == before | {"enabled": False}
    new = ["ada@example.net"]
    assert ok(api.patch(at(row), {"destinations": new})) == before | {"enabled": False, "destinations": new}
    assert ok(api.put(at(row), {"destinations": TO})) == before


@pytest.mark.parametrize("method", ["put", "patch"])
def test_what_was_read_can_be_written_back(api: APIClient, forward: Forward, method: str) -> None:
    row = forward("info", *TO, enabled=False, applied_at=timezone.now())
    before = ok(api.get(at(row)))
    generation = Stack.load().desired_generation
    assert ok(getattr(api, method)(at(row), before)) == before
    assert (Stack.load().desired_generation, before["synced"]) == (generation, True)


def test_a_change_reads_its_row_once(api: APIClient, forward: Forward) -> None:
    row = forward("info", "ada@example.com")
    with CaptureQueriesContext(connection) as asked:
        ok(api.patch(at(row), {"enabled": False}))
    assert lookups(asked, Alias) == 1


@pytest.mark.parametrize("method", ["put", "patch"])
def test_the_address_cannot_change_but_may_be_sent_as_it_is(
    api: APIClient, forward: Forward, method: str
) -> None:
    row = forward("info", *TO)
    other = Domain.objects.create(name="other.example")
    for body in ({"local_part": "other"}, {"domain": other.pk}, {"domain": 999}):
        assert list(wrong(getattr(api, method)(at(row), body | {"destinations": TO}))) == list(body)
    same = {"domain": row.domain_id, "local_part": "INFO", "destinations": TO}
    assert ok(getattr(api, method)(at(row), same))["address"] == "info@example.com"


@pytest.mark.parametrize("field", ["id", "address", "synced"])
def test_what_is_only_shown_changes_nothing(api: APIClient, forward: Forward, field: str) -> None:
    row = forward()
    before = ok(api.get(at(row)))
    assert ok(api.patch(at(row), {field: "nonsense"})) == before


# --- deleting and reading ----------------------------------------------------------------------------------
def test_a_deleted_alias_is_gone(api: APIClient, forward: Forward) -> None:
    row = forward()
    response = api.delete(at(row))
    assert (response.status_code, response.content) == (204, b"")
    for again in (
        api.get(at(row)),
        api.put(at(row), {"nope": 1}),
        api.patch(at(row), {}),
        api.delete(at(row)),
    ):
        error(again, 404, "not_found")
    assert ok(api.get(f"{DOMAINS}/{row.domain_id}"))["alias_count"] == 0


def test_an_id_that_is_not_there_is_404(api: APIClient, subtests: pytest.Subtests) -> None:
    for method in ["get", "put", "patch", "delete"]:
        for pk in ["0", "999", str(2**63 - 1), str(2**63), "9" * 40]:
            with subtests.test(ascii((method, pk))[:80]):
                error(getattr(api, method)(f"{ALIASES}/{pk}"), 404, "not_found")


def test_filters_search_and_order(api: APIClient, domain: Domain, forward: Forward) -> None:
    other = Domain.objects.create(name="other.example")
    forward("a", "x@example.net"), forward("b", "y@example.net", enabled=False)
    Alias.objects.create(
        domain=other, local_part="c", address="c@other.example", destinations=["x@example.org"]
    )
    assert locals_(api.get(ALIASES)) == ["a", "b", "c"]
    assert locals_(api.get(ALIASES, {"domain": str(domain.pk), "ordering": "-address"})) == ["b", "a"]
    assert locals_(api.get(ALIASES, {"domain": 999})) == []
    assert locals_(api.get(ALIASES, {"search": "OTHER"})) == ["c"]
    assert locals_(api.get(ALIASES, {"search": "x@example"})) == ["a", "c"]
    assert locals_(api.get(ALIASES, {"enabled": "false"})) == ["b"]


def test_what_cannot_be_filtered_by_is_400(
    api: APIClient, forward: Forward, subtests: pytest.Subtests
) -> None:
    for name, value in [
        ("domain", "abc"),
        ("domain", str(2**63)),
        ("enabled", "x"),
        ("ordering", "destinations"),
    ]:
        with subtests.test(ascii((name, value))[:80]):
            assert list(wrong(api.get(ALIASES, {name: value}))) == [name]


def test_the_number_of_queries_does_not_grow_with_the_page(
    api: APIClient, domain: Domain, forward: Forward
) -> None:
    forward()
    api.get(ALIASES)  # notes that the key was used
    with CaptureQueriesContext(connection) as few:
        assert len(locals_(api.get(ALIASES))) == 1
    for number in range(60):
        forward(f"f{number}")
    with CaptureQueriesContext(connection) as many:
        assert len(locals_(api.get(ALIASES, {"page_size": 500}))) == 61
    assert len(many) == len(few)
