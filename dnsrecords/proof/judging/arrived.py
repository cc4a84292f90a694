"""An arrived mail as its header tells it: the hops, who it is from, what the receiving server found. Pure.

Also a header alone, as somebody has copied it out of a mail program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dnsrecords.proof.judging import received
from dnsrecords.proof.judging.received import Hop
from mailrelay.mail import addresslists
from quazzar import words

#: The field by which a proof is recognised, with its nonce.
NONCE = "X-Quazzar-Proof"
#: What is read of a header that somebody pasted.
MOST_CHARACTERS = 200_000
_MOST_FIELDS = 400
_MOST_HOPS = 40
_LONGEST_FIELD = 10_000
_FIELD = re.compile(r"([!-9;-~]{1,76}):[ \t]?(.*)", re.DOTALL)
_NONCE = re.compile(r"[0-9a-f]{16,40}")
#: RFC 8601 §2.2: method=result, then reason and properties.
_RESULT = re.compile(r"\b(spf|dkim|dmarc|arc|iprev|compauth)\s*=\s*([a-z]+)", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")
#: RFC 7208 §9.1; Microsoft's "sender IP is", in front of its results; Google's "designates … as permitted sender".
_CLIENT = re.compile(
    r"\bclient-ip=\"?([0-9A-Fa-f:.]+)|\bsender IP is ([0-9A-Fa-f:.]+)|\bsmtp\.remote-ip=([0-9A-Fa-f:.]+)"
    r"|\bdesignates ([0-9A-Fa-f:.]+) as permitted sender",
    re.IGNORECASE,
)
_ENVELOPE = re.compile(r"\b(?:envelope-from|smtp\.mailfrom)=[\"<]?([^\s\">;]{1,320})", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>\"@]{1,64}@[^\s<>\"@,;]{1,255}")
_NUMBER = r"(-?\d{1,4}(?:\.\d{1,4})?)"
#: Field → where the score stands in it, and the limit where it says that. Microsoft's level goes from -1 to 9.
_SCORES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("x-spam-status", re.compile(rf"\b(?:score|hits)={_NUMBER}(?:.*?\brequired={_NUMBER})?", re.DOTALL)),
    ("x-rspamd-score", re.compile(_NUMBER)),
    ("x-spamd-result", re.compile(rf"\[{_NUMBER} / {_NUMBER}\]")),
    ("x-spam-score", re.compile(rf"^\s*{_NUMBER}")),
    ("x-microsoft-antispam-scl", re.compile(_NUMBER)),
    ("x-ms-exchange-organization-scl", re.compile(_NUMBER)),
    ("x-forefront-antispam-report", re.compile(rf"\bSCL:{_NUMBER}")),
)
#: Field → what it says when the mail counts as spam there.
_SPAM: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("x-spam-flag", re.compile(r"^\s*yes", re.IGNORECASE)),
    ("x-spam", re.compile(r"^\s*yes", re.IGNORECASE)),
    ("x-spam-status", re.compile(r"^\s*yes", re.IGNORECASE)),
    ("x-ms-exchange-organization-scl", re.compile(r"^\s*[5-9]")),
    ("x-forefront-antispam-report", re.compile(r"\bSCL:[5-9]|\bSFV:SPM")),
    ("x-spamd-action", re.compile(r"add header|rewrite subject|reject", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Spam:
    """What the receiving server's filter says.

    Attributes:
        score: as it is written; empty: it says none.
        flagged: it counts as spam; None: it does not say.
    """

    score: str = ""
    limit: str = ""
    flagged: bool | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail, or its header.

    Attributes:
        raw: the whole mail, with CRLF; of a header alone, what follows it is not there.
        is_whole: the body is there, so that signatures can be verified.
        hops: the first one first.
        author: the address in From, and ``sender`` that of the envelope, as far as it is known.
        client: the address of the machine that handed it to the receiving side, if a field says so.
        results: what the receiving server found: spf, dkim, dmarc → pass, fail …
        verifier: the server that says so.
    """

    raw: bytes = field(repr=False)
    is_whole: bool
    fields: tuple[tuple[str, str], ...]
    hops: tuple[Hop, ...]
    nonce: str
    author: str
    sender: str
    client: str
    results: dict[str, str]
    verifier: str
    spam: Spam

    @property
    def domain(self) -> str:
        """The domain in From, which DMARC is about."""
        return self.author.rpartition("@")[2].lower().rstrip(".")

    def all(self, name: str) -> list[str]:
        """The values of a field, the topmost first."""
        return _all(self.fields, name)


def read(raw: bytes) -> Arrived:
    """What a whole mail says: its fields, its hops, and what the receiving server found."""
    data = _crlf(raw)
    head = data.partition(b"\r\n\r\n")[0]
    return _read(data, head.decode("utf-8", "replace"), is_whole=True)


def pasted(text: str, body: bytes = b"") -> Arrived:
    """A header that somebody pasted; what mail programs put around it is passed over.

    Args:
        body: what the mail had as its body when it was sent, for its signatures.
    """
    text = text[:MOST_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
    lines = text.expandtabs(1).strip("\n").split("\n")
    start = next((at for at, line in enumerate(lines) if _FIELD.match(line)), 0)
    # An empty line ends a header, but some programs copy one after each field.
    kept = [line.rstrip() for line in lines[start:] if line.strip()]
    head = "\r\n".join(line for line in kept if line[0] in " \t" or _FIELD.match(line))
    raw = head.encode("utf-8", "replace") + b"\r\n\r\n" + body
    return _read(raw, head, is_whole=False)


def nonce_of(raw: bytes) -> str:
    """The nonce of a mail, by its header alone; empty: it is no proof."""
    head = _crlf(raw[:MOST_CHARACTERS]).partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    return _nonce(_fields(head))


def _read(raw: bytes, head: str, *, is_whole: bool) -> Arrived:
    fields = _fields(head)
    received_ = [received.read(value) for value in _all(fields, "received")[:_MOST_HOPS]]
    results, verifier = _results(fields)
    return Arrived(
        raw=raw,
        is_whole=is_whole,
        fields=fields,
        hops=tuple(hop for hop in reversed(received_) if hop.by or hop.at),
        nonce=_nonce(fields),
        author=_author(fields),
        sender=_sender(fields),
        client=_client(fields),
        results=results,
        verifier=verifier,
        spam=_spam(fields),
    )


def _fields(head: str) -> tuple[tuple[str, str], ...]:
    unfolded: list[list[str]] = []
    for line in head.replace("\r\n", "\n").split("\n"):
        if line[:1] in (" ", "\t") and unfolded:
            unfolded[-1].append(line)
        elif len(unfolded) < _MOST_FIELDS:
            unfolded.append([line])
        else:
            break
    matches = filter(None, (_FIELD.match(" ".join(lines)[:_LONGEST_FIELD]) for lines in unfolded))
    return tuple((found[1].lower(), found[2].strip()) for found in matches)


def _all(fields: Sequence[tuple[str, str]], name: str) -> list[str]:
    return [value for known, value in fields if known == name]


def _first(fields: Sequence[tuple[str, str]], name: str) -> str:
    return next(iter(_all(fields, name)), "")


def _nonce(fields: Sequence[tuple[str, str]]) -> str:
    text = _first(fields, NONCE.lower()).strip()
    return text if _NONCE.fullmatch(text) else ""


def _author(fields: Sequence[tuple[str, str]]) -> str:
    found = _ADDRESS.findall(addresslists.decoded(_first(fields, "from")))
    return found[-1] if found else ""


def _sender(fields: Sequence[tuple[str, str]]) -> str:
    """The envelope sender: the last server writes it down (RFC 5321 §4.4), or the one that judged SPF did."""
    for value in _all(fields, "return-path"):
        if found := _ADDRESS.search(value):
            return found[0]
    for name in ("received-spf", "authentication-results"):
        for value in _all(fields, name):
            if found := _ENVELOPE.search(value):
                return found[1] if "@" in found[1] else f"postmaster@{found[1]}"
    return ""


def _client(fields: Sequence[tuple[str, str]]) -> str:
    for name in ("received-spf", "authentication-results"):
        for value in _all(fields, name):
            for found in _CLIENT.finditer(value):
                if known := received.address(next(filter(None, found.groups()))):
                    return known
    return ""


def _results(fields: Sequence[tuple[str, str]]) -> tuple[dict[str, str], str]:
    """What the topmost server that judged anything found; servers below it may have been anybody's (RFC 8601 §5)."""
    for value in _all(fields, "authentication-results"):
        plain = _COMMENT.sub("", value)
        found: dict[str, str] = {}
        for result in _RESULT.finditer(plain):
            method, said = result[1].lower(), result[2].lower()
            # Of several signatures, one that passes is enough.
            if found.get(method) != "pass":
                found[method] = said
        if found:
            return found, words.one_line(plain.partition(";")[0].strip().partition(" ")[0], 255)
    return {}, ""


def _spam(fields: Sequence[tuple[str, str]]) -> Spam:
    score = limit = ""
    for name, pattern in _SCORES:
        if found := next(_found(fields, name, pattern), None):
            score, limit = found[1], (*found.groups(), "")[1] or ""
            break
    asked = [name for name, _ in _SPAM if _all(fields, name)]
    if not asked:
        return Spam(score, limit)
    flagged = any(next(_found(fields, name, pattern), None) for name, pattern in _SPAM)
    return Spam(score, limit, flagged)


def _found(fields: Sequence[tuple[str, str]], name: str, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    return filter(None, (pattern.search(value[:2_000]) for value in _all(fields, name)))


def _crlf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
