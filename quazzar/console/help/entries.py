"""docs/help.md as chapters of symptoms with cause and fix, and the chapter that each page of the console links to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

SOURCE = "docs/help.md"
#: Beginning of a route's name → the heading of its chapter; the first that fits.
CHAPTERS = (
    ("mailrelay_message", "Messages"),
    ("mailrelay_alertstate", "Alerts"),
    ("mailrelay_licencewatch", "Licence"),
    ("returned_mail", "Returned mail"),
    ("proof", "Delivery proofs"),
    ("inbox", "Returned mail"),
    ("suppression", "Returned mail"),
    ("mailrelay_inbox", "Returned mail"),
    ("mailrelay_feedback", "Returned mail"),
    ("mailrelay_suppression", "Returned mail"),
    ("mailrelay_eventsource", "Returned mail"),
    ("webhook", "Returned mail"),
    ("mailrelay_expected", "Expected reports"),
    ("expected_", "Expected reports"),
    ("mail_relay_license", "Licence"),
    ("mail_relay", "Relay"),
    ("mailrelay_", "Relay"),
    ("mail_boxes_server", "Mail server"),
    ("mail_boxes_queue", "Mail server"),
    ("find_mail", "Mail server"),
    ("mail_boxes_certificate", "Certificates"),
    ("mailboxes_stack", "Mail server"),
    ("mail_boxes", "Mailboxes"),
    ("mailboxes_", "Mailboxes"),
    ("dns", "DNS"),
    ("doctor", "This server"),
    ("index", "This server"),
    ("home_", "This server"),
    ("first_alert", "Alerts"),
    ("quazzar_apikey", "Alerts"),
    ("quazzar_finding", "This server"),
    ("quazzar_heartbeat", "This server"),
    ("quazzar_idempotent", "Alerts"),
    ("", "Signing in"),
)
_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


@dataclass(frozen=True, slots=True)
class Entry:
    """A symptom, its cause and its fix, in Markdown."""

    symptom: str
    cause: str
    fix: str

    @property
    def slug(self) -> str:
        """Its fragment on the page."""
        return slug(self.symptom)

    def has(self, words: list[str]) -> bool:
        """Whether each of the words, in lower case, is in it."""
        text = f"{self.symptom} {self.cause} {self.fix}".casefold()
        return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class Chapter:
    """What belongs to one part of the console."""

    title: str
    entries: tuple[Entry, ...]

    @property
    def slug(self) -> str:
        """Its fragment on the page."""
        return slug(self.title)


def slug(title: str) -> str:
    """The fragment of a heading."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def parse(text: str) -> list[Chapter]:
    """The chapters of docs/help.md: ``## Chapter``, ``### Symptom``, then ``Cause: …`` and ``Fix: …``.

    Raises:
        ValueError: an entry lacks its cause or its fix.
    """
    chapters = []
    for block in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = block.partition("\n")
        entries = [_entry(part) for part in re.split(r"^### ", rest, flags=re.MULTILINE)[1:]]
        chapters.append(Chapter(title.strip(), tuple(entries)))
    return chapters


def _entry(part: str) -> Entry:
    symptom, _, rest = part.partition("\n")
    paragraphs = [" ".join(paragraph.split()) for paragraph in rest.split("\n\n") if paragraph.strip()]
    said = dict(paragraph.split(": ", 1) for paragraph in paragraphs)
    if said.keys() != {"Cause", "Fix"}:
        raise ValueError(f"{symptom}: an entry has a cause and a fix, and nothing else.")
    return Entry(symptom.strip(), said["Cause"], said["Fix"])


def chapters() -> list[Chapter]:
    """The chapters of the page; none where the documentation was not installed."""
    path = Path(settings.BASE_DIR) / SOURCE
    return _read(path, path.stat().st_mtime_ns) if path.exists() else []


@lru_cache(maxsize=1)
def _read(path: Path, _changed: int) -> list[Chapter]:
    return parse(path.read_text())


def inline(text: str) -> SafeString:
    """Code and bold type of Markdown as HTML; the rest is escaped."""

    def mark(match: re.Match[str]) -> str:
        return f"<code>{match[1]}</code>" if match[1] else f"<b>{match[2]}</b>"

    return mark_safe(_INLINE.sub(mark, escape(text)))  # noqa: S308  # escaped before


def chapter_of(route: str) -> str:
    """The fragment of the chapter that a page links to, by the name of its route."""
    return next(slug(title) for start, title in CHAPTERS if route.startswith(start))
