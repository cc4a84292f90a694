"""What Home says about the mail server: its tile, that of its certificate, and first steps."""

from __future__ import annotations

from typing import Any

from mailboxes.mailqueue import watch
from mailboxes.models import Domain, Stack
from mailrelay.models import RelaySettings
from quazzar import rights
from quazzar.home import registry
from quazzar.home.registry import Fact, Link, Part, Step, Tile
from quazzar.monitoring.doctor import Area

_SERVER = Link("Open the mail server", "admin:mail_boxes")


def register() -> None:
    """Register all of it; called by the app's ready()."""
    registry.register("mailboxes", look)
    registry.register_step(
        Step(
            key="way out",
            title="Choose how mail is sent",
            text="Through a relay at your provider, or from a mail server of your own. You can use both.",
            link=Link("Set up a relay", "admin:mail_relay"),
            right=rights.CHANGE_RELAY,
            is_done=lambda user: RelaySettings.load().configured or Stack.load().enabled,
        )
    )
    registry.register_step(
        Step(
            key="domain",
            title="Add a domain",
            text="For mailboxes on your own mail server.",
            link=Link("Add a domain", "admin:mail_boxes_domains"),
            right=rights.ADD_DOMAINS,
            is_done=lambda user: Domain.objects.exists(),
            is_needed=lambda: Stack.load().enabled,
        )
    )


def look(user: Any) -> Part:
    """The mail server and its certificate, as far as the operator may see them."""
    if not rights.SEE_SERVER(user):
        return Part()
    stack = Stack.load()
    queue = watch.read(stack) if stack.enabled else None
    waits = () if queue is None else ((Area.QUEUE, Fact("Waiting in Postfix", f"{queue.count:,}")),)
    return Part((_server(stack), _certificate(stack)), facts=waits)


def _server(stack: Stack) -> Tile:
    if not stack.enabled:
        return Tile(
            Area.SERVER,
            "Mail server",
            "inbox",
            Link("Set up a mail server", "admin:mail_boxes", right=rights.CHANGE_SERVER),
            off="Optional: host your own mailboxes on Docker.",
        )
    facts = [Fact("Host", stack.hostname)]
    if stack.observed_at is not None:
        facts.append(Fact("Checked", at=stack.observed_at))
    return Tile(Area.SERVER, "Mail server", "inbox", _SERVER, tuple(facts))


def _certificate(stack: Stack) -> Tile:
    link = Link("Open the certificate", "admin:mail_boxes_server", "#certificate")
    if not stack.enabled:
        return Tile(Area.CERTIFICATE, "Certificate", "encrypted", _SERVER, off="Comes with the mail server.")
    facts = [Fact("From", Stack.TlsSource(stack.tls_source).label)]
    if stack.tls_expires_at is not None:
        facts.append(Fact("Expires", at=stack.tls_expires_at))
    return Tile(Area.CERTIFICATE, "Certificate", "encrypted", link, tuple(facts))
