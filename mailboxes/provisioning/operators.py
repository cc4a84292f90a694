"""Who runs this server: they get the mail that every mail server must accept, unless a domain names somebody else."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model

from mailboxes.models import Mailbox
from mailboxes.provisioning import routes
from mailboxes.provisioning.addresses import destination
from mailrelay.mail.addresses import split
from mailrelay.models import RelaySettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def current() -> tuple[str, ...]:
    """The alert recipients, else the superusers, else the oldest mailbox: the first of these who can be reached."""
    for group in _groups():
        reached = routes.reachable(group) if group else set()
        if reached:
            return tuple(address for address in group if address in reached)
    return ()


def _groups() -> Iterator[tuple[str, ...]]:
    recipients = RelaySettings.objects.values_list("alert_recipients", flat=True).first()
    yield _usable(split(recipient)[1] for recipient in recipients or [])
    people = get_user_model().objects.filter(is_superuser=True, is_active=True)
    yield _usable(people.order_by("pk").values_list("email", flat=True))
    oldest = Mailbox.objects.live().filter(can_receive=True).order_by("pk")
    yield tuple(oldest.values_list("address", flat=True)[:1])


def _usable(texts: Iterable[str]) -> tuple[str, ...]:
    """Those to which Postfix can forward, in order."""
    usable = []
    for text in texts:
        with suppress(ValueError):
            usable.append(destination(text))
    return tuple(dict.fromkeys(usable))
