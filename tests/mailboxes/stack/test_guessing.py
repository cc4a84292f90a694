"""Mailboxes whose password is being guessed: read from Rspamd's log, stored, mailed once a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailboxes.models import Stack
from mailboxes.monitoring import stack as monitoring
from mailboxes.stack import guessing
from mailrelay.models import Message
from tests.mailboxes import factories


class Engine:
    """One whose Rspamd has logged this."""

    def __init__(self, *lines: str) -> None:
        self._log = "\n".join(lines)

    def logs(self, name: str, tail: int) -> str:
        assert name == "qz-rspamd"
        return self._log


def line(address: str, count: int, at: datetime | None = None) -> str:
    moment = (at or timezone.now()).astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} #9(controller) <p6>; lua; controller.lua:44: quazzar-guessing {address} {count}"


def refresh(*lines: str) -> None:
    engine: Any = Engine(*lines)
    guessing.refresh(engine, "qz-rspamd")


def told() -> list[str]:
    return list(Message.objects.order_by("id").values_list("subject", flat=True))


def test_the_last_line_of_each_name_counts_and_others_are_left_out() -> None:
    log = "\n".join(
        [
            "2026-11-29 09:43:05 #9(controller) <p6>; lua; controller.lua:40: quazzar-guessing ada@a.test 11",
            "2026-11-29 09:44:00 #9(rspamd_proxy) <x>; task; <id>; from: <quazzar-guessing@x.test>",
            "2026-11-29 09:48:06 #9(controller) <p6>; lua; controller.lua:40: quazzar-guessing ada@a.test 14",
            "2026-11-29 09:43:07 #9(controller) <p6>; lua; controller.lua:40: quazzar-guessing o'neil@a.test 12",
        ]
    )
    assert guessing.parse(log) == {
        "ada@a.test": (datetime(2026, 11, 29, 9, 48, 6, tzinfo=UTC), 14),
        "o'neil@a.test": (datetime(2026, 11, 29, 9, 43, 7, tzinfo=UTC), 12),
    }


@pytest.mark.django_db
def test_mailboxes_are_stored_and_invented_names_are_not(relay: Any) -> None:
    factories.mailbox("ada@example.com")
    refresh(line("ada@example.com", 11), line("nobody@example.com", 30))
    assert {name: entry["count"] for name, entry in Stack.load().guessed.items()} == {"ada@example.com": 11}


@pytest.mark.django_db
def test_the_operator_is_told_once_a_day(relay: Any) -> None:
    type(relay).objects.update(alert_recipients=["ops@example.com"])
    for address in ("ada@example.com", "bob@example.com"):
        factories.mailbox(address)
    for count in (11, 14):
        refresh(line("ada@example.com", count))
    refresh(line("ada@example.com", 15), line("bob@example.com", 11))
    assert [subject.partition("] ")[2] for subject in told()] == [
        "Someone is guessing the password of ada@example.com",
        "Someone is guessing the password of bob@example.com",
    ]
    Stack.objects.update(
        guessed={
            "ada@example.com": {"since": (timezone.now() - timedelta(hours=25)).isoformat(), "count": 15}
        }
    )
    refresh()
    assert Stack.load().guessed == {}
    refresh(line("ada@example.com", 16))
    assert len(told()) == 3


@pytest.mark.django_db
def test_a_client_that_tries_many_mailboxes_is_named_by_its_address(relay: Any) -> None:
    type(relay).objects.update(alert_recipients=["ops@example.com"])
    refresh(line("192.0.2.7", 31))
    refresh(line("192.0.2.7", 33))
    assert {name: entry["count"] for name, entry in Stack.load().guessed.items()} == {
        "many mailboxes, from 192.0.2.7": 33
    }
    assert [subject.partition("] ")[2] for subject in told()] == [
        "Someone is guessing the password of many mailboxes, from 192.0.2.7"
    ]


@pytest.mark.django_db
def test_an_old_line_says_nothing(relay: Any) -> None:
    factories.mailbox("ada@example.com")
    refresh(line("ada@example.com", 11, timezone.now() - timedelta(hours=25)))
    assert Stack.load().guessed == {} and not told()


@pytest.mark.django_db
def test_doctor_names_them() -> None:
    now = timezone.now()
    guessed = {"ada@example.com": {"since": now.isoformat(), "count": 11}}
    factories.stack(enabled=True, phase=Stack.Phase.HEALTHY, observed_at=now, guessed=guessed)
    finding = monitoring.guesses()
    assert finding.level.name == "WARNING" and "ada@example.com" in finding.sentence
