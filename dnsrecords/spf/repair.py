"""Reads an SPF record as its writer meant it: obvious mistakes are corrected, the others listed. Pure.

No sender gets lost: each word of the text becomes terms, or is listed as unreadable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.spf import words
from dnsrecords.spf.terms import (
    VERSION,
    Fault,
    Malformed,
    Mechanism,
    Modifier,
    SpfRecord,
    is_record,
    parse_term,
    shortened,
)
from dnsrecords.text.mistakes import mistake, typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.spf.terms import Term

#: The start of a text that was meant to be a record, with every mistake that people make there.
_MEANT = re.compile(
    r"[\W_]*(?:v\s*[=:-]?\s*(?:spf\s*(?:1|l(?![a-z0-9]))|sfp1|sp1)(?!\.?[0-9])|(?:v\s*=\s*)?spf\s*1?(?=[\s;,:.\"]|\Z))[\s;:,.=\"']*",
    re.IGNORECASE,
)
#: Characters that look like those of ASCII, from word processors and keyboards; invisible ones go.
_LOOKALIKES = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\uff0d", "-"),
        **dict.fromkeys("\u02dc\u223c\uff5e", "~"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u00ab\u00bb\u2033`'", '"'),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff\\", ""),
        "\uff1a": ":",
        "\uff1d": "=",
        "\uff0b": "+",
    }
)
# Commas and semicolons separate nothing, but people write them; within a macro a comma is a delimiter (RFC 7208 §7.1).
_WORD = re.compile(r"(?:\{[^{}\s]*\}|[^\s,;])+")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text was meant to say.

    Attributes:
        mended: (as written, as read) of each word that was corrected.
        lost: words that have no plain reading, each with why it is no term.
    """

    terms: tuple[Term, ...] = ()
    mended: tuple[tuple[str, str], ...] = ()
    lost: tuple[Fault, ...] = ()

    @property
    def record(self) -> SpfRecord:
        """The terms as a record."""
        return SpfRecord(self.terms)


def meant(text: str) -> bool:
    """Whether a text that is no SPF record was meant to be one."""
    if is_record(text):
        return False
    if mistake(text, VERSION) or _is_remainder(text):
        return True
    start = _MEANT.match(typed(text))
    # Without the version it takes a mechanism: "SPF is set up elsewhere" is no record.
    versioned = start and "=" in start[0]
    return bool(start) and (bool(versioned) or any(isinstance(term, Mechanism) for term in read(text).terms))


def _is_remainder(text: str) -> bool:
    """Whether a text is the other half of a record: terms alone, senders among them."""
    try:
        terms = [parse_term(word) for word in text.split()]
    except Malformed:
        return False
    mechanisms = [term for term in terms if isinstance(term, Mechanism)]
    return len(mechanisms) == len(terms) and any(
        term.kind in ("include", "ip4", "ip6") for term in mechanisms
    )


def read(text: str) -> Reading:
    """Reads the text of a record, or one that was meant to be a record."""
    plain = re.sub(r'"\s*"', "", typed(text).translate(_LOOKALIKES)).replace('"', " ")
    plain = re.sub(r"(?<!\s)\s*+/\s*+(?=[0-9])", "/", plain)
    start = _MEANT.match(plain)
    terms: list[Term] = []
    mended: list[tuple[str, str]] = []
    lost: list[Fault] = []
    for written, parts in _joined(_words(plain[start.end() if start else 0 :])):
        read_as: list[Term] = []
        for part in parts:
            found = words.read(part)
            if isinstance(found, Fault):
                lost.append(found)
            else:
                read_as += found
        terms += read_as
        if read_as and not _is_same(written, read_as):
            mended.append((shortened(written), " ".join(map(str, read_as))))
    return Reading(tuple(terms), tuple(mended), tuple(lost))


def _is_same(written: str, terms: list[Term]) -> bool:
    try:
        return [parse_term(written)] == terms
    except Malformed:
        return False


# --- words -------------------------------------------------------------------------------------------------
def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Each word, and whether a comma stands before it."""
    end = 0
    for match in _WORD.finditer(text):
        word, comma = match[0].strip("()<>|"), "," in text[end : match.start()]
        end = match.end()
        if word and word.lower() not in (VERSION, "spf1"):
            yield word, comma


def _joined(found: Iterator[tuple[str, bool]]) -> Iterator[tuple[str, list[str]]]:
    """(as written, the terms in it): pieces that a blank has torn apart, and terms that have grown together."""
    written = waiting = kind = ""
    for word, comma in found:
        if waiting and words.continues(waiting, word):
            written, word = f"{written} {word}", _glued(waiting, word)  # noqa: PLW2901
        elif waiting and words.stutters(waiting, word):
            written = f"{written} {word}"
        elif waiting:
            yield written, words.split(waiting)
            written = word
        else:
            written = word
        waiting = word if words.waits(word) else ""
        if waiting:
            continue
        # What a comma lists is of the kind that stands at the head of the list.
        parts = words.split(f"{kind}:{word}" if comma and kind and words.is_bare(word) else word)
        kind = words.kind_of(parts[-1]) if parts else ""
        yield written, parts
    if waiting:
        yield written, words.split(waiting)


def _glued(first: str, second: str) -> str:
    sign = "" if first[-1] in ":=+-~?" or second[0] in ":=/" else ":"
    return f"{first}{sign}{second}"


def misread(term: Modifier) -> Mechanism | None:
    """The mechanism that was meant by an unknown modifier, such as ``include=x``."""
    found = words.read(str(term))
    return found[0] if not isinstance(found, Fault) and found and isinstance(found[0], Mechanism) else None
