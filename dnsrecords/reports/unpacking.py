"""Finds the reports in a file or a mail: plain, gzip or zip, never more than a fixed amount. Pure.

What a part is called, and which type it claims, is not trusted: its first bytes decide.
"""

from __future__ import annotations

import email
import email.policy
import re
import zipfile
import zlib
from collections.abc import Iterator
from email.message import Message
from io import BytesIO

from dnsrecords.reports import dmarcxml, tlsjson
from dnsrecords.reports.values import Report, Unfit, Why

#: Bytes of one report once it is unpacked, and of all reports of a file together. A gigabyte packs into a megabyte.
LARGEST, LARGEST_ALL = 32 * 1024 * 1024, 64 * 1024 * 1024
#: Members of an archive, and parts of a mail, that are looked at; packages inside packages.
_MOST_MEMBERS, _MOST_PARTS, _DEEPEST = 20, 50, 2
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_PIECE = 65_536
#: Leading bytes that mean nothing: a byte order mark, blanks.
_BLANK = b"\xef\xbb\xbf \t\r\n\x00"
#: The outermost element of a DMARC report; the HTML of a mail may mention it too.
_FEEDBACK = re.compile(rb"<(?:\w+:)?feedback[\s>]", re.IGNORECASE)


class _Budget:
    """The bytes that may still be unpacked."""

    def __init__(self) -> None:
        self.left = LARGEST_ALL

    def take(self, number: int) -> None:
        self.left -= number
        if self.left < 0:
            raise _too_large()


def reports(data: bytes) -> list[Report]:
    """All reports in a file, which may also be a whole mail.

    Raises:
        Unfit: there is none, or one of them is unfit.
    """
    found = [_parse(document) for document in _documents(data, _Budget())]
    if not found:
        raise Unfit(Why.UNREADABLE, "The file contains no report.")
    return found


def in_mail(raw: bytes) -> Iterator[bytes]:
    """The parts of a mail that can be reports; they may still be packed."""
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    for number, part in enumerate(message.walk()):
        if number >= _MOST_PARTS:
            return
        if not part.is_multipart() and (body := _decoded(part)) and (_is_packed(body) or _is_document(body)):
            yield body


def looks_like_report(data: bytes) -> bool:
    """Whether the first bytes are those of a report, packed or not."""
    return _is_packed(data) or _is_document(data)


def _decoded(part: Message) -> bytes:
    try:
        body = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        return b""
    return body if isinstance(body, bytes) else b""


def _is_packed(data: bytes) -> bool:
    return data.startswith((_GZIP, _ZIP))


def _is_document(data: bytes) -> bool:
    start = data[:2_000].lstrip(_BLANK)
    if start.startswith(b"{"):
        return b"policies" in data or b"organization-name" in data
    return start.startswith(b"<") and _FEEDBACK.search(data[:4_000]) is not None


def _documents(data: bytes, budget: _Budget, depth: int = 0) -> Iterator[bytes]:
    if depth > _DEEPEST:
        raise Unfit(Why.UNREADABLE, "The report is packed several times over.")
    if data.startswith(_GZIP):
        yield from _documents(_gunzip(data, budget), budget, depth + 1)
    elif data.startswith(_ZIP):
        for member in _members(data, budget):
            if looks_like_report(member):
                yield from _documents(member, budget, depth + 1)
    elif data[:2_000].lstrip(_BLANK).startswith((b"<", b"{")):
        if len(data) > LARGEST:
            raise _too_large()
        yield data
    elif depth == 0:
        for part in in_mail(data):
            yield from _documents(part, budget, depth + 1)
    else:
        raise Unfit(Why.UNREADABLE, "The file contains no report.")


def _gunzip(data: bytes, budget: _Budget) -> bytes:
    unpacked = bytearray()
    try:
        while data.startswith(_GZIP):  # a file may have several members, one after the other
            stream = zlib.decompressobj(wbits=31)
            while data and not stream.eof:
                piece = stream.decompress(data, _PIECE)
                budget.take(len(piece))
                unpacked += piece
                if len(unpacked) > LARGEST:
                    raise _too_large()
                if not piece and not stream.unconsumed_tail:
                    break
                data = stream.unconsumed_tail
            if not stream.eof:
                break  # cut short: what there is may still be enough to say what is wrong
            data = stream.unused_data
    except zlib.error as exc:
        raise Unfit(Why.UNREADABLE, "The gzip file is damaged.") from exc
    return bytes(unpacked)


def _members(data: bytes, budget: _Budget) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            for member in archive.infolist()[:_MOST_MEMBERS]:
                if member.is_dir() or member.filename.startswith("__MACOSX/"):
                    continue
                if member.flag_bits & 1:
                    raise Unfit(Why.UNREADABLE, "The zip file is encrypted.")
                with archive.open(member) as file:
                    unpacked = bytearray()
                    # The size in the directory is the sender's claim.
                    while piece := file.read(_PIECE):
                        budget.take(len(piece))
                        unpacked += piece
                        if len(unpacked) > LARGEST:
                            raise _too_large()
                yield bytes(unpacked)
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        EOFError,
        OSError,
        ValueError,
        RuntimeError,
    ) as exc:
        raise Unfit(Why.UNREADABLE, "The zip file is damaged.") from exc


def _parse(document: bytes) -> Report:
    is_json = document[:2_000].lstrip(_BLANK).startswith(b"{")
    return tlsjson.parse(document) if is_json else dmarcxml.parse(document)


def _too_large() -> Unfit:
    return Unfit(Why.TOO_LARGE, f"The report is larger than {LARGEST // 1024**2} MiB when it is unpacked.")
