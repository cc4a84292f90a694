"""The strip of figures, and the warning when the relay itself is the problem."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from mailrelay.console import strip as figures
from mailrelay.models import HourlyCount, Message, envelope
from mailrelay.queue import outbox


@pytest.fixture
def now(db: None, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Noon: no test runs into midnight."""
    noon = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
    monkeypatch.setattr(timezone, "now", lambda: noon)
    return noon


def add(status: str, created: datetime, **fields: Any) -> Message:
    message = Message(status=status, created_at=created, message_id="<1@x>", **envelope(["a@example.com"]))
    for name, value in fields.items():
        setattr(message, name, value)
    message.save()
    return message


def stuck(created: datetime, stage: str, sentence: str = "no answer") -> Message:
    error = {"stage": stage, "code": None, "message": sentence}
    return add("retrying", created, last_error=error, waits_for=outbox.waits_for(error))


def test_an_empty_queue_has_nothing_to_report(now: datetime) -> None:
    read = figures.read()
    assert (read.waiting, read.oldest, read.sent, read.failed, read.outage) == (0, None, 0, 0, None)


def test_what_has_not_left_yet_waits_in_whichever_status(now: datetime) -> None:
    for minutes, status in enumerate(("queued", "sending", "retrying")):
        add(status, now - timedelta(minutes=minutes))
    read = figures.read()
    assert (read.waiting, read.oldest) == (3, now - timedelta(minutes=2))


def count(outcome: str, hour: datetime, number: int) -> None:
    HourlyCount.objects.create(hour=hour, outcome=outcome, number=number)


def test_sent_today_is_what_left_since_midnight(now: datetime) -> None:
    for hours, number in ((1, 3), (12, 4), (13, 5)):
        count("sent", now - timedelta(hours=hours), number)
    assert figures.read().sent == 7


def test_failed_today_is_told_apart_from_all_that_failed(now: datetime) -> None:
    count("failed", now - timedelta(hours=1), 1)
    count("failed", now - timedelta(days=3), 1)
    count("failed", HourlyCount.STOCK, 2)
    read = figures.read()
    assert (read.failed_today, read.failed) == (1, 2)


@pytest.mark.parametrize("stage", ["resolve", "connect", "tls", "auth"])
def test_messages_held_up_by_the_relay_are_an_outage(now: datetime, stage: str) -> None:
    stuck(now - timedelta(minutes=9), stage)
    stuck(now - timedelta(minutes=4), stage, "timed out")
    outage = figures.read().outage
    assert outage is not None
    assert (outage.messages, outage.since, outage.error) == (2, now - timedelta(minutes=9), "timed out")


@pytest.mark.parametrize("stage", ["sender", "recipient", "data"])
def test_messages_held_up_by_themselves_are_none(now: datetime, stage: str) -> None:
    stuck(now, stage)
    assert figures.read().outage is None


def test_the_strip_shows_them_escaped(client: Client, operator: User, now: datetime) -> None:
    stuck(now - timedelta(minutes=9), "connect", "<b>gone</b>")
    client.force_login(operator)
    html = client.get("/admin/mail-relay/figures/").content.decode()
    assert "The relay is not answering. One message is waiting since" in html
    assert "&lt;b&gt;gone&lt;/b&gt;" in html
    assert "<html" not in html


def test_mail_that_left_meanwhile_is_no_outage(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    row = stuck(now - timedelta(minutes=9), "connect")
    Message.objects.filter(pk=row.pk).update(status="sent")  # by a worker of the former release
    assert figures.read().outage is None
    Message.objects.filter(pk=row.pk).update(status="retrying")
    monkeypatch.setattr(QuerySet, "last", lambda rows: None)  # claimed between one query and the next
    outage = figures.read().outage
    assert outage is not None and outage.messages == 1


def test_the_number_of_queries_does_not_grow(now: datetime, django_assert_max_num_queries: Any) -> None:
    for minutes in range(12):
        stuck(now - timedelta(minutes=minutes), "connect")
    with django_assert_max_num_queries(17):
        figures.read()
