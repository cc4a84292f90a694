"""A call of a provider's webhook: checked, read, and recorded on the messages that it is about."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.utils import timezone

from mailrelay.events import amazon, ses
from mailrelay.events.event import Call, Event, EventRefused
from mailrelay.events.providers import PROVIDERS, Provider
from mailrelay.feedback import matching, recording
from mailrelay.models import EventSource
from quazzar import words

logger = logging.getLogger(__name__)

#: Of SNS, what a call tells that is no event.
_NO_EVENT = {
    "SubscriptionConfirmation": "subscription confirmed",
    "UnsubscribeConfirmation": "subscription ended: SNS sends no more events",
}


def receive(source: EventSource, headers: Mapping[str, str], body: bytes) -> int:
    """Record what a call tells; returns how many events were new.

    Raises:
        EventRefused: the call is not the provider's.
        Unreadable: the key that checks it was sealed with a key that is gone.
    """
    provider = PROVIDERS[source.provider]
    call = Call({name.lower(): value for name, value in headers.items()}, body, timezone.now())
    key = str(source.key.reveal()) if source.key is not None else ""
    rows = EventSource.objects.filter(pk=source.pk)
    try:
        provider.verify(call, key)
        events = provider.read(call)
        if provider.id == "ses":
            _subscribe(source, call, key)
    except EventRefused as exc:
        rows.update(refused_at=timezone.now(), refusal=words.one_line(exc.message, 300))
        logger.warning("webhook of %s: call refused: %s", provider.id, exc.message)
        raise
    number = sum(_record(provider, event) for event in events)
    latest = (
        f"{events[-1].type}: {events[-1].recipient}" if events else _NO_EVENT.get(ses.kind(call), "a test")
    )
    rows.update(last_event_at=timezone.now(), last_event=words.one_line(latest, 200))
    return number


def _subscribe(source: EventSource, call: Call, key: str) -> None:
    """Confirm a subscription, and keep its topic: calls from another one are refused after that."""
    if url := ses.subscribing(call):
        amazon.confirm(url)
        if not key:
            source.key = ses.topic(call)
            source.save(update_fields=["key"])
    elif not key:
        raise EventRefused("No SNS topic has subscribed yet.")


def _record(provider: Provider, event: Event) -> bool:
    outcome = event.outcome
    if outcome is None:
        return False
    match = matching.find(
        event.senders, event.message_ids, recipient=outcome.recipient, subject=event.subject
    )
    if match is None:
        logger.info("event of %s is about no message that is stored", provider.id)
        return False
    new = recording.record(
        match.message, [outcome], source=provider.id, reporter=provider.name, proven=True, at=event.at
    )
    return bool(new)
