"""Complete messages from Django and sendmail: made fit for the relay, then queued."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import format_datetime

from django.db import transaction

from mailrelay.mail import addresses, addresslists, emails, mime, rawmail
from mailrelay.mail.addresslists import Mailbox
from mailrelay.mail.rawmail import RawMail
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import outbox
from mailrelay.relay.target import default_from
from quazzar.errors import InvalidEmail, RelayNotConfigured

#: The column's width.
_MESSAGE_ID_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Node:
    """What the saved relay and the host say about mail that is written on this node."""

    from_address: str
    from_name: str
    alert_recipients: tuple[str, ...]
    #: Domains that mean this node alone, and that no relay could deliver to.
    names: frozenset[str]

    def is_local(self, address: str) -> bool:
        """Whether it means somebody on this node, such as ``root``."""
        return addresslists.is_local(address, self.names)

    def sender(self, address: str) -> str:
        """The envelope sender when this one is asked for: one on this node becomes the relay's from address.

        Raises:
            InvalidEmail: it is no address.
        """
        return self.from_address if self.is_local(address) else checked("from_address", address)


def node() -> Node:
    """The node as it is saved now.

    Raises:
        RelayNotConfigured: no host is set.
    """
    # Not load(): that opens the sealed password, and nobody connects here.
    columns = ("host", "from_address", "username", "from_name", "alert_recipients")
    found = RelaySettings.objects.filter(pk=1).values_list(*columns).first()
    if found is None or not found[0]:
        raise RelayNotConfigured
    _host, from_address, username, from_name, alert_recipients = found
    people = tuple(addresses.split(one)[1] for one in alert_recipients)
    return Node(default_from(from_address, username), from_name, people, node_names(socket.gethostname()))


def node_names(hostname: str) -> frozenset[str]:
    """Domains that mean this node. A full host name is none of them: it may well have mailboxes elsewhere."""
    return frozenset({"localhost", "localhost.localdomain", hostname.partition(".")[0].lower()} - {""})


def checked(field: str, address: str) -> str:
    """The address as it goes on the wire; a name without a domain stays so.

    Raises:
        InvalidEmail: it is none; names the field.
    """
    try:
        return addresslists.checked(address)
    except ValueError as exc:
        raise InvalidEmail(field, str(exc)) from exc


def submit(mail: RawMail, *, node: Node, sender: str, recipients: Sequence[str], source: str, name: str = ""
           ) -> Message:  # fmt: skip
    """Completes a message and queues it for these envelope recipients. The empty sender is the null sender
    (``MAIL FROM:<>``); ``name`` is the author's when the message gives none.

    Raises:
        RelayNotConfigured: no relay is set.
        InvalidEmail: the message cannot be sent as it is.
    """
    if len(set(recipients)) > emails.MAX_RECIPIENTS:
        raise InvalidEmail("to", f"A mail can go to {emails.MAX_RECIPIENTS} recipients at most.")
    mail = with_author(mail, node, name)
    mail = rawmail.completed(
        mail, date=format_datetime(mime.now()), message_id=mime.new_message_id(node.from_address)
    )
    with transaction.atomic():
        row = outbox.enqueue_raw(
            mail.as_bytes(), sender=sender, recipients=recipients, source=source,
            to=[str(one) for one in mail.mailboxes("to")],
            subject=addresslists.decoded(mail.get("subject")),
            message_id=mail.get("message-id")[:_MESSAGE_ID_LIMIT],
        )  # fmt: skip
    return row


def with_author(mail: RawMail, node: Node, name: str = "") -> RawMail:
    """The mail with an author that the relay can answer for: one on this node, or none, becomes the relay's
    from address under the same display name."""
    authors = mail.mailboxes("from")
    if authors and not node.is_local(authors[0].address):
        return mail
    if authors:
        # "From: Cron Daemon" is no address at all: it is the name.
        name = authors[0].name or (authors[0].address if " " in authors[0].address else name)
    return mail.with_field("From", addresslists.written(name or node.from_name, node.from_address))


def with_deliverable_people(mail: RawMail, node: Node) -> RawMail:
    """The mail with ``root`` in its header replaced by whom that means: providers refuse an address without a
    domain there (Amazon SES: "Missing final '@domain'")."""
    if node.is_local(mail.get("sender")):
        mail = mail.without("sender")
    for field in ("To", "Cc", "Reply-To"):
        people = mail.mailboxes(field.lower())
        if any(node.is_local(one.address) for one in people):
            mail = mail.with_field(field, ", ".join(_meant(people, node)))
    return mail


def _meant(people: Iterable[Mailbox], node: Node) -> Iterable[str]:
    for one in people:
        if node.is_local(one.address):
            for address in node.alert_recipients or (node.from_address,):
                yield addresslists.written(one.name or one.address, address)
        else:
            yield addresslists.written(one.name, one.address)
