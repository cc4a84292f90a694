"""The only writer of webhooks for events: makes their addresses, keeps their keys, finds them by the address."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from mailrelay.events.providers import PROVIDERS
from mailrelay.models import EventSource
from quazzar.access import audit
from quazzar.errors import AlreadyExists, InvalidFields, NotFound

_LONGEST_KEY = 2000


def save(provider: str, key: str) -> EventSource:
    """Make the webhook of a provider, or change its key; an empty key keeps the stored one.

    Raises:
        NotFound: there is no such provider.
        InvalidFields: the key is missing or cannot be one.
    """
    known = PROVIDERS.get(provider)
    if known is None:
        raise NotFound
    key = key.strip()
    row = EventSource.objects.filter(provider=provider).first()
    if not key and known.needs_key and (row is None or row.key is None):
        raise InvalidFields({"key": [f"Enter the {known.key}. {known.key_hint}"]})
    if len(key) > _LONGEST_KEY or not key.isprintable() or (key and not known.is_key(key)):
        raise InvalidFields({"key": ["This is not a key. Paste it again, on one line."]})
    with transaction.atomic():
        if row is None:
            row = EventSource(provider=provider)
            _new_address(row)
            audit.record("webhook.added", known.name)
        elif key:
            audit.record("webhook.changed", known.name, ["key"])
        if key:
            row.key = key
        row.save()
    return row


def add(provider: str, key: str) -> EventSource:
    """Make the webhook of a provider that has none.

    Raises:
        AlreadyExists: it has one.
        NotFound, InvalidFields: as ``save``.
    """
    if EventSource.objects.filter(provider=provider).exists():
        raise AlreadyExists(f"There is a webhook for {PROVIDERS[provider].name} already.")
    return save(provider, key)


def change(pk: int, changes: Mapping[str, Any]) -> EventSource:
    """Change a webhook.

    Args:
        changes: ``key``; absent or "" keeps the stored one, None removes it. ``provider`` may be repeated.

    Raises:
        NotFound: there is none.
        InvalidFields: a value cannot be one, or another provider is named.
    """
    row = EventSource.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound
    if changes.get("provider", row.provider) != row.provider:
        raise InvalidFields(
            {"provider": ["You cannot change the provider. Add a webhook for the other one."]}
        )
    key = changes.get("key", "")
    if key is None:
        return _without_key(row)
    return save(row.provider, key)


def _without_key(row: EventSource) -> EventSource:
    known = PROVIDERS[row.provider]
    if known.needs_key:
        raise InvalidFields({"key": [f"{known.name} needs the {known.key}. {known.key_hint}"]})
    if row.key is not None:
        with transaction.atomic():
            row.key = None
            row.save(update_fields=["key"])
            audit.record("webhook.changed", known.name, ["key"])
    return row


def renew(provider: str) -> EventSource:
    """Give a webhook another address; the old one is dead at once.

    Raises:
        NotFound: there is none.
    """
    with transaction.atomic():
        row = EventSource.objects.select_for_update().filter(provider=provider).first()
        if row is None:
            raise NotFound
        _new_address(row)
        row.save()
        audit.record("webhook.renewed", PROVIDERS[provider].name)
    return row


def remove(provider: str) -> None:
    """Remove a webhook; what it told stays.

    Raises:
        NotFound: there is none.
    """
    if not EventSource.objects.filter(provider=provider).delete()[0]:
        raise NotFound
    audit.record("webhook.removed", PROVIDERS[provider].name)


def find(provider: str, token: str) -> EventSource | None:
    """The webhook with this address; None if there is none."""
    row = EventSource.objects.filter(token_digest=_digest(token)).first()
    return row if row is not None and row.provider == provider else None


def _new_address(row: EventSource) -> None:
    token = secrets.token_urlsafe(24)
    row.token, row.token_digest = token, _digest(token)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
