"""Lists of addresses for reports, as DMARC (RFC 9989 §4.6) and TLS-RPT (RFC 8460 §3) have them in ``rua=``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from dnsrecords.text.taglists import BLANKS, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

# Characters of a URI (RFC 3986 §2). "!" and "," have to be encoded in both kinds of record; "," separates already.
_PART = r"(?:[a-z0-9._~:/?\[\]@$&'()*+;=-]|%[0-9a-f]{2})*"
_URI = re.compile(rf"(?P<scheme>[a-z][a-z0-9+.-]*):{_PART}(?:#{_PART})?", re.IGNORECASE | re.ASCII)
#: How large a report may be, in RFC 7489; obsolete, and to be ignored (RFC 9989 §4.8).
_SIZE = re.compile(r"![0-9]+[kmgt]?\Z", re.IGNORECASE | re.ASCII)
_ATOM = r"[^\s@()<>\[\]:;,\\\".]+"
# A comma, which has to be encoded in a list, is let through.
_LOCAL = r"[^\s@()<>\[\]:;\\\".]+"
# addr-spec (RFC 6068 §2): a dot-atom or a quoted string, then a name or an address in brackets.
_MAILBOX = re.compile(
    rf'(?:{_LOCAL}(?:\.{_LOCAL})*|"(?:[^"\\]|\\.)+")@(?P<host>{_ATOM}(?:\.{_ATOM})*|\[[0-9a-f.:]+\])',
    re.IGNORECASE,
)
_NEARLY = re.compile(r"[<\"']*+(?:mailto:)?[/ \t]*+[<\"']*+(?P<mailbox>[^\s<>\"']+)[>\"']*", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class ReportAddress:
    """One address of a list.

    Attributes:
        text: as it is written, without the blanks around it and the obsolete size limit.
        scheme: in lower case; empty: it is no URI.
        host: where the report goes: the domain of the mailbox, or the host of the URL; in lower case. An address in
            brackets keeps them.
        error: why it is no valid URI, as a clause that follows the address; empty: it is one.
        mended: the URI that an invalid one was clearly meant to be; empty: none.
    """

    text: str
    scheme: str = ""
    host: str = ""
    error: str = ""
    mended: str = ""

    def reaches(self, schemes: Iterable[str]) -> bool:
        """Whether a report can go there, with senders that know these schemes."""
        return not self.error and self.scheme in schemes

    def __str__(self) -> str:
        return f"{shown(self.text)} {self.error}"


def read(text: str, *, sizes: bool = False) -> tuple[ReportAddress, ...]:
    """The addresses of a list, valid or not; none of an empty text.

    Args:
        sizes: whether an address may end in an obsolete size limit: ``!10m``.
    """
    if not text.strip(BLANKS):
        return ()
    items = (item.strip(BLANKS) for item in text.split(","))
    return tuple(_address(_SIZE.sub("", item) if sizes else item) for item in items)


def _address(text: str) -> ReportAddress:
    if not text:
        return ReportAddress(text, error="is not an address: there is one comma too many")
    match = _URI.fullmatch(text)
    if match is None:
        return ReportAddress(text, error=_no_uri(text), mended=_meant(text))
    scheme = match["scheme"].lower()
    if scheme == "mailto":
        return _mailbox(text)
    if scheme in {"http", "https"}:
        return _url(text, scheme)
    return ReportAddress(text, scheme)


def _no_uri(text: str) -> str:
    if len(re.findall(r"(?:mailto|https):", text, re.IGNORECASE)) > 1:
        return "is not one address: put a comma between two of them"
    if _MAILBOX.fullmatch(text):
        return "needs mailto: in front of it"
    if any(blank in text for blank in BLANKS):
        return "has a space in it"
    if "!" in text:
        return "contains an exclamation mark, which must be written as %21"
    if ":" not in text:
        return "is not a URI: it must begin with mailto: or https:"
    return "contains a character that is not allowed in a URI"


def _meant(text: str) -> str:
    """What a text that is no URI can only have meant: a bare address, one with a blank or quotes, two with no comma."""
    text = "".join(character for character in text if character.isascii())
    parts = text.split()
    if len(parts) > 1 and all(
        part.lower().startswith("mailto:") and not _address(part).error for part in parts
    ):
        return ",".join(parts)
    match = _NEARLY.fullmatch(text)
    uri = f"mailto:{match['mailbox']}" if match else ""
    return uri if match and _URI.fullmatch(uri) and not _mailbox(uri).error else ""


def _mailbox(text: str) -> ReportAddress:
    """RFC 6068 §2: ``mailto:``, the mailbox, and header fields after a question mark."""
    to, _, fields = text[len("mailto:") :].partition("#")[0].partition("?")
    if not to:
        named = (field.partition("=") for field in fields.split("&"))
        to = next((value for name, _, value in named if name.lower() == "to"), "")
    if not to:
        return ReportAddress(text, "mailto", error="names no mailbox")
    if to.startswith("//"):
        return ReportAddress(text, "mailto", error="has slashes after mailto:", mended=_meant(text))
    match = _MAILBOX.fullmatch(unquote(to))
    if match is None:
        return ReportAddress(text, "mailto", error="is not a mail address")
    host = _host(match["host"])
    return ReportAddress(text, "mailto", host, "" if host else "names a domain that cannot exist")


def _url(text: str, scheme: str) -> ReportAddress:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return ReportAddress(text, scheme, error="is not a valid URL")
    name = f"[{host}]" if ":" in host else _host(unquote(host))
    return ReportAddress(text, scheme, name, "" if name else "names no host")


def _host(text: str) -> str:
    """A name as DNS has it; empty: it is none."""
    if text.startswith("["):
        return text.lower()
    try:
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    fits = len(name) <= 253 and all(map(_LABEL.fullmatch, name.split(".")))
    return name.lower() if fits else ""
