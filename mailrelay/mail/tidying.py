"""What a submission agent corrects in the header of a complete mail (RFC 6409 §8). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mailrelay.mail import addresslists
from mailrelay.mail.addresslists import Group, Mailbox
from mailrelay.mail.headerfields import ADDRESS_FIELDS
from mailrelay.mail.rawmail import Field, RawMail
from quazzar.errors import InvalidEmail

#: Written by servers on the way (RFC 5321 §4.4); the last ones name recipients, also those that Bcc hides.
_OF_SERVERS = frozenset(
    {
        "return-path",
        "delivered-to",
        "envelope-to",
        "x-envelope-to",
        "x-original-to",
        "x-rcpt-to",
        "apparently-to",
    }
)
#: RFC 5322 §3.6 and RFC 2045 §3 allow one each. Several of the first three are one list.
_LISTS = ("To", "Cc", "Reply-To")
_ONCE_FIELDS = (
    "from sender subject date message-id in-reply-to references mime-version content-type content-transfer-encoding "
    "content-disposition content-id content-description"
)
_ONCE = frozenset(_ONCE_FIELDS.split())


def without_surplus(mail: RawMail) -> RawMail:
    """The mail without fields that are empty (RFC 5322 §3.6), a server's to write, or there already."""
    kept, seen = [], set()
    for field in mail.fields:
        surplus = field.name in _OF_SERVERS or field.name in seen or not field.text
        if not surplus and not _names_nobody(field):
            kept.append(field)
            seen.update({field.name} & _ONCE)
    return replace(mail, fields=tuple(kept))


def _names_nobody(field: Field) -> bool:
    """Whether it is a list of addresses with nothing in it, such as ``,`` or ``<>``. An empty group is something."""
    if field.name not in ADDRESS_FIELDS:
        return False
    return all(entry == Mailbox("", "") for entry in addresslists.entries(field.text))


def with_understood_addresses(mail: RawMail) -> RawMail:
    """The mail with each list of addresses once, in the syntax of RFC 5322 §3.4, as it was understood.

    Raises:
        InvalidEmail: one cannot be understood; the error names its field.
    """
    for name in _LISTS:
        texts = mail.texts(name.lower())
        if len(texts) > 1:
            mail = mail.with_field(name, _merged(name, texts))
    mail = replace(mail, fields=tuple(_understood(mail, field) for field in mail.fields))
    authors = mail.mailboxes("from")
    if len(authors) > 1 and not mail.get("sender"):  # RFC 5322 §3.6.2
        mail = mail.with_field("Sender", authors[0].address)
    return mail


def _merged(name: str, texts: Sequence[str]) -> str:
    """One list of all, each mailbox once."""
    people: dict[str, str] = {}
    for text in texts:
        for entry in addresslists.entries(text):
            written = _written(name, entry)
            people.setdefault(entry.address if isinstance(entry, Mailbox) else written, written)
    return ", ".join(people.values())


def _understood(mail: RawMail, field: Field) -> Field:
    if field.name not in ADDRESS_FIELDS or addresslists.is_strict(field.text):
        return field
    name = field.raw.partition(b":")[0].strip().decode()
    text = ", ".join(_written(name, entry) for entry in addresslists.entries(field.text))
    return mail.field(name, text)


def _written(name: str, entry: Mailbox | Group) -> str:
    try:
        return addresslists.written(entry)
    except ValueError as exc:
        raise InvalidEmail("headers", f"{name} cannot be understood: {exc}") from exc
