"""Who gets no more mail, and what happens to a mail to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from mailrelay.mail.emails import Email
from mailrelay.models import HourlyCount, Message, RelaySettings, Suppression
from mailrelay.notices import nodewatch
from mailrelay.queue import byhand, delivery, outbox
from mailrelay.suppression import listing, monitoring
from quazzar.errors import AlreadyExists, InvalidFields, NotFound
from quazzar.monitoring import findings
from tests.rig.faults import FaultServer

pytestmark = pytest.mark.django_db
Queue = Callable[..., Message]


@pytest.fixture
def server(relay: RelaySettings) -> Iterator[FaultServer]:
    delivery._stopping.clear()
    with FaultServer() as server:
        relay.host, relay.port = "127.0.0.1", server.port
        relay.save()
        yield server
    delivery.close_idle_connections(0)


def test_the_other_recipients_get_the_mail(server: FaultServer) -> None:
    listing.add("Anna@example.com")
    outbox.enqueue(Email(to=["anna@example.com", "bob@example.com"], subject="x", text="y"), source="api")
    assert delivery.drain() == 1
    row = Message.objects.get()
    assert row.status == "sent"
    assert [(one["address"], one["status"]) for one in row.outcomes()] == [
        ("anna@example.com", "suppressed"),
        ("bob@example.com", "sent"),
    ]
    assert [list(mail.recipients) for mail in server.accepted] == [["bob@example.com"]]
    assert Suppression.objects.get().skipped == 1


def test_a_mail_to_nobody_else_fails_with_the_reason(queued: Queue, server: FaultServer) -> None:
    listing.add("anna@example.com")
    queued("anna@example.com")
    assert delivery.drain() == 0
    row = Message.objects.get()
    assert row.status == "failed"
    assert row.last_error is not None
    assert "is on the suppression list" in row.last_error["message"]
    assert row.history[-1]["kind"] == "suppressed"
    assert not server.accepted
    assert HourlyCount.objects.get(outcome="failed", hour__gt=HourlyCount.STOCK).number == 1


def test_once_the_address_is_removed_a_retry_sends_the_mail(queued: Queue, server: FaultServer) -> None:
    row = listing.add("anna@example.com")
    message = queued("anna@example.com")
    delivery.drain()
    listing.remove(row.pk)
    assert byhand.retry(message)
    assert delivery.drain() == 1
    assert Message.objects.get().status == "sent"


def test_an_address_is_suppressed_once() -> None:
    listing.add("anna@example.com")
    with pytest.raises(AlreadyExists):
        listing.add("ANNA@example.com")


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidFields):
        listing.add("anna")


def test_what_is_not_listed_cannot_be_removed() -> None:
    with pytest.raises(NotFound):
        listing.remove(1)


def test_many_addresses_are_found_in_portions() -> None:
    listing.add("box1200@example.com")
    found = listing.among(f"Box{number}@example.com" for number in range(1300))
    assert [*found] == ["box1200@example.com"]


def test_a_suppressed_alert_recipient_is_a_failed_check(relay: RelaySettings) -> None:
    relay.alert_recipients = ["ops@example.com", "Anna <anna@example.com>"]
    relay.save()
    assert monitoring.examine().level == "ok"
    listing.add("anna@example.com")
    found = monitoring.examine()
    assert found.level == "failed"
    assert found.sentence.startswith("anna@example.com gets no more alerts, because an operator added it")


def test_a_suppressed_backup_recipient_is_a_failed_check(relay: RelaySettings) -> None:
    relay.backup_recipients = ["anna@example.com"]
    relay.save()
    listing.add("anna@example.com")
    assert "gets no more backup reports" in monitoring.examine().sentence


def test_the_other_alert_recipients_are_told_once(relay: RelaySettings, server: FaultServer) -> None:
    relay.alert_recipients = ["ops@example.com", "anna@example.com"]
    relay.save()
    listing.add("anna@example.com")
    findings.look({monitoring.CHECK})
    now = timezone.now() + timedelta(minutes=5)
    assert (monitoring.CHECK, "broke") in nodewatch.watch(now)
    assert (monitoring.CHECK, "broke") not in nodewatch.watch(now + timedelta(minutes=5))
    delivery.drain()
    (envelope,) = server.accepted
    assert envelope.recipients == ["ops@example.com"]
    assert b"anna@example.com gets no more alerts" in envelope.content.replace(b"=\r\n", b"")
