"""What the header fields of a mail are made of, and how each is written in ASCII and within 998 octets a line. Pure.

Encoded words stand only where RFC 2047 §5 has them: in free text, in comments, and in phrases such as display names.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from mailrelay.mail import addresses, addresslists, parameters
from mailrelay.mail.encodedwords import LONGEST_WORD, encoded, folded, free_text, phrase

_ADDRESS_FIELDS = (
    "from sender reply-to to cc bcc resent-from resent-sender resent-reply-to resent-to resent-cc resent-bcc "
    "disposition-notification-to return-receipt-to errors-to mail-followup-to mail-reply-to apparently-to "
    "original-from"
)
#: Fields that hold mailboxes.
ADDRESS_FIELDS = frozenset(_ADDRESS_FIELDS.split())
#: Fields of MIME: a value, then parameters (RFC 2045 §5.1, RFC 2183).
PARAMETER_FIELDS = frozenset({"content-type", "content-disposition"})
#: Fields with their own vocabulary, in which an encoded word would be garbage (IANA's register of message
#: headers).
_STRUCTURED_FIELDS = (
    "accept-language alternate-recipient archived-at authentication-results auto-submitted autocrypt autoforwarded "
    "bimi-indicator bimi-location bimi-selector content-base content-duration content-features content-id "
    "content-language content-location content-md5 content-transfer-encoding date deferred-delivery delivered-to "
    "delivery-date disposition-notification-options dkim-signature domainkey-signature encoding encrypted expires "
    "expiry-date feedback-id importance in-reply-to keywords language latest-delivery-time message-context message-id "
    "mime-version mt-priority obsoletes original-message-id original-recipient path pics-label precedence "
    "prevent-nondelivery-report priority received received-spf references reply-by require-recipient-valid-since "
    "resent-date resent-message-id return-path sensitivity solicitation supersedes tls-report-domain "
    "tls-report-submitter tls-required vbr-info x-envelope-from x-envelope-to x-original-to"
)
_STRUCTURED = frozenset(_STRUCTURED_FIELDS.split()) | ADDRESS_FIELDS | PARAMETER_FIELDS
_STRUCTURED_FAMILIES = ("list-", "arc-", "mmhs-", "x400-", "downgraded-")
#: Structured fields whose words are phrases, which encoded words may replace.
_PHRASES = frozenset({"keywords", "list-id"})
# RFC 6376 §3.5: white space may stand anywhere in these base64 texts.
_SIGNED = frozenset(
    {"dkim-signature", "domainkey-signature", "arc-seal", "arc-message-signature", "autocrypt"}
)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|<[^<>]*>?|[ \t]+|[^"<( \t]+|.', re.DOTALL)
_COMMENT_TEXT = re.compile(r"[^()]+|[()]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BETWEEN_REFERENCES = re.compile(r">(?=<)")
_LONG_BASE64 = re.compile(r"[A-Za-z0-9+/=]{80,}")
#: What percent-encoding leaves alone: everything in ASCII.
_ASCII = "".join(map(chr, range(0x21, 0x7F)))


def is_structured(name: str) -> bool:
    """Whether the field has its own syntax; all others hold free text."""
    lower = name.lower()
    return lower in _STRUCTURED or lower.startswith(_STRUCTURED_FAMILIES)


def holds_addresses(name: str) -> bool:
    """Whether the field is a list of mailboxes."""
    return name.lower() in ADDRESS_FIELDS


def written(name: str, text: str) -> str:
    """The field as lines that end in CRLF; see ``in_ascii``.

    Raises:
        ValueError: a word of it fits in no line.
    """
    return folded(name, in_ascii(name, text))


def in_ascii(name: str, text: str) -> str:
    """The text of the field, not folded yet.

    All of it is ASCII, unless the part of an address before its @ is not: only SMTPUTF8 (RFC 6531) can carry that.
    """
    lower = name.lower()
    text = _CONTROL.sub(" ", text).strip()
    if lower in ADDRESS_FIELDS:
        try:
            return addresslists.rewritten(text)
        except ValueError:
            pass  # not a list of addresses; then at least its characters are legal
    if lower in PARAMETER_FIELDS:
        return parameters.rewritten(text)
    if is_structured(lower):
        return _structured(lower, text)
    return free_text(text, room(name))


def check(name: str, text: str) -> None:
    """Refuse a field that cannot be written.

    Raises:
        ValueError: a word of it fits in no line, or it should hold addresses and does not; the text is a sentence.
    """
    if name.lower() in ADDRESS_FIELDS:
        addresslists.rewritten(text)
    try:
        written(name, text)
    except ValueError as exc:
        raise ValueError(f"The mail cannot be sent: {exc}.") from exc


def room(name: str) -> int:
    """How many bytes of text the first encoded word of this field may hold, so that its line has at most 76 characters
    (RFC 2047 §2)."""
    return max(12, min(45, (62 - len(name)) // 4 * 3))


def _structured(lower: str, text: str) -> str:
    if lower in _SIGNED:
        text = _LONG_BASE64.sub(lambda match: _in_pieces(match[0]), text)
    text = _BETWEEN_REFERENCES.sub("> ", text)
    if max(map(len, text.split()), default=0) > LONGEST_WORD and "," in text:
        text = text.replace(",", ", ")
    if text.isascii():
        return text
    ascii_text = ""
    for piece in _pieces(text):
        ascii_piece = _ascii(lower, piece)
        ascii_text += ascii_piece.removeprefix(" ") if ascii_text.endswith((" ", "\t")) else ascii_piece
    return ascii_text.strip()


def _in_pieces(text: str) -> str:
    return " ".join(text[start : start + 70] for start in range(0, len(text), 70))


def _pieces(text: str) -> list[str]:
    pieces, at = [], 0
    while at < len(text):
        end = addresslists.comment_end(text, at) if text[at] == "(" else 0
        if not end:
            match = _TOKEN.match(text, at)
            end = match.end() if match else at + 1
        pieces.append(text[at:end])
        at = end
    return pieces


def _ascii(lower: str, piece: str) -> str:
    """A piece of a structured field in ASCII."""
    if piece.isascii():
        return piece
    if piece.startswith("("):
        # Spaces, so that the line can be folded: one with an encoded word has 76 characters at most (RFC 2047 §2).
        return f" {''.join(_comment(part) for part in _COMMENT_TEXT.findall(piece))} "
    if piece.startswith("<"):
        return f"<{_reference(piece[1:].removesuffix('>'))}>"
    if lower in _PHRASES:
        return encoded(re.sub(r"\\(.)", r"\1", piece.strip('"'))) if piece[0] == '"' else _words(piece)
    return _reference(piece)


def _words(piece: str) -> str:
    # RFC 2047 §5 wants space around an encoded word, also before a comma.
    return " , ".join(word if word.isascii() else phrase(word) for word in piece.split(",")).strip()


def _comment(part: str) -> str:
    return part if part.isascii() else free_text(re.sub(r"\\(.)", r"\1", part))


def _reference(text: str) -> str:
    """An address, an identifier or a URI in ASCII: its domain as A-labels, everything else percent-encoded UTF-8
    (RFC 3987 §3.1). The same text always gives the same, so that references still find their message."""
    before, at, domain = text.rpartition("@")
    if at or "." in domain:
        try:
            return quote(before, safe=_ASCII, errors="replace") + at + addresses.ascii_domain(domain)
        except ValueError:
            pass  # it is not a domain
    return quote(text, safe=_ASCII, errors="replace")
