"""Complete messages from Django and sendmail: completed so that a relay can deliver them, then queued."""

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

#: The width of the column.
_MESSAGE_ID_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Node:
    """What the relay settings and the host say about mail that is written on this node.

    Attributes:
        from_address: the address that mail comes from by default.
        from_name: the display name for it.
        alert_recipients: who gets mail for local users such as root.
        names: domains that mean this node, and to which no relay could deliver.
    """

    from_address: str
    from_name: str
    alert_recipients: tuple[str, ...]
    names: frozenset[str]

    def is_local(self, address: str) -> bool:
        """Whether the address belongs to somebody on this node, such as ``root``."""
        return addresslists.is_local(address, self.names)

    def sender(self, address: str) -> str:
        """The envelope sender to use for this one: a local sender becomes the relay's from address.

        Raises:
            InvalidEmail: it is not an address.
        """
        return self.from_address if self.is_local(address) else checked("from_address", address)


def node() -> Node:
    """The node according to the settings as they are now.

    Raises:
        RelayNotConfigured: no host is set.
    """
    # Not load(): that would open the sealed password, which is not needed to queue mail.
    columns = ("host", "from_address", "username", "from_name", "alert_recipients")
    row = RelaySettings.objects.filter(pk=1).values_list(*columns).first()
    if row is None or not row[0]:
        raise RelayNotConfigured
    _host, from_address, username, from_name, alert_recipients = row
    people = tuple(addresses.split(recipient)[1] for recipient in alert_recipients)
    return Node(default_from(from_address, username), from_name, people, node_names(socket.gethostname()))


def node_names(hostname: str) -> frozenset[str]:
    """Domains that mean this node. Its full host name is not one of them: that may have mailboxes elsewhere."""
    return frozenset({"localhost", "localhost.localdomain", hostname.partition(".")[0].lower()} - {""})


def checked(field: str, address: str) -> str:
    """The address as it goes on the wire; a local name without a domain stays one.

    Raises:
        InvalidEmail: it is not an address; the error names the field.
    """
    try:
        return addresslists.checked(address)
    except ValueError as exc:
        raise InvalidEmail(field, str(exc)) from exc


def submit(
    mail: RawMail, *, node: Node, sender: str, recipients: Sequence[str], source: str, name: str = ""
) -> Message:
    """Complete a message and queue it for these envelope recipients.

    Args:
        sender: the envelope sender; empty for the null sender (``MAIL FROM:<>``).
        name: the author's display name when the message gives none.

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
        return outbox.enqueue_raw(
            mail.as_bytes(),
            sender=sender,
            recipients=recipients,
            source=source,
            to=[str(mailbox) for mailbox in mail.mailboxes("to")],
            subject=addresslists.decoded(mail.get("subject")),
            message_id=mail.get("message-id")[:_MESSAGE_ID_LIMIT],
        )


def with_author(mail: RawMail, node: Node, name: str = "") -> RawMail:
    """The mail with an author that a relay accepts: a local author, or none, becomes the relay's from address under the
    same display name."""
    authors = mail.mailboxes("from")
    if authors and not node.is_local(authors[0].address):
        return mail
    if authors:
        # "From: Cron Daemon" has no address at all: it is the name.
        name = authors[0].name or (authors[0].address if " " in authors[0].address else name)
    return mail.with_field("From", addresslists.written(name or node.from_name, node.from_address))


def with_deliverable_people(mail: RawMail, node: Node) -> RawMail:
    """The mail with local people such as ``root`` in its header replaced by the addresses that get their mail.

    Providers refuse a header address without a domain (Amazon SES: "Missing final '@domain'").
    """
    if node.is_local(mail.get("sender")):
        mail = mail.without("sender")
    for field in ("To", "Cc", "Reply-To"):
        people = mail.mailboxes(field.lower())
        if any(node.is_local(person.address) for person in people):
            mail = mail.with_field(field, ", ".join(_deliverable(people, node)))
    return mail


def _deliverable(people: Iterable[Mailbox], node: Node) -> Iterable[str]:
    for person in people:
        if node.is_local(person.address):
            for address in node.alert_recipients or (node.from_address,):
                yield addresslists.written(person.name or person.address, address)
        else:
            yield addresslists.written(person.name, person.address)
