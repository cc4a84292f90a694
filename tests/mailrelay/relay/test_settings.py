"""The one place where the relay settings change: what is saved, audited and announced, and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from mailrelay.models import Message, RelaySettings
from mailrelay.relay import settings
from quazzar.errors import InvalidFields
from quazzar.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def announced() -> Iterator[list[object]]:
    """One entry for each announcement of a change."""
    heard: list[object] = []

    def hear(sender: object, **_: Any) -> None:
        heard.append(sender)

    settings.relay_changed.connect(hear)
    yield heard
    settings.relay_changed.disconnect(hear)


def put(**fields: Any) -> RelaySettings:
    return settings.update(fields, partial=False)


def patch(**fields: Any) -> RelaySettings:
    return settings.update(fields, partial=True)


def test_there_is_one_row_however_often_it_is_saved(rings: list[str]) -> None:
    put(host="a.example.com")
    patch(host="b.example.com")
    assert [row.host for row in RelaySettings.objects.all()] == ["b.example.com"]


def test_the_whole_takes_defaults_and_a_part_keeps(rings: list[str]) -> None:
    put(host="a.example.com", username="op", from_name="Node")
    assert patch(from_name="Other").username == "op"
    assert put(host="a.example.com").username == ""


def test_an_empty_password_keeps_it_and_none_removes_it(rings: list[str]) -> None:
    place = {"host": "a.example.com"}
    put(password="secret", **place)
    for row in (put(**place), put(password="", **place), patch(), patch(password="")):
        assert row.password is not None and row.password.reveal() == "secret"
    assert patch(password=None).password is None


def test_what_does_not_fit_is_refused_and_nothing_is_saved(rings: list[str]) -> None:
    put(host="a.example.com")
    with pytest.raises(InvalidFields) as caught:
        patch(host="https://b.example.com", port=0, from_name="Other")
    assert caught.value.fields.keys() == {"host", "port"}
    assert RelaySettings.load().from_name == ""
    assert AuditEntry.objects.count() == 1


def test_the_caller_keeps_its_dictionary(rings: list[str]) -> None:
    changes = {"provider": "mailgun", "password": "secret"}
    settings.update(changes, partial=True)
    assert changes == {"provider": "mailgun", "password": "secret"}


# --- the log of who changed what ---------------------------------------------------------------------------
def test_names_of_what_changed_are_recorded_and_no_values(rings: list[str]) -> None:
    put(host="a.example.com", password="secret")
    patch(host="a.example.com", from_name="Node")
    first, second = AuditEntry.objects.order_by("id")
    assert (first.action, first.fields) == ("relay.changed", ["host", "password"])
    assert (second.action, second.fields) == ("relay.changed", ["from_name"])
    assert "secret" not in str(list(AuditEntry.objects.values()))


def test_removing_is_recorded(rings: list[str]) -> None:
    put(host="a.example.com", password="secret")
    settings.clear()
    assert AuditEntry.objects.order_by("id").last().action == "relay.removed"  # type: ignore[union-attr]
    assert not RelaySettings.objects.exists()


# --- announcing --------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_change_is_announced_after_its_commit(announced: list[object], rings: list[str]) -> None:
    with transaction.atomic():
        put(host="a.example.com")
        assert (announced, rings) == ([], [])
    # One ring sends what waits, and one has the doctor look.
    assert (announced, rings) == ([RelaySettings], ["ring", "ring"])
    settings.clear()
    assert len(announced) == 2


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_or_refused_is_not_announced(
    announced: list[object], rings: list[str]
) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        put(host="a.example.com")
        raise RuntimeError
    with pytest.raises(InvalidFields):
        put(port=0)
    assert (announced, rings) == ([], [])
    assert not RelaySettings.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_mail_that_waited_for_the_relay_is_due_at_once(rings: list[str]) -> None:
    later = timezone.now() + timedelta(hours=3)
    waiting = {"status": "retrying", "message_id": "<1@example.com>", "next_attempt_at": later}
    refused = {"stage": "auth", "code": 535, "message": "No"}
    relays = Message.objects.create(**waiting, last_error=refused, waits_for="auth")
    mails = Message.objects.create(**waiting, last_error={"stage": "data", "code": 451, "message": "Later"})
    patch(host="a.example.com", password="right")
    relays.refresh_from_db()
    mails.refresh_from_db()
    assert relays.next_attempt_at is not None and relays.next_attempt_at <= timezone.now()
    assert mails.next_attempt_at == later


@pytest.mark.django_db(transaction=True)
def test_changes_at_the_same_moment_are_both_kept(rings: list[str]) -> None:
    put(host="a.example.com")
    parts = [
        {"username": "op", "password": "secret"},  # together: a saved password belongs to its user name
        {"from_name": "Node"},
        {"from_address": "n@example.com"},
    ]
    begin = threading.Barrier(len(parts))

    def change(part: dict[str, str]) -> None:
        begin.wait(timeout=30)
        settings.update(part, partial=True)
        connection.close()

    threads = [threading.Thread(target=change, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    row = RelaySettings.load()
    assert (row.username, row.from_name, row.from_address) == ("op", "Node", "n@example.com")
    assert row.password is not None


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_first_two_saves_at_the_same_moment_are_no_error(rings: list[str]) -> None:
    begin = threading.Barrier(4)
    failed: list[BaseException] = []

    def save(number: int) -> None:
        begin.wait(timeout=30)
        try:
            settings.update({"host": f"h{number}.example.com"}, partial=True)
        except Exception as exc:  # noqa: BLE001  (told to the test)
            failed.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failed == []
    assert RelaySettings.objects.count() == 1


# --- pasted ------------------------------------------------------------------------------------------------
def test_a_line_break_at_the_end_of_username_or_password_is_dropped_and_all_else_is_kept(
    rings: list[str], subtests: pytest.Subtests
) -> None:
    for typed, kept in [
        ("s3cret-pass\n", "s3cret-pass"),
        ("s3cret-pass\r\n", "s3cret-pass"),
        ("s3cret-pass\n\n", "s3cret-pass"),
        (" s3cret pass ", " s3cret pass "),
        ("s3\u00a0cret\u00a0", "s3\u00a0cret\u00a0"),
        ("\ts3cret", "\ts3cret"),
    ]:
        with subtests.test(typed=typed):
            row = patch(host="a.example.com", password=typed)
            assert row.password is not None and row.password.reveal() == kept
    assert patch(username="op@example.com\r\n", password="x").username == "op@example.com"


@pytest.mark.parametrize("password", ["s3cret\npass", "\ns3cret", "s3\rcret", "s3\x00cret"])
def test_a_line_break_inside_a_password_is_refused_and_nothing_is_saved(
    rings: list[str], password: str
) -> None:
    with pytest.raises(InvalidFields) as caught:
        patch(host="a.example.com", password=password)
    assert "line break" in caught.value.fields["password"][0]
    assert not RelaySettings.objects.exists()
