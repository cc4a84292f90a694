"""GET, PUT, PATCH and DELETE /api/mail/relay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from mailrelay.models import RelaySettings
from tests.contract.answers import RELAY, error, is_time, ok, wrong

KEYS = {
    "provider": str, "host": str, "port": int, "security": str, "username": str, "password": str,
    "has_password": bool, "password_state": str, "from_address": str, "from_name": str, "alert_recipients": list,
    "backup_recipients": list, "notify_backup_success": bool, "bounce_address": str, "configured": bool,
}  # fmt: skip
NOTHING = {
    "provider": "custom", "host": "", "port": 587, "security": "starttls", "username": "", "password": "",
    "has_password": False, "password_state": "none", "from_address": "", "from_name": "",
    "alert_recipients": [],
    "backup_recipients": [], "notify_backup_success": False, "bounce_address": "", "configured": False, "updated_at": None,
}  # fmt: skip
FULL = {
    "provider": "custom", "host": "mail.example.com", "port": 2525, "security": "none", "username": "op",
    "password": "hunter2-secret", "from_address": "node@example.com", "from_name": "Node",
    "alert_recipients": ["ops@example.com"], "backup_recipients": ["a@example.com", "b@example.com"],
    "notify_backup_success": True, "bounce_address": "bounces@example.com",
}  # fmt: skip
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quiet(rings: list[str]) -> None:
    """No broker receives the rings."""


def password() -> str | None:
    value = RelaySettings.load().password
    return None if value is None else str(value.reveal())


# --- reading -----------------------------------------------------------------------------------------------
def test_before_anything_is_saved_the_defaults_are_shown(api: APIClient) -> None:
    assert ok(api.get(RELAY)) == NOTHING


def test_what_is_saved_is_shown_but_for_the_password(api: APIClient) -> None:
    answered = ok(api.put(RELAY, FULL))
    shown = ok(api.get(RELAY))
    assert answered == shown
    assert shown.keys() == KEYS.keys() | {"updated_at"}
    assert {name: type(shown[name]) for name in KEYS} == KEYS
    assert is_time(shown["updated_at"])
    hidden = {"password": "", "has_password": True, "password_state": "saved", "configured": True}
    assert shown == FULL | hidden | {"updated_at": shown["updated_at"]}


@pytest.mark.parametrize("method", ["get", "put", "patch"])
def test_no_answer_holds_the_password(api: APIClient, method: str) -> None:
    api.put(RELAY, FULL)
    response = getattr(api, method)(RELAY, FULL if method != "get" else None)
    assert b"hunter2" not in response.content


def test_the_password_is_sealed_in_the_database(api: APIClient) -> None:
    api.put(RELAY, FULL)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM mailrelay_relaysettings")
        assert b"hunter2" not in b"".join(str(one).encode() for one in cursor.fetchone())
    assert password() == "hunter2-secret"


# --- replacing and changing --------------------------------------------------------------------------------
def test_put_takes_back_what_is_not_given(api: APIClient) -> None:
    api.put(RELAY, FULL)
    shown = ok(api.put(RELAY, {"host": "other.example.com", "password": "another-secret"}))
    kept = {"host": "other.example.com", "configured": True, "has_password": True, "password_state": "saved"}
    assert shown == NOTHING | kept | {"updated_at": shown["updated_at"]}


def test_patch_changes_what_is_given_alone(api: APIClient) -> None:
    before = ok(api.put(RELAY, FULL))
    shown = ok(api.patch(RELAY, {"from_name": "Other"}))
    assert shown == before | {"from_name": "Other", "updated_at": shown["updated_at"]}
    assert shown["updated_at"] > before["updated_at"]


def test_an_empty_put_is_not_configured_and_an_empty_patch_changes_nothing(api: APIClient) -> None:
    before = ok(api.put(RELAY, FULL))
    assert ok(api.patch(RELAY, {})) == before | {"updated_at": ok(api.get(RELAY))["updated_at"]}
    emptied = ok(api.put(RELAY, {}))
    assert (emptied["configured"], emptied["has_password"]) == (False, False)


@pytest.mark.parametrize("method", ["put", "patch"])
def test_what_was_read_can_be_written_back(api: APIClient, method: str) -> None:
    before = ok(api.put(RELAY, FULL))
    after = ok(getattr(api, method)(RELAY, before))
    assert after == before | {"updated_at": after["updated_at"]}
    assert password() == "hunter2-secret"


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_preset_fills_host_and_port_when_they_are_absent(api: APIClient, method: str) -> None:
    api.put(RELAY, FULL | {"port": 25})
    shown = ok(getattr(api, method)(RELAY, {"provider": "mailgun", "username": "u", "password": "p"}))
    assert (shown["host"], shown["port"], shown["security"]) == ("smtp.mailgun.org", 587, "starttls")


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_preset_leaves_host_and_port_that_are_given(api: APIClient, method: str) -> None:
    eu = {"provider": "ses", "host": "email-smtp.eu-west-1.amazonaws.com"}
    shown = ok(getattr(api, method)(RELAY, eu))
    assert (shown["host"], shown["port"]) == (eu["host"], 587)
    shown = ok(getattr(api, method)(RELAY, {"provider": "sendgrid", "port": 2525}))
    assert (shown["host"], shown["port"]) == ("smtp.sendgrid.net", 2525)


def test_custom_fills_nothing(api: APIClient) -> None:
    assert ok(api.put(RELAY, {"provider": "custom"}))["configured"] is False
    api.put(RELAY, {"provider": "postmark"})
    assert ok(api.patch(RELAY, {"provider": "custom"}))["host"] == "smtp.postmarkapp.com"


# --- the password ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("part", [{}, {"password": ""}])
def test_an_absent_or_empty_password_keeps_it(api: APIClient, method: str, part: dict[str, Any]) -> None:
    api.put(RELAY, FULL)
    place = {name: FULL[name] for name in ("host", "port", "security", "username")}
    shown = ok(getattr(api, method)(RELAY, {**place, **part}))
    assert (shown["password"], shown["has_password"], shown["password_state"]) == ("", True, "saved")
    assert password() == "hunter2-secret"


@pytest.mark.parametrize("part", [{}, {"password": ""}])
@pytest.mark.parametrize(
    "place",
    [{"host": "evil.example.com"}, {"port": 25252}, {"username": "somebody"}, {"username": ""}, {"security": "starttls"},
     {"host": "mail.example.com.evil.example"}],
)  # fmt: skip
def test_a_saved_password_does_not_follow_to_another_place(
    api: APIClient, place: dict[str, Any], part: dict[str, Any]
) -> None:
    before = ok(api.put(RELAY, FULL))
    for method, body in (("patch", {**place, **part}), ("put", {**FULL, **place, "password": ""})):
        assert list(wrong(getattr(api, method)(RELAY, body))) == ["password"]
    assert ok(api.get(RELAY)) == before and password() == "hunter2-secret"
    assert ok(api.patch(RELAY, {**place, "password": "the-new-one"}))["has_password"]
    assert password() == "the-new-one"


def test_a_preset_that_brings_another_host_asks_for_the_password(api: APIClient) -> None:
    api.put(RELAY, FULL)
    assert list(wrong(api.patch(RELAY, {"provider": "sendgrid"}))) == ["password"]


def test_without_its_password_a_relay_may_move(api: APIClient) -> None:
    api.put(RELAY, FULL)
    assert ok(api.patch(RELAY, {"host": "other.example.com", "password": None}))["has_password"] is False
    assert ok(api.patch(RELAY, {"host": "third.example.com"}))["host"] == "third.example.com"


@pytest.mark.parametrize("host", ["MAIL.example.com", "mail.example.com.", " mail.example.com "])
def test_the_same_place_in_another_spelling_keeps_the_password(api: APIClient, host: str) -> None:
    api.put(RELAY, FULL)
    ok(api.patch(RELAY, {"host": host}))
    assert password() == "hunter2-secret"


def test_a_password_is_not_kept_for_a_host_that_comes_later(api: APIClient) -> None:
    api.put(RELAY, FULL)
    assert ok(api.patch(RELAY, {"host": ""}))["has_password"] is False
    assert ok(api.patch(RELAY, {"host": "evil.example.com"}))["has_password"] is False


@pytest.mark.parametrize("method", ["put", "patch"])
def test_null_removes_the_password(api: APIClient, method: str) -> None:
    api.put(RELAY, FULL)
    shown = ok(getattr(api, method)(RELAY, {"password": None}))
    assert (shown["password"], shown["has_password"], shown["password_state"]) == ("", False, "none")


@pytest.mark.parametrize("word", [" spaces kept ", "pässwörd 🔑", "x" * 4096, '"\\', "\t"])
def test_any_other_password_is_kept_as_it_is(api: APIClient, word: str) -> None:
    ok(api.patch(RELAY, {"password": word}))
    assert password() == word


@pytest.fixture
def replaced_key(api: APIClient, settings: Any, tmp_path: Path) -> Path:
    """A saved relay whose key file was replaced by another; the old one."""
    api.put(RELAY, FULL)
    old = Path(settings.QUAZZAR_SECRETS_KEY_FILE)
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    return old


def test_a_replaced_key_shows_as_unreadable(api: APIClient, replaced_key: Path) -> None:
    shown = ok(api.get(RELAY))
    assert (shown["password"], shown["has_password"], shown["password_state"]) == ("", True, "unreadable")


def test_other_fields_can_be_saved_meanwhile_and_the_old_key_brings_it_back(
    api: APIClient, replaced_key: Path, settings: Any
) -> None:
    assert ok(api.patch(RELAY, {"from_name": "Other"}))["password_state"] == "unreadable"
    assert ok(api.put(RELAY, FULL | {"password": ""}))["password_state"] == "unreadable"
    settings.QUAZZAR_SECRETS_KEY_FILE = replaced_key
    assert ok(api.get(RELAY))["password_state"] == "saved"
    assert password() == "hunter2-secret"


def test_a_new_password_or_none_recovers_from_it(api: APIClient, replaced_key: Path) -> None:
    assert ok(api.patch(RELAY, {"password": "new-secret"}))["password_state"] == "saved"
    assert password() == "new-secret"
    assert ok(api.patch(RELAY, {"password": None}))["password_state"] == "none"


def test_the_settings_can_be_removed_meanwhile(api: APIClient, replaced_key: Path) -> None:
    assert api.delete(RELAY).status_code == 204
    assert ok(api.get(RELAY)) == NOTHING


# --- removing ----------------------------------------------------------------------------------------------
def test_delete_is_204_and_back_to_not_configured(api: APIClient) -> None:
    api.put(RELAY, FULL)
    for _ in range(2):
        response = api.delete(RELAY)
        assert (response.status_code, response.content) == (204, b"")
        assert ok(api.get(RELAY)) == NOTHING


# --- what is refused ---------------------------------------------------------------------------------------
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"provider": "gmail"}, "provider"), ({"provider": 5}, "provider"), ({"provider": None}, "provider"),
    ({"provider": ["ses"]}, "provider"), ({"provider": ""}, "provider"),
    ({"host": 5}, "host"), ({"host": None}, "host"), ({"host": ["a"]}, "host"), ({"host": {"a": 1}}, "host"),
    ({"host": True}, "host"), ({"host": "https://smtp.example.com/"}, "host"), ({"host": "a b"}, "host"),
    ({"host": "smtp.example.com:587"}, "host"), ({"host": "a\x00b"}, "host"),
    ({"host": "x" * 10_000}, "host"),
    ({"port": "abc"}, "port"), ({"port": None}, "port"), ({"port": 0}, "port"), ({"port": 65_536}, "port"),
    ({"port": -1}, "port"), ({"port": 5.5}, "port"), ({"port": [1]}, "port"), ({"port": {}}, "port"),
    ({"port": True}, "port"), ({"port": 10**30}, "port"), ({"port": "9" * 5000}, "port"),
    ({"port": ""}, "port"),
    ({"security": "ssl"}, "security"), ({"security": None}, "security"), ({"security": {}}, "security"),
    ({"port": 465, "security": "starttls"}, "security"), ({"port": 587, "security": "tls"}, "security"),
    ({"username": 5}, "username"), ({"username": None}, "username"), ({"username": "x" * 321}, "username"),
    ({"username": "a\nb"}, "username"), ({"password": 5}, "password"), ({"password": ["x"]}, "password"),
    ({"password": "a\x00b"}, "password"), ({"password": "x" * 4097}, "password"),
    ({"from_address": "nobody"}, "from_address"), ({"from_address": "a@b@c"}, "from_address"),
    ({"from_address": "Node <node@example.com>"}, "from_address"), ({"from_address": None}, "from_address"),
    ({"from_address": "a@example.com\r\nBcc: x@example.com"}, "from_address"),
    ({"from_address": 5}, "from_address"),
    ({"from_name": "a\r\nBcc: x@example.com"}, "from_name"), ({"from_name": "x" * 201}, "from_name"),
    ({"from_name": {}}, "from_name"), ({"notify_backup_success": "perhaps"}, "notify_backup_success"),
    ({"notify_backup_success": None}, "notify_backup_success"),
    ({"notify_backup_success": []}, "notify_backup_success"),
    ({"surprise": 1}, "surprise"), ({"": 1}, ""), ({"id": 1}, "id"),
]  # fmt: skip
RECIPIENTS: list[Any] = [
    "x", "ops@example.com", None, 5, {"a": 1}, [5], [None], [["ops@example.com"]], ["nobody"], [""],
    ["a@example.com", "A@EXAMPLE.com".lower()], ["a@example.com\r\nBcc: b@example.com"], ["x" * 100_000],
    [f"u{n}@example.com" for n in range(51)], [{"to": "ops@example.com"}],
]  # fmt: skip


@pytest.mark.slow
def test_what_cannot_be_is_refused_by_its_field(api: APIClient, subtests: pytest.Subtests) -> None:
    before = ok(api.put(RELAY, FULL))
    for body, field in REFUSED:
        for method in ["put", "patch"]:
            with subtests.test(ascii((body, field, method))[:80]):
                given = FULL | body if method == "put" else body
                assert list(wrong(getattr(api, method)(RELAY, given))) == [field]
                assert ok(api.get(RELAY)) == before


@pytest.mark.slow
def test_recipients_that_cannot_be_are_refused(api: APIClient, subtests: pytest.Subtests) -> None:
    for value in RECIPIENTS:
        for name in ["alert_recipients", "backup_recipients"]:
            with subtests.test(ascii((value, name))[:80]):
                assert list(wrong(api.patch(RELAY, {name: value}))) == [name]


def test_every_wrong_field_is_told_at_once(api: APIClient) -> None:
    assert wrong(api.put(RELAY, {"host": 5, "port": "x", "nope": 1})).keys() == {"host", "port", "nope"}
    assert wrong(api.put(RELAY, {"host": "a b", "from_address": "x"})).keys() == {"host", "from_address"}


@pytest.mark.parametrize("field", ["has_password", "password_state", "configured", "updated_at"])
def test_what_is_only_shown_changes_nothing(api: APIClient, field: str) -> None:
    before = ok(api.put(RELAY, FULL))
    after = ok(api.patch(RELAY, {field: "nonsense"}))
    assert after == before | {"updated_at": after["updated_at"]}


def test_host_and_addresses_are_stored_in_their_normal_form(api: APIClient) -> None:
    body = {
        "host": " SMTP.Müller.Example. ",
        "from_address": "Node@Müller.Example",
        "alert_recipients": ["a@B.com"],
    }
    shown = ok(api.patch(RELAY, body))
    assert shown["host"] == "smtp.xn--mller-kva.example"
    assert (shown["from_address"], shown["alert_recipients"]) == ("Node@xn--mller-kva.example", ["a@b.com"])


# --- what is no JSON object --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "raw", [b'{"port": 1e400}', b'{"port": -1e400}', b'{"port": 1e3}', b'{"port": ' + b"9" * 4000 + b"}"]
)
def test_numbers_beyond_reason_are_400(api: APIClient, raw: bytes) -> None:
    response = api.patch(RELAY, raw, content_type="application/json")
    assert response.status_code == (200 if b"1e3}" in raw else 400)


def test_head_and_options_are_answered(api: APIClient) -> None:
    head = api.head(RELAY)
    assert (head.status_code, head.content) == (200, b"")
    options = api.options(RELAY)
    assert options.status_code == 200
    assert {"GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} == set(options["Allow"].split(", "))


def test_post_is_405(api: APIClient) -> None:
    error(api.post(RELAY, FULL), 405, "method_not_allowed")
