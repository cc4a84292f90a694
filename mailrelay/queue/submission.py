"""Complete messages from Django and sendmail: completed so that a relay can deliver them, then queued."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import format_datetime

from django.apps import apps
from django.conf import settings
from django.db import transaction

from mailrelay.legal.conversion import Offer, Unsendable, legalise
from mailrelay.mail import addresses, addresslists, emails, encodedwords, mime, rawmail, tidying
from mailrelay.mail.addresslists import Mailbox
from mailrelay.mail.rawmail import RawMail
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import outbox
from mailrelay.relay.target import default_from
from quazzar import hostnames
from quazzar.errors import InvalidEmail, RelayNotConfigured
from quazzar.hostnames import HostNames

#: The width of the column.
_MESSAGE_ID_LIMIT = 255
#: What no server takes is refused at once.
_EVERYTHING = Offer(eight_bit=True, utf8=True)
#: Domains that mean this machine, whatever it is called.
_SELF = hostnames.LOOPBACK | {"127.0.0.1", "[127.0.0.1]", "[127.0.1.1]", "[::1]", "[ipv6:::1]"}
#: Fields in which a person stands who may be asked to answer (RFC 5322 §3.6, RFC 8098, RFC 2076).
_PEOPLE = (
    "To",
    "Cc",
    "Reply-To",
    "Resent-To",
    "Resent-Cc",
    "Mail-Reply-To",
    "Mail-Followup-To",
    "Disposition-Notification-To",
    "Return-Receipt-To",
    "Errors-To",
)


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

    def receivers(self, address: str) -> Sequence[str]:
        """Who gets the mail for this address: the alert recipients for a local one, if any are set."""
        return self.alert_recipients if self.is_local(address) and self.alert_recipients else (address,)

    def sender(self, address: str) -> str:
        """The envelope sender to use for this one: a local sender becomes the relay's from address.

        Raises:
            InvalidEmail: it is not an address.
        """
        return self.from_address if self.is_local(address) else checked("from_address", address)


def node() -> Node:
    """The node according to its settings and names as they are now.

    Raises:
        RelayNotConfigured: no host is set.
    """
    # Not load(): that would open the sealed password, which is not needed to queue mail.
    columns = ("host", "from_address", "username", "from_name", "alert_recipients", "backup_recipients")
    row = RelaySettings.objects.filter(pk=1).values_list(*columns).first()
    if row is None or not row[0]:
        raise RelayNotConfigured
    _host, from_address, username, from_name, alert_recipients, backup_recipients = row
    people = tuple(addresses.split(recipient)[1] for recipient in alert_recipients)
    host = hostnames.current()
    real = {*_domains([from_address, *people, *backup_recipients]), *_hosted(host.full)}
    return Node(default_from(from_address, username), from_name, people, node_names(host, real))


def node_names(host: HostNames, real: Collection[str] = ()) -> frozenset[str]:
    """Domains that mean this node: all its names but the ``real`` ones, at which people have mailboxes.

    /etc/mailname does not count: it may name a domain whose mailboxes are elsewhere.
    """
    return frozenset({*_SELF, *host.short, *host.full}.difference(real))


def _domains(people: Iterable[str]) -> Iterator[str]:
    """The domains of the addresses in the relay settings: the operator sends or reads mail there."""
    for person in people:
        yield person.rpartition("@")[2].rstrip("> ").lower()


def _hosted(names: Sequence[str]) -> list[str]:
    """Those of the names that are domains of the mailbox stack."""
    if not names:
        return []
    domains = apps.get_model(settings.HOSTED_DOMAINS_MODEL)._default_manager
    return list(domains.filter(name__in=names).values_list("name", flat=True))


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
        raise InvalidEmail("to", f"A mail can have at most {emails.MAX_RECIPIENTS} recipients.")
    mail = with_author(tidying.without_surplus(mail), node, name)
    mail = rawmail.completed(
        mail, date=format_datetime(mime.now()), message_id=mime.new_message_id(node.from_address)
    )
    mail = tidying.with_understood_addresses(mail)
    data = mail.as_bytes()
    try:
        legalise(data, _EVERYTHING)
    except Unsendable as exc:
        raise InvalidEmail("headers", str(exc)) from exc
    with transaction.atomic():
        return outbox.enqueue_raw(
            data,
            sender=sender,
            recipients=recipients,
            source=source,
            to=[str(mailbox) for mailbox in mail.mailboxes("to")],
            subject=addresslists.decoded(mail.get("subject")),
            message_id=mail.get("message-id")[:_MESSAGE_ID_LIMIT],
        )


def with_author(mail: RawMail, node: Node, name: str = "") -> RawMail:
    """The mail with authors that a relay accepts: a local author, or none, becomes the relay's from address under the
    same display name."""
    authors = mail.mailboxes("from")
    if not authors:
        return mail.with_field("From", encodedwords.mailbox(name or node.from_name, node.from_address))
    return mail.with_field("From", _authors(authors, node, name)) if _any_local(authors, node) else mail


def _authors(authors: Sequence[Mailbox], node: Node, name: str) -> str:
    written: dict[str, str] = {}
    for author in authors:
        address, shown = author.address, author.name
        if node.is_local(author.address):
            # "From: Cron Daemon" has no address at all: it is the name.
            shown = shown or (address if " " in address else name) or node.from_name
            address = node.from_address
        written.setdefault(address, encodedwords.mailbox(shown, address))
    return ", ".join(written.values())


def with_deliverable_people(mail: RawMail, node: Node) -> RawMail:
    """The mail with local people such as ``root`` in its header replaced by the addresses that get their mail.

    Providers refuse a header address without a domain (Amazon SES: "Missing final '@domain'").
    """
    for field in ("Sender", "Resent-Sender"):
        if _any_local(mail.mailboxes(field.lower()), node):
            # RFC 5322 §3.6.2: only a mail of several authors must have one.
            several = field == "Sender" and len(mail.mailboxes("from")) > 1
            mail = mail.with_field(field, node.from_address) if several else mail.without(field.lower())
    if _any_local(mail.mailboxes("resent-from"), node):
        mail = mail.with_field("Resent-From", _authors(mail.mailboxes("resent-from"), node, ""))
    for field in _PEOPLE:
        people = mail.mailboxes(field.lower())
        if _any_local(people, node):
            mail = mail.with_field(field, ", ".join(_deliverable(people, node)))
    return mail


def _any_local(people: Iterable[Mailbox], node: Node) -> bool:
    return any(node.is_local(person.address) for person in people)


def _deliverable(people: Iterable[Mailbox], node: Node) -> Iterable[str]:
    for person in people:
        if node.is_local(person.address):
            for address in node.alert_recipients or (node.from_address,):
                yield encodedwords.mailbox(person.name or person.address.partition("@")[0], address)
        else:
            yield encodedwords.mailbox(person.name, person.address)
