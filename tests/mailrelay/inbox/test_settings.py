"""Which inboxes are saved, and that a saved password goes to its own server only."""

from __future__ import annotations

from typing import Any

import pytest

from mailrelay.inbox import settings
from mailrelay.models import Inbox
from quazzar.errors import InvalidFields, NotFound
from quazzar.models import AuditEntry

pytestmark = pytest.mark.django_db
GOOD = {"host": "imap.example.com", "username": "bounces@example.com", "password": "s3cret"}


def test_host_user_and_password_are_enough() -> None:
    row = settings.add(GOOD)
    assert (row.port, row.security, row.folder, row.after) == (993, "tls", "INBOX", "seen")
    assert row.password is not None
    assert row.password.reveal() == "s3cret"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "imap example.com"),
        ("port", 70000),
        ("port", "x"),
        ("security", "none"),
        ("security", "ssl"),
        ("username", ""),
        ("password", ""),
        ("folder", ""),
        ("folder", "a\r\nb"),
        ("username", "bounces\u202e@example.com"),
        ("host", "bücher\u202e.example"),
        ("after", "delete"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(name: str, value: Any) -> None:
    with pytest.raises(InvalidFields) as refused:
        settings.add({**GOOD, name: value})
    assert [*refused.value.fields] == [name]
    assert not Inbox.objects.exists()


def test_a_host_in_any_script_is_saved_as_a_labels() -> None:
    assert settings.add({**GOOD, "host": "IMAP.Bücher.example."}).host == "imap.xn--bcher-kva.example"


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "127.evil.example", "::2", "192.0.2.1"])
def test_a_password_goes_unencrypted_to_this_machine_alone(host: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        settings.add({**GOOD, "security": "none", "host": host})
    assert [*refused.value.fields] == ["security"]
    for near in ("localhost", "127.0.0.1", "::1"):
        assert settings.add({**GOOD, "security": "none", "host": near}).host == near


def test_mail_is_not_moved_to_where_it_is() -> None:
    with pytest.raises(InvalidFields) as refused:
        settings.add({**GOOD, "after": "move", "processed_folder": "INBOX"})
    assert "processed_folder" in refused.value.fields


@pytest.mark.parametrize("change", [{"host": "evil.example"}, {"username": "x"}, {"security": "starttls"}])
def test_another_place_needs_the_password_again(change: dict[str, Any]) -> None:
    row = settings.add(GOOD)
    with pytest.raises(InvalidFields) as refused:
        settings.change(row.pk, change)
    assert [*refused.value.fields] == ["password"]
    assert settings.change(row.pk, {**change, "password": "other"}).password is not None


def test_another_folder_is_read_from_its_beginning() -> None:
    row = settings.add(GOOD)
    Inbox.objects.update(uid_validity=7, last_uid=99)
    settings.change(row.pk, {"folder": "Bounces"})
    row.refresh_from_db()
    assert (row.uid_validity, row.last_uid) == (None, 0)


def test_the_audit_log_says_who_changed_what_without_the_password() -> None:
    row = settings.add(GOOD)
    settings.change(row.pk, {"folder": "Bounces"})
    settings.remove(row.pk)
    entries = list(AuditEntry.objects.order_by("pk"))
    assert [entry.action for entry in entries] == ["inbox.added", "inbox.changed", "inbox.removed"]
    assert "s3cret" not in "".join(str(entry.__dict__) for entry in entries)


def test_what_is_gone_cannot_be_changed_or_removed() -> None:
    for call in (lambda: settings.change(1, {}), lambda: settings.remove(1)):
        with pytest.raises(NotFound):
            call()
