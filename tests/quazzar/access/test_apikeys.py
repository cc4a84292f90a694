"""Keys of the API: made, shown once, checked, revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from quazzar.access import apikeys
from quazzar.auditlog import sentences
from quazzar.models import ApiKey, AuditEntry
from tests.conftest import with_key

PATH = "/api/billing/upgrade"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_key_lets_its_user_in(operator: Any) -> None:
    row, text = apikeys.mint(operator, "ci")
    assert apikeys.verify(text) == row
    assert apikeys.verify(text).user == operator
    assert with_key(text).get(PATH).status_code == 200


def test_only_a_digest_is_kept(operator: Any) -> None:
    row, text = apikeys.mint(operator, "ci")
    stored = str(ApiKey.objects.values().get(pk=row.pk))
    assert text not in stored
    assert text[12:] not in stored
    assert text not in repr(row) + str(row) + str(vars(row))


def test_a_key_has_the_documented_form(operator: Any) -> None:
    row, text = apikeys.mint(operator, "ci")
    assert text.startswith(f"qzr_{row.prefix}")
    assert text.isascii()
    assert text[-6:] == apikeys.check_digits(text[4:-6])


def test_the_check_digits_do_not_change_between_versions() -> None:
    assert apikeys.check_digits("0" * 40) == "2KAQCa"


def test_two_keys_differ(operator: Any) -> None:
    assert apikeys.mint(operator, "a")[1] != apikeys.mint(operator, "a")[1]


def test_what_is_no_key_is_refused_without_a_query(
    subtests: pytest.Subtests, django_assert_num_queries: Any, db: None
) -> None:
    for text in ["", "qzr_", "qzr_abc", "eyJhbGciOi.x.y", "qzr_" + "0" * 46, "qzr_" + "é" * 46]:
        refused = pytest.raises(apikeys.KeyRefused, match="not an API key")
        with subtests.test(text=text), django_assert_num_queries(0), refused:
            apikeys.verify(text)


def test_the_right_prefix_with_another_secret_is_refused(operator: Any) -> None:
    row, _ = apikeys.mint(operator, "ci")
    body = row.prefix + "x" * 32
    forged = f"qzr_{body}{apikeys.check_digits(body)}"
    assert apikeys.well_formed(forged)
    with pytest.raises(apikeys.KeyRefused, match="not valid here"):
        apikeys.verify(forged)


def test_an_expired_key_is_refused(operator: Any) -> None:
    _, text = apikeys.mint(operator, "ci", expires_at=timezone.now() + timedelta(hours=1))
    apikeys.verify(text)
    ApiKey.objects.update(expires_at=timezone.now())
    with pytest.raises(apikeys.KeyRefused, match="expired"):
        apikeys.verify(text)


def test_a_revoked_key_is_refused_at_once(operator: Any) -> None:
    row, text = apikeys.mint(operator, "ci")
    assert apikeys.revoke(row)
    with pytest.raises(apikeys.KeyRefused, match="revoked"):
        apikeys.verify(text)


def test_revoking_twice_is_once(operator: Any) -> None:
    row, _ = apikeys.mint(operator, "ci")
    assert [apikeys.revoke(row), apikeys.revoke(row)] == [True, False]
    assert AuditEntry.objects.filter(action="apikey.revoked").count() == 1


def test_a_key_of_an_inactive_user_is_refused(operator: Any) -> None:
    _, text = apikeys.mint(operator, "ci")
    operator.is_active = False
    operator.save()
    with pytest.raises(apikeys.KeyRefused, match="can no longer sign in"):
        apikeys.verify(text)


@pytest.mark.parametrize("scopes", [[], ["mail:all"], ["mail:read", "x"]])
def test_a_key_has_scopes_that_exist(operator: Any, scopes: list[str]) -> None:
    with pytest.raises(ValueError, match="scopes are"):
        apikeys.mint(operator, "ci", scopes)


def test_the_last_use_is_noted_at_most_once_a_minute(operator: Any, django_assert_num_queries: Any) -> None:
    row, text = apikeys.mint(operator, "ci")
    apikeys.verify(text)
    row.refresh_from_db()
    first = row.last_used_at
    with django_assert_num_queries(1):
        apikeys.verify(text)
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    apikeys.verify(text)
    row.refresh_from_db()
    assert row.last_used_at is not None and first is not None and row.last_used_at >= first


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "active"),
        ({"revoked_at": LONG_AGO}, "revoked"),
        ({"expires_at": LONG_AGO}, "expired"),
    ],
)
def test_a_key_says_its_state(change: dict[str, Any], state: str) -> None:
    assert ApiKey(**change).state == state


def test_a_made_key_is_in_the_audit_log_without_its_text(operator: Any) -> None:
    row, text = apikeys.mint(operator, "ci")
    entry = AuditEntry.objects.get(action="apikey.created")
    assert row.prefix in entry.target
    assert text not in entry.target


def createapikey(*args: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("createapikey", *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_prints_the_key_alone_on_stdout(operator: Any) -> None:
    out, err = createapikey("backup job")
    row = apikeys.verify(out.removesuffix("\n"))
    assert (row.name, row.user, row.scopes) == (
        "backup job",
        operator,
        ["mail:read", "mail:write", "mail:send"],
    )
    assert out.strip() not in err


def test_the_command_takes_user_scopes_and_days(operator: Any, other_staff: Any) -> None:
    other_staff.groups.add(Group.objects.get(name="Sender"))
    out, _ = createapikey("ci", "--user", "other", "--scope", "mail:send", "mail:read", "--expires-days", "3")
    row = apikeys.verify(out.strip())
    assert (row.user, row.scopes) == (other_staff, ["mail:read", "mail:send"])
    assert row.expires_at is not None
    assert timedelta(days=2) < row.expires_at - timezone.now() <= timedelta(days=3)


def test_the_command_takes_a_scope_more_than_once(operator: Any) -> None:
    out, _ = createapikey("ci", "--scope", "mail:send", "--scope", "mail:write,mail:send")
    assert apikeys.verify(out.strip()).scopes == ["mail:write", "mail:send"]


def test_the_command_is_the_actor_in_the_audit_log(operator: Any) -> None:
    createapikey("ci")
    assert AuditEntry.objects.get().actor == "command:createapikey"


def test_the_command_gives_no_more_than_the_user_may_do(
    operator: Any, outsider: Any, other_staff: Any
) -> None:
    with pytest.raises(CommandError, match="not active staff"):
        createapikey("ci", "--user", "outsider")
    with pytest.raises(CommandError, match="no role"):
        createapikey("ci", "--user", "other")
    other_staff.groups.add(Group.objects.get(name="Viewer"))
    with pytest.raises(CommandError, match="permissions for mail:send"):
        createapikey("ci", "--user", "other", "--scope", "mail:read", "mail:send")
    assert not ApiKey.objects.exists()
    out, _ = createapikey("ci", "--user", "other")
    assert apikeys.verify(out.strip()).scopes == ["mail:read"]


def test_the_command_refuses_what_cannot_be(subtests: pytest.Subtests, operator: Any) -> None:
    for args in [
        ["ci", "--scope", "mail:all"],
        ["ci", "--scope", ","],
        ["ci", "--user", "nobody"],
        ["ci", "--expires-days", "0"],
        ["ci", "--expires-days", "-1"],
        ["ci", "--expires-days", "99999999999"],
        [" "],
        ["x" * 101],
        ["a\nb"],
    ]:
        with subtests.test(args=args):
            with pytest.raises(CommandError):
                createapikey(*args)
            assert not ApiKey.objects.exists()


def test_without_a_superuser_the_command_says_what_to_do(other_staff: Any) -> None:
    with pytest.raises(CommandError, match="createsuperuser"):
        createapikey("ci")


def test_who_still_uses_a_key_that_does_not_count_is_in_the_audit_log_once_a_day(
    operator: Any, client: Client
) -> None:
    row, text = apikeys.mint(operator, "old NAS")
    apikeys.revoke(row)
    for address in ("203.0.113.7", "203.0.113.7", "203.0.113.8"):
        headers = {"Authorization": f"Bearer {text}"}
        assert client.get("/api/mail/relay", headers=headers, REMOTE_ADDR=address).status_code == 401
    client.get("/api/mail/relay", headers={"Authorization": f"Bearer qzr_{'a' * 46}"})
    entries = AuditEntry.objects.filter(action="apikey.refused").order_by("id")
    assert [entry.address for entry in entries] == ["203.0.113.7", "203.0.113.8"]
    assert str(sentences.sentence(entries[0])) == (
        f"Somebody at 203.0.113.7 used API key {row} and was refused: revoked"
    )
    assert text not in str([vars(entry) for entry in entries])
