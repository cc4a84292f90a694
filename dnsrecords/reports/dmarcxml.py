"""Reads DMARC aggregate reports in XML (RFC 7489 appendix C and RFC 9990), as real reporters write them. Pure.

Names are compared without namespace and in lower case: reporters use the one of RFC 7489, that of RFC 9990, their own
or none. Each record is turned into a value when it ends, so that memory holds one at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from dnsrecords.reports import values
from dnsrecords.reports.values import DmarcRecord, DmarcReport, Unfit, Why

#: Elements of one report, and how deep they may be nested; real ones have six levels.
_MOST_ELEMENTS, _DEEPEST = 1_000_000, 16
#: Characters of one element's text that are kept.
_LONGEST_TEXT = 2_000
_LARGEST_PIECE = 65_536
#: An ampersand that begins no reference; some reporters write organisations such as "A & B".
_BARE_AMPERSAND = re.compile(r"&(?!#[0-9]{1,7};|#x[0-9a-fA-F]{1,6};|[A-Za-z]{1,8};)")
#: "<<noreply@example.com>>", and the beginning of a schema that some put in front of the report.
_EMAIL = re.compile(r"<email>\s*<([^<>]{1,320})>\s*</email>")
_SCHEMA = re.compile(r"<xs:schema[^<>]*>|</xs:schema>")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DECLARATION = re.compile(r"\A<\?xml[^>]*\?>", re.IGNORECASE)
_DISPOSITIONS = ("none", "quarantine", "reject")
_POLICIES = _DISPOSITIONS


@dataclass(slots=True)
class _Node:
    name: str
    text: str = ""
    children: list[_Node] = field(default_factory=list)

    def all(self, name: str) -> Iterator[_Node]:
        return (child for child in self.children if child.name == name)

    def first(self, *path: str) -> _Node:
        node = self
        for name in path:
            node = next(node.all(name), _Node(name))
        return node


class _Builder:
    """What the parser calls: builds the tree, but turns each record into a value."""

    def __init__(self) -> None:
        self.root: _Node | None = None
        self.records: list[DmarcRecord] = []
        self._open: list[_Node] = []
        self._elements = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _MOST_ELEMENTS or len(self._open) >= _DEEPEST:
            raise Unfit(Why.TOO_LARGE, "The report has too many elements, or nests them too deeply.")
        self._open.append(_Node(tag.rpartition("}")[2].rpartition(":")[2].strip().lower()))

    def end(self, tag: str) -> None:
        node = self._open.pop()
        if not self._open:
            self.root = node
        elif node.name == "record" and len(self._open) == 1:
            self.records += _records(node)
            if len(self.records) > values.MOST_RECORDS:
                raise Unfit(Why.TOO_LARGE, f"The report has more than {values.MOST_RECORDS:,} records.")
        else:
            self._open[-1].children.append(node)

    def data(self, text: str) -> None:
        if self._open and len(self._open[-1].text) < _LONGEST_TEXT:
            self._open[-1].text += text

    def close(self) -> None:
        """Nothing is left to do."""


def parse(data: bytes) -> DmarcReport:
    """The report in an XML document.

    Raises:
        Unfit: it is no such report, or too large, or about an impossible time.
    """
    data = data.lstrip(b"\xef\xbb\xbf \t\r\n\x00")
    try:
        built = _built(data)
    except ParseError:
        built = _mended(data)
    root = built.root
    if root is None or root.name != "feedback":
        raise Unfit(Why.UNREADABLE, "The XML is no DMARC report: its outermost element is not feedback.")
    meta, published = root.first("report_metadata"), root.first("policy_published")
    domain = values.name(published.first("domain").text)
    if not domain:
        raise Unfit(Why.UNREADABLE, "The DMARC report does not say which domain it is about.")
    dates = meta.first("date_range")
    policy = values.word(published.first("p").text)
    organisation = values.text(meta.first("org_name").text) or values.text(meta.first("email").text)
    return DmarcReport(
        organisation=organisation or "(no name)",
        report_id=values.text(meta.first("report_id").text).strip("<>"),
        period=values.period(dates.first("begin").text, dates.first("end").text),
        domain=domain,
        policy=policy if policy in _POLICIES else "",
        records=tuple(built.records),
        errors=tuple(filter(None, (values.text(error.text) for error in meta.all("error"))))[:5],
    )


def _built(data: bytes | str) -> _Builder:
    builder = _Builder()
    parser: Any = XMLParser(target=builder, forbid_dtd=True)
    try:
        # In pieces: what comes after the place where a limit is exceeded is not read.
        for start in range(0, len(data), _LARGEST_PIECE):
            parser.feed(data[start : start + _LARGEST_PIECE])
        parser.close()
    except DefusedXmlException as exc:
        raise Unfit(
            Why.UNREADABLE, "The XML declares entities or a document type, which no report needs."
        ) from exc
    except (ValueError, LookupError) as exc:  # an encoding that Python does not know
        raise ParseError(str(exc)) from exc
    return builder


def _mended(data: bytes) -> _Builder:
    """What a report says whose XML is almost right: wrong bytes, control characters, bare ampersands."""
    text = _CONTROLS.sub("", _DECLARATION.sub("", data.decode("utf-8", "replace")))
    text = _SCHEMA.sub("", _EMAIL.sub(r"<email>\1</email>", _BARE_AMPERSAND.sub("&amp;", text)))
    try:
        return _built(text.lstrip())
    except ParseError as exc:
        raise Unfit(Why.UNREADABLE, f"The XML is damaged: {values.text(str(exc), 100)}.") from exc


# --- one record --------------------------------------------------------------------------------------------
def _records(node: _Node) -> Iterator[DmarcRecord]:
    row = node.first("row")
    evaluated = row.first("policy_evaluated")
    number = values.count(row.first("count").text)
    if not number:
        return
    # Drafts of RFC 7489 called them identities.
    identifiers = next(node.all("identifiers"), node.first("identities"))
    results = node.first("auth_results")
    disposition = values.word(evaluated.first("disposition").text)
    yield DmarcRecord(
        address=values.address(row.first("source_ip").text),
        count=number,
        dkim=_passes(evaluated.first("dkim")),
        spf=_passes(evaluated.first("spf")),
        # RFC 9990 has "pass" for mail that the policy does not concern.
        disposition=disposition if disposition in _DISPOSITIONS else "none",
        reason=next(
            filter(None, (values.word(each.first("type").text) for each in evaluated.all("reason"))), ""
        ),
        header_from=values.name(identifiers.first("header_from").text),
        signer=_signer(results),
    )


def _signer(results: _Node) -> str:
    """The domain of the first DKIM signature that is valid, else of a valid SPF."""
    passed = (
        values.name(result.first("domain").text)
        for kind in ("dkim", "spf")
        for result in results.all(kind)
        if _passes(result.first("result"))
    )
    return next(filter(None, passed), "")


def _passes(node: _Node) -> bool:
    return values.word(node.text) == "pass"
