"""Mail that waits in Postfix is stored, shown, and mailed to the operator once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailboxes import tasks, upkeep
from mailboxes.engine.values import Result
from mailboxes.mailqueue import listing, watch
from mailboxes.models import Stack
from mailboxes.monitoring import mailflow
from mailrelay.models import Message, RelaySettings
from quazzar.errors import EngineTimeout
from quazzar.models import Finding
from quazzar.monitoring.doctor import Level
from tests.mailboxes.mailqueue.test_listing import mail
from tests.mailboxes.stackengine import StackEngine

pytestmark = pytest.mark.django_db
LOGIN = "SASL authentication failed; server smtp.relay.example[192.0.2.1] said: 535 5.7.8 Error: authentication failed"
GREY = "host mx.far.example[192.0.2.1] said: 450 4.2.0 Greylisted"


@pytest.fixture(autouse=True)
def _relay() -> None:
    RelaySettings.objects.create(
        pk=1, host="smtp.relay.example", from_address="node@a.example", alert_recipients=["ops@far.example"]
    )


def waiting(up: StackEngine, *lines: str) -> None:
    up.reply("bash", "-o", "pipefail", with_=Result(0, "\n".join([*lines, str(len(lines))]).encode()))


def ago(minutes: float) -> int:
    return int((timezone.now() - timedelta(minutes=minutes)).timestamp())


def told() -> int:
    return Message.objects.count()


def test_an_empty_queue_is_stored_as_one(up: StackEngine) -> None:
    up.reply("bash", "-o", "pipefail", with_=Result(0, b""))
    upkeep.watch_queue()
    assert mailflow.queue().level == Level.OK and told() == 0


def test_right_after_a_start_nothing_is_missed_yet(up: StackEngine) -> None:
    assert mailflow.queue().is_idle
    Finding.objects.filter(check_name="stack").update(since=timezone.now() - timedelta(minutes=3))
    found = mailflow.queue()
    assert found.level == Level.WARNING and "has not been checked" in found.sentence
    Stack.objects.update(phase=Stack.Phase.STARTING)
    assert mailflow.queue().is_idle


def test_a_refused_login_is_told_at_once_and_once_a_day(
    up: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(up, mail("A", LOGIN, at=ago(1)))
    for _ in range(3):
        upkeep.watch_queue()
    found = mailflow.queue()
    assert (
        found.level == Level.FAILED
        and "535 5.7.8 Error: authentication failed (smtp.relay.example)" in found.sentence
    )
    assert told() == 1
    # While it is tried again there is no reason for a moment.
    waiting(up, mail("A", "", queue="active", at=ago(1)))
    upkeep.watch_queue()
    waiting(up, mail("A", LOGIN, at=ago(1)))
    upkeep.watch_queue()
    assert told() == 1
    later = timezone.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    upkeep.watch_queue()
    assert told() == 2


def test_greylisted_mail_is_told_only_when_it_is_late(up: StackEngine) -> None:
    waiting(up, mail("A", GREY, at=ago(5)))
    upkeep.watch_queue()
    assert mailflow.queue().level == Level.WARNING and told() == 0
    waiting(up, mail("A", GREY, at=ago(25)))
    upkeep.watch_queue()
    assert mailflow.queue().level == Level.FAILED and told() == 1
    # Something else goes wrong while the old mail still waits.
    waiting(up, mail("A", GREY, at=ago(25)), mail("B", LOGIN, at=ago(1)))
    upkeep.watch_queue()
    assert told() == 2


def test_a_queue_that_cannot_be_read_stays_as_it_was(
    up: StackEngine, caplog: pytest.LogCaptureFixture
) -> None:
    waiting(up, mail("A", GREY, at=ago(5)))
    upkeep.watch_queue()
    for failure in (
        EngineTimeout("It took too long."),
        Result(69, b"", b"postqueue: fatal: mail system is down"),
    ):
        up.reply("bash", "-o", "pipefail", with_=failure)
        upkeep.watch_queue()
    summary = watch.read(Stack.load())
    assert summary is not None and summary.count == 1 and "mail queue: not checked" in caplog.text


def test_a_stack_that_does_not_run_is_not_asked(up: StackEngine) -> None:
    Stack.objects.update(phase=Stack.Phase.STARTING)
    before = len(up.commands)
    tasks.watch_mail_queue()
    assert len(up.commands) == before
    Stack.objects.update(phase=Stack.Phase.DEGRADED)
    tasks.watch_mail_queue()
    assert len(up.commands) > before


@pytest.mark.slow
def test_metrics_tell_of_it(up: StackEngine, client: Client) -> None:
    waiting(up, mail("A", GREY, at=ago(10)), mail("B", GREY, at=ago(5)))
    upkeep.watch_queue()
    Stack.objects.update(clients={"seen": 40, "hidden": 10})
    text = client.get("/metrics").content.decode()
    assert "quazzar_stack_queue_messages 2.0" in text
    assert "quazzar_stack_hidden_clients_ratio 0.25" in text
    (age,) = [
        line.split()[1]
        for line in text.splitlines()
        if line.startswith("quazzar_stack_queue_oldest_seconds ")
    ]
    assert 590 < float(age) < 700


def test_the_mail_says_how_many_wait_and_why(up: StackEngine) -> None:
    waiting(up, mail("A", LOGIN, at=ago(125)), mail("B", LOGIN, at=ago(1)))
    summary = listing.summarise(*watch.ask(up))
    subject, text = watch.operator_mail(summary, timezone.now())
    assert subject == "[Mail queue] 2 mails wait in Postfix"
    assert (
        "the oldest for 2 h" in text
        and "2 × 535 5.7.8 Error: authentication failed (smtp.relay.example)." in text
    )


def test_what_is_listed_is_the_oldest_first(up: StackEngine) -> None:
    waiting(up, mail("A", GREY, at=ago(1)), mail("B", GREY, at=ago(9)))
    listed: Any = watch.listing_of(up)
    assert [each.id for each in listed["messages"]] == ["B", "A"] and listed["count"] == 2
    assert isinstance(listed["messages"][0].arrived_at, datetime)


# --- clients -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("clients", "level", "words"),
    [
        ({}, Level.OK, "Too few"),
        ({"seen": 40, "hidden": 0}, Level.OK, "the real client address"),
        ({"seen": 40, "hidden": 40}, Level.WARNING, "40 (100 %)"),
        ({"seen": 40, "hidden": 10}, Level.WARNING, "10 (25 %)"),
        ({"seen": 400, "hidden": 1}, Level.WARNING, "1 (1 %)"),
        (
            {"seen": 40, "hidden": 9, "ways": ["over IPv6", "over IPv4"]},
            Level.WARNING,
            "over IPv6; or over IPv4",
        ),
    ],
)
def test_the_share_of_hidden_clients_is_told(
    up: StackEngine, clients: dict[str, int], level: str, words: str
) -> None:
    Stack.objects.update(clients=clients)
    found = mailflow.clients()
    assert found.level == level and words in found.sentence
