"""A domain's records as a zone file (RFC 1035 §5) that BIND, NSD and Knot load as it is. Pure.

Only text and the contact are escaped; whatever could add a line or a field elsewhere is refused.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from dnsrecords.names import relative_name, within
from dnsrecords.records.record import TTL, Record
from dnsrecords.text import strings as txt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: Stands in for unknown name servers: every server accepts the name, and it never exists (RFC 6761).
NO_NAMESERVER = "ns.invalid"
#: Refresh, retry, expire, and how long "there is no such record" is kept, so that a new record is soon seen.
_SOA_TIMES = "7200 3600 1209600 600"
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*")
_FIELDS = re.compile(r"[A-Za-z0-9._:-]+(?: [A-Za-z0-9._:-]+)*")
_TYPE = re.compile(r"[A-Z][A-Z0-9]*")
_CONTACT = re.compile(r"([!-?A-~]{1,64})@([^@]+)")


def render(
    domain: str,
    records: Iterable[Record],
    *,
    serial: int,
    zone: str = "",
    nameservers: Mapping[str, Sequence[str]] | None = None,
    contact: str = "",
) -> str:
    """``$ORIGIN``, ``$TTL``, SOA and NS, then each record under its purpose as a comment.

    Records without a value, and those of other zones, are comments.

    Args:
        serial: of the SOA record; it has to grow with each change.
        zone: that the domain's records are in; empty: the domain is a zone of its own.
        nameservers: name → its addresses. A name within the zone needs them, and is left out without any.
        contact: mail address of the person who runs the zone; empty: the domain's postmaster.

    Raises:
        ValueError: something that cannot stand in a zone file.
    """
    records, zone = tuple(records), zone or domain
    servers, glue = _servers(zone, records, nameservers or {})
    lines = [
        f"$ORIGIN {_absolute(zone)}",
        f"$TTL {TTL}",
        f"@ {TTL} IN SOA {_absolute(servers[0])} {_mailbox(contact or f'postmaster@{domain}')} "
        f"( {_serial(serial)} {_SOA_TIMES} )",
        *(["; Put the names of your name servers here."] if servers == [NO_NAMESERVER] else []),
        *(f"@ {TTL} IN NS {_absolute(server)}" for server in servers),
        *(_of_larger_zone(domain, zone) if zone != domain else ()),
        *(line for record in records for line in ("", *_entry(record, zone))),
        *(["", *glue] if glue else []),
        *_missing_addresses(zone, records),
    ]
    return "\n".join([*lines, ""])


def _of_larger_zone(domain: str, zone: str) -> Iterator[str]:
    yield f"; {domain} is in the zone {zone}, which has other records too: add these to it, and keep its own"
    yield "; SOA and NS records. Loaded on its own, this file would replace the whole zone."


# --- name servers ------------------------------------------------------------------------------------------
def _servers(
    domain: str, records: Sequence[Record], nameservers: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """The name servers that the zone loads with, and the address records that it needs for them."""
    servers, glue = [], []
    for name, addresses in nameservers.items():
        server = name.lower().rstrip(".")
        # Without an address in the zone, BIND and Knot refuse the zone as a whole.
        if _has_address(server, records) or not within(server, domain):
            servers.append(server)
        elif addresses:
            servers.append(server)
            glue += [_address_line(server, domain, address) for address in addresses]
    return servers or [NO_NAMESERVER], glue


def _has_address(name: str, records: Sequence[Record]) -> bool:
    return any(record.name == name and record.type in ("A", "AAAA") and record.value for record in records)


def _address_line(name: str, domain: str, text: str) -> str:
    address = ipaddress.ip_address(_fields(text))  # a scope id may hold anything
    return f"{_owner(name, domain)} {TTL} IN {'A' if address.version == 4 else 'AAAA'} {address}"


def _missing_addresses(domain: str, records: Sequence[Record]) -> Iterator[str]:
    """Comments for hosts that need an address. The zone loads without one, and name servers only warn about it."""
    targets = (
        record.value.split()[-1].rstrip(".") for record in records if record.type == "MX" and record.value
    )
    for name in dict.fromkeys(targets):
        if within(name, domain) and not _has_address(name, records):
            yield from ("", f"; The address of {name} is not known: add its A or AAAA record here.")


# --- records -----------------------------------------------------------------------------------------------
def _entry(record: Record, domain: str) -> Iterator[str]:
    yield f"; {_comment(record.purpose)}"
    if not record.value:
        yield f"; Left out because its value is not known yet: {record.type} {_owner(record.name, domain)}"
    elif within(record.name, domain):
        yield _line(record, domain)
    else:
        yield "; Belongs to another zone:"
        yield f"; {_line(record, domain)}"


def _line(record: Record, domain: str) -> str:
    if not _TYPE.fullmatch(record.type):
        raise ValueError(f"{record.type!a} is not a type of record.")
    if not 0 <= record.ttl < 2**31:
        raise ValueError(f"{record.ttl} is not a valid TTL.")
    return f"{_owner(record.name, domain)} {record.ttl} IN {record.type} {_data(record)}"


def _data(record: Record) -> str:
    if record.type == "TXT":
        return txt.quoted(record.value)
    if not _FIELDS.fullmatch(record.value):
        raise ValueError(
            f"{record.value!a} cannot be written to a zone file as the value of a {record.type} record."
        )
    return record.value


def _comment(text: str) -> str:
    """The text on one line, whatever it holds."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


# --- fields ------------------------------------------------------------------------------------------------
def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!a} is not a name that can be written to a zone file.")
    return name


def _owner(name: str, domain: str) -> str:
    return relative_name(_name(name), domain)


def _absolute(name: str) -> str:
    return f"{_name(name)}."


def _mailbox(contact: str) -> str:
    """A mail address as the SOA record has it: a dot for the @, and the local part as one label."""
    match = _CONTACT.fullmatch(contact)
    if match is None:
        raise ValueError(f"{contact!a} is not a mail address that can be written to a zone file.")
    local = re.sub(r"[^A-Za-z0-9_-]", r"\\\g<0>", match[1])
    return f"{local}.{_absolute(match[2].lower())}"


def _fields(text: str) -> str:
    if not _FIELDS.fullmatch(text):
        raise ValueError(f"{text!a} cannot be written to a zone file as the value of a record.")
    return text


def _serial(serial: int) -> int:
    if not 0 <= serial < 2**32:
        raise ValueError(f"{serial} is not a serial number, which has 32 bits.")
    return serial
