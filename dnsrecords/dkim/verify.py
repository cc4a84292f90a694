"""Verifies the signatures of a mail (RFC 6376, RFC 8463) with keys that the caller looks up. Pure."""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dkim

from dnsrecords.answers import Outcome
from dnsrecords.dkim import judge
from dnsrecords.faults import failed
from dnsrecords.names import dkim_name
from quazzar import words

if TYPE_CHECKING:
    from dnsrecords.answers import Lookup

#: Of more signatures, nobody verifies the rest.
_MOST = 8
#: What the library raises at fields and keys that are not what they should be.
_BROKEN = (
    dkim.DKIMException,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    binascii.Error,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature and whether it holds.

    Attributes:
        valid: None: that cannot be told.
        cause: why it is not valid: key_missing, key_wrong, key_revoked, no_answer, body, mismatch, broken.
        reason: the same as a clause, without a full stop.
    """

    domain: str
    selector: str
    valid: bool | None
    cause: str = ""
    reason: str = ""


def signatures(raw: bytes, lookup: Lookup) -> tuple[Signature, ...]:
    """The signatures of a mail, the topmost first."""
    found = []
    for index in range(min(raw.partition(b"\r\n\r\n")[0].lower().count(b"dkim-signature:"), _MOST)):
        signature = _signature(raw, index, lookup)
        if signature is not None:
            found.append(signature)
    return tuple(found)


def _signature(raw: bytes, index: int, lookup: Lookup) -> Signature | None:
    """The signature with this number; None: there are fewer."""
    try:
        mail = dkim.DKIM(raw, minkey=1024)
        prepared = mail.verify_headerprep(index)
    except _BROKEN as exc:
        return Signature("", "", False, "broken", f"the field is broken ({words.one_line(str(exc), 120)})")
    if not prepared:
        return None
    domain, selector = (part.decode("ascii", "replace").lower() for part in (mail.domain, mail.selector))
    name = dkim_name(selector, domain)
    answer = lookup(name, "TXT")
    if failed(answer.outcome):
        return Signature(domain, selector, None, "no_answer", f"{name} could not be looked up")
    if not answer.values:
        what = "does not exist in DNS" if answer.outcome is Outcome.NXDOMAIN else "has no TXT record"
        return Signature(domain, selector, False, "key_missing", f"{name} {what}")
    published = answer.values[0]
    record = judge.parse(published)
    if record.revoked:
        return Signature(domain, selector, False, "key_revoked", f"the key at {name} is revoked (empty p=)")
    if record.errors:
        return Signature(domain, selector, False, "key_wrong", f"{name} is no valid key: {record.errors[0]}")
    return _verified(mail, index, published, Signature(domain, selector, True), name)


def _verified(mail: dkim.DKIM, index: int, published: str, right: Signature, name: str) -> Signature:
    def wrong(cause: str, reason: str, *, valid: bool | None = False) -> Signature:
        return Signature(right.domain, right.selector, valid, cause, reason)

    try:
        if mail.verify(index, dnsfunc=lambda *_, **__: published.encode("latin-1", "replace")):
            return right
    except dkim.ValidationError as exc:
        if "body hash" in str(exc):
            return wrong("body", "the content was changed after it was signed")
        return wrong("broken", words.one_line(str(exc), 120))
    except _BROKEN as exc:
        return wrong("key_wrong", f"the key at {name} cannot be used ({words.one_line(str(exc), 120)})")
    return wrong(
        "mismatch",
        f"the key at {name} is not the one that signed, or a header field was changed after it was signed",
    )
