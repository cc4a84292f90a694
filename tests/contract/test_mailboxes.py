"""/api/mail/mailboxes and /{id}: adding, replacing, changing, deleting, restoring."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from mailboxes import changes
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import passwords
from quazzar.models import AuditEntry, IdempotentRequest
from quazzar.sealing import agreement
from tests.contract.answers import DOMAINS, MAILBOXES, error, is_time, ok, reads, wrong

Box = Callable[..., Mailbox]
SECRET = "correct horse battery"
KEYS = {
    "id": int, "domain": int, "local_part": str, "address": str, "quota_mb": int, "password": str,
    "has_password": bool, "password_state": str, "enabled": bool, "can_send": bool, "can_receive": bool,
    "display_name": str, "usage_bytes": int, "forward_to": list, "keep_copy": bool, "warnings": list, "synced": bool, "created_at": str,
}  # fmt: skip
READ_ONLY = [
    "id",
    "address",
    "has_password",
    "password_state",
    "usage_bytes",
    "warnings",
    "synced",
    "created_at",
]
FULL: dict[str, Any] = {
    "local_part": "ada", "password": SECRET, "quota_mb": 1024, "display_name": "Ada Lovelace", "enabled": False,
    "can_send": False, "can_receive": False, "forward_to": ["ada@elsewhere.example"], "keep_copy": False,
}  # fmt: skip
NOT_LOCAL_PARTS: list[Any] = [
    "", " ", None, 5, True, [], {}, ["ada"], "a b", "a@b", "a@example.com", "a:b", "a|b", "a/b", "../b", "a\\b", "a%b",
    "a!b", "a+tag", "a#b", "#a", "a=b", '"a"', "a,b", "a;b", "(a)", "<a>", "a[b]", "a..b", ".a", "a.", "-a", "-",
    "a\nb", "a\rb", "a\tb", "a\x00b", "a\x7fb", "a\u2028b", "größe", "аda", "ａda", "a\u200bb", "a\u0301",
    "*", "$a", "`a`", "{a}", "x" * 65, "x" * 100_000,
]  # fmt: skip
NOT_QUOTAS: list[Any] = [
    "abc", "100", "", None, -1, 0.5, 1e300, 2**31, 10**30, True, False, [1], {}, "1e3", "0x10", "9" * 5000,
]  # fmt: skip
NOT_FLAGS: list[Any] = [None, "", "true", "false", "yes", 1, 0, 0.0, [], {}, [True], "perhaps"]
NOT_FORWARDS: list[Any] = [
    5, True, {}, "bob@example.com", [5], [None], ["bob"], ["a b@example.com"], ["|/bin/sh"], ["a@b@example.com"],
    ["x@example.com\n"], [f"a{n}@example.org" for n in range(101)],
]  # fmt: skip
NOT_NAMES: list[Any] = [
    None, 5, True, [], {}, "a\nb", "a\rb", "a\x00b", "x" * 201, "x" * 100_000, "a\u2028b", "a\x1bb", "a\x85b",
]  # fmt: skip
NOT_PASSWORDS: list[Any] = [
    5, True, [], {}, ["x"], "short", "x" * 129, "x" * 100_000, "password123", "a\x00bcdefghijkl", "abcdefghij\nklm",
    " correct horse battery", "aaaaaaaaaaaa", "aaaaabbbbbcc",
]  # fmt: skip
REFUSED: list[tuple[str, Any]] = [
    *(("quota_mb", value) for value in NOT_QUOTAS),
    *((name, value) for name in ("enabled", "can_send", "can_receive", "keep_copy") for value in NOT_FLAGS),
    *(("forward_to", value) for value in NOT_FORWARDS),
    *(("display_name", value) for value in NOT_NAMES),
    *(("password", value) for value in NOT_PASSWORDS),
    *((name, 1) for name in ("surprise", "", "pk", "home", "password_hash", "deleted_at", "domain_id")),
]
pytestmark = pytest.mark.django_db


def test_a_change_reads_its_row_once(api: APIClient, box: Box) -> None:
    row = box("ada")
    for method, body in [("patch", {"quota_mb": 5}), ("put", {}), ("patch", {"password": SECRET})]:
        with CaptureQueriesContext(connection) as asked:
            ok(getattr(api, method)(at(row), body))
        assert reads(asked, Mailbox) == 1


def at(row: Mailbox | int) -> str:
    return f"{MAILBOXES}/{row if isinstance(row, int) else row.pk}"


def hashed(pk: int) -> str | None:
    value = Mailbox.objects.get(pk=pk).password_hash
    return None if value is None else str(value.reveal())


# --- adding ------------------------------------------------------------------------------------------------
def test_a_new_mailbox_is_201_and_shown_as_it_will_be_read(api: APIClient, domain: Domain) -> None:
    made = ok(api.post(MAILBOXES, FULL | {"domain": domain.pk}), 201)
    assert made == ok(api.get(at(made["id"]))) == ok(api.get(MAILBOXES))["results"][0]
    assert {name: type(value) for name, value in made.items()} == KEYS
    shown = {"password": "", "has_password": True, "password_state": "saved", "address": "ada@example.com"}
    counted = {"id": made["id"], "domain": domain.pk, "usage_bytes": 0, "synced": False, "warnings": []}
    assert made == FULL | shown | counted | {"created_at": made["created_at"]}
    assert is_time(made["created_at"])


def test_what_is_absent_has_its_default(api: APIClient, domain: Domain) -> None:
    made = ok(api.post(MAILBOXES, {"domain": domain.pk, "local_part": "ada"}), 201)
    assert made | {"id": 1, "created_at": ""} == {
        "id": 1, "domain": domain.pk, "local_part": "ada", "address": "ada@example.com", "quota_mb": 0, "password": "",
        "has_password": False, "password_state": "none", "enabled": True, "can_send": True, "can_receive": True,
        "display_name": "", "usage_bytes": 0, "forward_to": [], "keep_copy": True, "warnings": [], "synced": False,
        "created_at": "",
    }  # fmt: skip


@pytest.mark.parametrize("given", ["ada", "a", "ada.b-c_d", "o'brien", "a&b~c", "4u", "_a", "x" * 64])
def test_local_parts_that_are_taken(api: APIClient, domain: Domain, given: str) -> None:
    made = ok(api.post(MAILBOXES, {"domain": domain.pk, "local_part": given}), 201)
    assert (made["local_part"], made["address"]) == (given, f"{given}@example.com")


def test_a_local_part_is_kept_in_lower_case(api: APIClient, domain: Domain) -> None:
    assert ok(api.post(MAILBOXES, {"domain": domain.pk, "local_part": "Ada.B"}), 201)["local_part"] == "ada.b"


@pytest.mark.slow
def test_local_parts_that_are_refused(api: APIClient, domain: Domain, subtests: pytest.Subtests) -> None:
    for given in NOT_LOCAL_PARTS:
        with subtests.test(ascii(given)[:80]):
            assert list(wrong(api.post(MAILBOXES, {"domain": domain.pk, "local_part": given}))) == [
                "local_part"
            ]
            assert not Mailbox.objects.exists()


def test_a_domain_that_is_not_there_is_a_400_of_its_field(
    api: APIClient, domain: Domain, subtests: pytest.Subtests
) -> None:
    for given in [0, -1, 999, 2**63, 10**40, "1", "example.com", None, True, [1], {}, 1.5, ""]:
        with subtests.test(ascii(given)[:80]):
            assert list(wrong(api.post(MAILBOXES, {"domain": given, "local_part": "ada"}))) == ["domain"]


@pytest.mark.slow
def test_what_cannot_be_is_refused_by_its_field(
    api: APIClient, domain: Domain, box: Box, subtests: pytest.Subtests
) -> None:
    row = box("ada")
    before = ok(api.get(at(row)))
    new = {"domain": domain.pk, "local_part": "bob"}
    for field, value in REFUSED:
        with subtests.test(ascii((field, value))[:80]):
            for response in (
                api.post(MAILBOXES, new | {field: value}),
                api.put(at(row), {field: value}),
                api.patch(at(row), {field: value}),
            ):
                assert list(wrong(response)) == [field]
    assert ok(api.get(at(row))) == before
    assert Mailbox.objects.count() == 1


def test_domain_and_local_part_are_required_and_every_wrong_field_is_told_at_once(api: APIClient) -> None:
    assert wrong(api.post(MAILBOXES, {})).keys() == {"domain", "local_part"}
    body = {"domain": "x", "local_part": 5, "quota_mb": -1, "nope": 1}
    assert wrong(api.post(MAILBOXES, body)).keys() == body.keys()


@pytest.mark.parametrize("local_part", ["ada", "ADA"])
def test_the_same_address_again_is_409(api: APIClient, domain: Domain, box: Box, local_part: str) -> None:
    box("ada")
    told = error(api.post(MAILBOXES, {"domain": domain.pk, "local_part": local_part}), 409, "already_exists")
    assert "ada@example.com" in told["message"]


def test_the_address_of_an_alias_is_taken_too(
    api: APIClient, domain: Domain, forward: Callable[..., Alias]
) -> None:
    forward("info")
    error(api.post(MAILBOXES, {"domain": domain.pk, "local_part": "info"}), 409, "already_exists")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_the_same_requests_at_once_one_adds_it(
    api: APIClient, domain: Domain, at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "ring", lambda: None)
    body = {"domain": domain.pk, "local_part": "ada"}
    answers = at_once(6, lambda: api.post(MAILBOXES, body))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]


# --- the password ------------------------------------------------------------------------------------------
def test_the_password_is_hashed_sealed_and_shown_nowhere(
    api: APIClient, domain: Domain, caplog: pytest.LogCaptureFixture
) -> None:
    response = api.post(
        MAILBOXES,
        {"domain": domain.pk, "local_part": "ada", "password": SECRET},
        headers={"Idempotency-Key": "k"},
    )
    stored = hashed(ok(response, 201)["id"])
    assert (
        stored
        and stored.startswith("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$")
        and passwords.verify(stored, SECRET)
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM mailboxes_mailbox")
        row = b"".join(str(one).encode() for one in cursor.fetchone())
    assert SECRET.encode() not in row and b"ARGON2ID" not in row
    assert SECRET not in caplog.text and SECRET.encode() not in response.content
    assert not IdempotentRequest.objects.exists()


@pytest.mark.parametrize("word", ["with spaces within", "pässwörd 🔑 long", '"\\:{}$ab12cd', "xyz7" * 32])
def test_any_other_password_is_taken_as_it_is(api: APIClient, domain: Domain, word: str) -> None:
    made = ok(api.post(MAILBOXES, {"domain": domain.pk, "local_part": "ada", "password": word}), 201)
    stored = hashed(made["id"])
    assert stored and passwords.verify(stored, word) and not passwords.verify(stored, word + "x")


@pytest.mark.parametrize("given", [{}, {"password": ""}, {"password": None}])
def test_a_mailbox_can_be_without_a_password(api: APIClient, domain: Domain, given: dict[str, Any]) -> None:
    made = ok(api.post(MAILBOXES, {"domain": domain.pk, "local_part": "ada", **given}), 201)
    assert (made["has_password"], made["password_state"]) == (False, "none")


def test_the_address_is_no_password(api: APIClient, domain: Domain, box: Box) -> None:
    body = {"domain": domain.pk, "local_part": "bob", "password": "bob@example.com"}
    assert list(wrong(api.post(MAILBOXES, body))) == ["password"]
    assert list(wrong(api.patch(at(box("ada")), {"password": "ADA@example.com"}))) == ["password"]


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("part", [{}, {"password": ""}])
def test_an_absent_or_empty_password_keeps_it(
    api: APIClient, box: Box, method: str, part: dict[str, Any]
) -> None:
    row = box("ada", password_hash="{ARGON2ID}old")
    shown = ok(getattr(api, method)(at(row), {"quota_mb": 7, **part}))
    assert (shown["password"], shown["has_password"], shown["quota_mb"]) == ("", True, 7)
    assert hashed(row.pk) == "{ARGON2ID}old"


@pytest.mark.parametrize("method", ["put", "patch"])
def test_null_removes_the_password_and_a_new_one_replaces_it(api: APIClient, box: Box, method: str) -> None:
    row = box("ada", password_hash="{ARGON2ID}old")
    shown = ok(getattr(api, method)(at(row), {"password": None}))
    assert (shown["has_password"], shown["password_state"], hashed(row.pk)) == (False, "none", None)
    assert ok(getattr(api, method)(at(row), {"password": SECRET}))["password_state"] == "saved"
    assert passwords.verify(hashed(row.pk) or "", SECRET)


def test_after_the_key_file_was_replaced_it_is_unreadable_and_a_new_one_recovers(
    api: APIClient, box: Box, settings: Any, tmp_path: Path
) -> None:
    row = box("ada", password_hash="{ARGON2ID}old")
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    agreement.adopt()
    for shown in (
        ok(api.get(at(row))),
        ok(api.get(MAILBOXES))["results"][0],
        ok(api.patch(at(row), {"quota_mb": 5})),
    ):
        assert (shown["has_password"], shown["password_state"], shown["password"]) == (True, "unreadable", "")
    assert ok(api.put(at(row), {"password": SECRET}))["password_state"] == "saved"


# --- replacing and changing --------------------------------------------------------------------------------
def test_patch_changes_what_is_given_alone(api: APIClient, domain: Domain) -> None:
    before = ok(api.post(MAILBOXES, FULL | {"domain": domain.pk}), 201)
    for part in (
        {"quota_mb": 5},
        {"display_name": "A."},
        {"enabled": True},
        {"can_send": True},
        {"can_receive": True},
    ):
        before |= part
        assert ok(api.patch(at(before["id"]), part)) == before


def test_put_takes_back_what_is_not_given(api: APIClient, domain: Domain) -> None:
    before = ok(api.post(MAILBOXES, FULL | {"domain": domain.pk}), 201)
    fresh = {"quota_mb": 0, "display_name": "", "enabled": True, "can_send": True, "can_receive": True}
    fresh |= {"forward_to": [], "keep_copy": True}
    for body in ({}, {"domain": domain.pk, "local_part": "ada"}):
        assert ok(api.put(at(before["id"]), body)) == before | fresh


@pytest.mark.parametrize("method", ["put", "patch"])
def test_what_was_read_can_be_written_back(api: APIClient, domain: Domain, method: str) -> None:
    before = ok(api.post(MAILBOXES, FULL | {"domain": domain.pk}), 201)
    generation = Stack.load().desired_generation
    assert ok(getattr(api, method)(at(before["id"]), before)) == before
    assert Stack.load().desired_generation == generation


@pytest.mark.parametrize("method", ["put", "patch"])
def test_the_address_cannot_change_but_may_be_sent_as_it_is(api: APIClient, box: Box, method: str) -> None:
    row = box("ada")
    other = Domain.objects.create(name="other.example")
    for body in ({"local_part": "bob"}, {"local_part": "a b"}, {"domain": other.pk}, {"domain": 999}):
        told = wrong(getattr(api, method)(at(row), body))
        assert list(told) == list(body)
    same = {"domain": row.domain_id, "local_part": "ADA"}
    assert ok(getattr(api, method)(at(row), same))["address"] == "ada@example.com"


@pytest.mark.parametrize("field", READ_ONLY)
def test_what_is_only_shown_changes_nothing(api: APIClient, box: Box, field: str) -> None:
    row = box("ada", usage_bytes=5)
    before = ok(api.get(at(row)))
    for value in ("nonsense", 7, None, True):
        assert ok(api.patch(at(row), {field: value})) == before


def test_a_change_waits_for_the_running_stack_and_no_change_does_not(api: APIClient, box: Box) -> None:
    row = box("ada", applied_at=timezone.now())
    assert ok(api.patch(at(row), {"quota_mb": 0, "password": ""}))["synced"] is True
    assert ok(api.patch(at(row), {"quota_mb": 9}))["synced"] is False
    assert AuditEntry.objects.filter(action="mailbox.changed").get().fields == ["quota_mb"]


def test_quota_and_display_name_are_judged_as_in_the_console_and_the_import(api: APIClient, box: Box) -> None:
    told = wrong(api.patch(at(box("ada")), {"quota_mb": -1, "display_name": "x" * 201}))
    assert told["quota_mb"] == ["The quota must be a whole number of MiB from 0 (no limit) to 2147483647."]
    assert told["display_name"] == ["The display name can have at most 200 characters."]


def test_a_quota_with_nothing_behind_the_point_is_whole(api: APIClient, box: Box) -> None:
    response = api.patch(at(box("ada")), b'{"quota_mb": 1e3}', content_type="application/json")
    assert ok(response)["quota_mb"] == 1000


# --- deleting and restoring --------------------------------------------------------------------------------
def test_a_deleted_mailbox_is_gone_from_every_answer_but_its_own_list(api: APIClient, box: Box) -> None:
    row = box("ada")
    response = api.delete(at(row))
    assert (response.status_code, response.content) == (204, b"")
    for again in (
        api.get(at(row)),
        api.put(at(row), {"nope": 1}),
        api.patch(at(row), {}),
        api.delete(at(row)),
    ):
        error(again, 404, "not_found")
    assert ok(api.get(MAILBOXES))["count"] == ok(api.get(f"{DOMAINS}/{row.domain_id}"))["mailbox_count"] == 0
    told = ok(api.get(f"{MAILBOXES}/deleted"))["results"][0]
    assert told.keys() == {"id", "address", "deleted_at", "restorable_until"}
    assert (told["id"], told["address"]) == (row.pk, "ada@example.com")
    assert is_time(told["deleted_at"]) and is_time(told["restorable_until"])


def test_the_same_address_made_again_is_another_mailbox(api: APIClient, domain: Domain, box: Box) -> None:
    row = box("ada")
    api.delete(at(row))
    made = ok(api.post(MAILBOXES, {"domain": domain.pk, "local_part": "ada"}), 201)
    assert made["id"] != row.pk and made["usage_bytes"] == 0
    assert Mailbox.objects.get(pk=made["id"]).home != row.home


def test_a_deleted_mailbox_comes_back_as_it_was(api: APIClient, box: Box) -> None:
    row = box("ada", quota_mb=7, password_hash="{ARGON2ID}old")
    before = ok(api.get(at(row)))
    api.delete(at(row))
    assert ok(api.post(f"{at(row)}/restore")) == before == ok(api.get(at(row)))
    assert hashed(row.pk) == "{ARGON2ID}old"
    error(api.post(f"{at(row)}/restore"), 404, "not_found")


def test_restoring_an_address_that_is_taken_is_409(api: APIClient, domain: Domain, box: Box) -> None:
    row = box("ada")
    api.delete(at(row))
    ok(api.post(MAILBOXES, {"domain": domain.pk, "local_part": "ada"}), 201)
    error(api.post(f"{at(row)}/restore"), 409, "already_exists")


def test_restoring_without_its_domain_is_refused_with_a_sentence(
    api: APIClient, domain: Domain, box: Box
) -> None:
    row = box("ada")
    api.delete(at(row))
    api.delete(f"{DOMAINS}/{domain.pk}")
    assert "example.com" in wrong(api.post(f"{at(row)}/restore"))["domain"][0]


def test_after_the_restore_period_it_is_404(api: APIClient, box: Box, settings: Any) -> None:
    row = box("ada", deleted_at=timezone.now() - timedelta(days=settings.QUAZZAR_RESTORE_DAYS, seconds=1))
    error(api.post(f"{at(row)}/restore"), 404, "not_found")
    assert ok(api.get(f"{MAILBOXES}/deleted"))["count"] == 0


@pytest.mark.parametrize("pk", ["0", "999", str(2**63 - 1), str(2**63), "9" * 40])
def test_an_id_that_is_not_there_is_404(api: APIClient, pk: str) -> None:
    for method in ("get", "put", "patch", "delete"):
        error(getattr(api, method)(f"{MAILBOXES}/{pk}"), 404, "not_found")
    error(api.post(f"{MAILBOXES}/{pk}/restore"), 404, "not_found")
