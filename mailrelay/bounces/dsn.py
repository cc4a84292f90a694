"""Delivery status notifications (RFC 3464): the part ``message/delivery-status`` of a report. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailrelay.bounces import outcomes, parts
from mailrelay.bounces.outcomes import Outcome
from mailrelay.bounces.parts import Fields

#: RFC 3464 §2.3.3. Relayed: the next server does not report; expanded: a list took it.
_ACTIONS = {
    "failed": outcomes.BOUNCED,
    "failure": outcomes.BOUNCED,
    "delayed": outcomes.DELAYED,
    "delivered": outcomes.DELIVERED,
    "relayed": outcomes.DELIVERED,
    "expanded": outcomes.DELIVERED,
}
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_XTEXT_AROUND = re.compile(r"\+(2B|3D)")
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_COMMENT = re.compile(r"\(([^()]*)\)\s*$")


def read(texts: list[str]) -> list[Outcome]:
    """What became of each recipient that the report names."""
    return [outcome for text in texts for outcome in _read(parts.groups(text))]


def reporter(texts: list[str]) -> str:
    """The server that reports; empty if it does not say."""
    found = (group.get("reporting-mta", "") for text in texts for group in parts.groups(text))
    return next((_value(mta) for mta in found if mta), "")


def _read(groups: list[Fields]) -> Iterator[Outcome]:
    """Programs that do not know the blank line put the fields of the message and of a recipient into one group."""
    for group in groups:
        recipient = recipient_of(group)
        if not recipient and "action" not in group:
            continue
        kind = _ACTIONS.get(
            group.get("action", "").split("(")[0].split(";")[0].strip().lower().rstrip("."), ""
        )
        status = _status(group)
        if not kind:
            kind = {"2": outcomes.DELIVERED, "4": outcomes.DELAYED}.get(status[:1], outcomes.BOUNCED)
        said = _value(group.get("diagnostic-code", "")) or _comment(group.get("status", ""))
        host = _value(group.get("remote-mta", ""))
        yield outcomes.bounced(recipient, said, status=status, host=host, kind=kind)


def recipient_of(group: Fields) -> str:
    """The recipient as the sender wrote it, if the report says; else the address that it was delivered to at last."""
    for name in ("original-recipient", "final-recipient", "x-actual-recipient", "original-rcpt-to"):
        if name in group and (found := outcomes.address(_decoded(group[name]))):
            return found
    return ""


def _decoded(text: str) -> str:
    """The address of ``rfc822; anna+2Bnews@example.com`` or, in UTF-8 (RFC 6533), ``utf-8; …``."""
    kind, separator, value = text.partition(";")
    if not separator:
        return text
    if kind.strip().lower() == "utf-8":
        return _UNICODE.sub(lambda match: _char(match[1]), value)
    # xText (RFC 3461 §4) is meant for ORCPT only, but some programs copy it. It must encode + and =; beside an @ that
    # is not encoded, nothing else is taken for it: anna+AB@example.com is an address.
    pattern = _XTEXT_AROUND if "@" in value else _XTEXT
    return pattern.sub(lambda match: _char(match[1]), value)


def _char(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if 0x20 < number < 0xD800 or 0xDFFF < number < 0x110000 else ""


def _status(group: Fields) -> str:
    found = _STATUS.search(group.get("status", ""))
    return found[0] if found else ""


def _value(text: str) -> str:
    """The value behind ``smtp;`` or ``dns;``."""
    kind, separator, value = text.partition(";")
    return value.strip() if separator and len(kind) < 20 and " " not in kind.strip() else text.strip()


def _comment(status: str) -> str:
    found = _COMMENT.search(status)
    return found[1] if found else ""
