"""Finds the reports in a file or a mail: plain, gzip or zip, never more than a fixed amount. Pure.

What a part is called, and which type it claims, is not trusted: its first bytes decide.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

from dnsrecords.reports import dmarcxml, tlsjson
from dnsrecords.reports.values import Report, Unfit, Why
from mailrelay.bounces import parts

#: Bytes of one report once it is unpacked, and of all reports of a file together. A gigabyte packs into a megabyte.
LARGEST, LARGEST_ALL = 32 * 1024 * 1024, 64 * 1024 * 1024
#: Members of an archive that are looked at; packages inside packages, and mails inside mails.
_MOST_MEMBERS, _DEEPEST = 20, 2
#: How members of a zip are packed. Others unpack to a hundred megabytes before the first byte is counted.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
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


def in_mail(raw: bytes, depth: int = 0) -> Iterator[bytes]:
    """The parts of a mail, and of mails in it, that can be reports; they may still be packed."""
    for kind, body in parts.leaves(raw):
        if looks_like_report(body):
            yield body
        elif kind == "message/rfc822" and depth < _DEEPEST:
            yield from in_mail(body, depth + 1)


def looks_like_report(data: bytes) -> bool:
    """Whether the first bytes are those of a report, packed or not."""
    return _is_packed(data) or _is_document(data)


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
    unpacked, members = bytearray(), 0
    try:
        while data.startswith(_GZIP):  # a file may have several members, one after the other
            if (members := members + 1) > _MOST_MEMBERS:  # each costs a copy of the rest
                raise Unfit(Why.TOO_LARGE, f"The gzip file has more than {_MOST_MEMBERS} members.")
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
                # Not is_dir(), which fails where a name is empty.
                if member.filename.endswith("/") or member.filename.startswith("__MACOSX/"):
                    continue
                if member.flag_bits & 1:
                    raise Unfit(Why.UNREADABLE, "The zip file is encrypted.")
                if member.compress_type not in _METHODS:
                    raise Unfit(
                        Why.UNREADABLE, "The zip file is packed in an unusual way. Pack it with deflate."
                    )
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
        NotImplementedError,  # raised by zipfile for versions of the format that it does not know
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
