"""An alert notice as a mail: one subject line, plain text and HTML. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string

from mailrelay.mail.emails import Email
from mailrelay.notices.alerts import Alert, AlertNotice, Link, common
from mailrelay.notices.origin import NOWHERE, Origin
from quazzar import words

MAX_SHOWN = 100
_SUBJECT = 150
#: Labels that say where it happened, the most specific first.
_PLACES = ("instance", "host", "hostname", "node", "pod", "container", "service", "job")
_WORST_FIRST = ("critical", "page", "emergency", "fatal", "high", "error", "warning", "medium", "low", "info")
_URGENT = _WORST_FIRST[:4]
_RED, _AMBER, _GREEN = "#b3261e", "#9a6700", "#1a7f37"


@dataclass(frozen=True, slots=True)
class Card:
    """One alert as the mail shows it."""

    title: str
    text: str
    rows: list[tuple[str, str]]
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """All firing alerts, or all resolved ones, as the mail shows them."""

    state: str
    title: str
    color: str
    cards: list[Card]


def render(notice: AlertNotice, recipients: Sequence[str], origin: Origin = NOWHERE) -> Email:
    """The mail about a group of alerts."""
    severity = _severity(notice)
    urgent = bool(notice.firing) and severity.lower() in _URGENT
    context = {
        "headline": _headline(notice),
        "color": (_RED if urgent else _AMBER) if notice.firing else _GREEN,
        "common": list(_common(notice).items()),
        "sections": _sections(notice),
        "left_out": max(0, len(notice.alerts) - MAX_SHOWN) + notice.truncated,
        "links": notice.links,
        "origin": origin,
    }
    headers = {"Auto-Submitted": "auto-generated"}
    if urgent:
        headers |= {"X-Priority": "1", "Importance": "high"}
    return Email(
        to=[*recipients],
        subject=subject(notice),
        text=render_to_string("mail/alert.txt", context).strip() + "\n",
        html=render_to_string("mail/alert.html", context),
        headers=headers,
    )


def subject(notice: AlertNotice) -> str:
    """The subject, such as ``[FIRING:2] HighLoad on web1 (critical)``, or ``[FIRING:2 and 3 more] …`` where the sender
    left alerts out, of which it does not say whether they fire."""
    state = "FIRING" if notice.firing else "RESOLVED"
    count = len(notice.firing or notice.resolved)
    more = _more(notice)
    mark = f"[{state}:{count}{more}]" if count > 1 or more else f"[{state}]"
    severity = _severity(notice)
    tail = f" ({words.one_line(severity, 30)})" if severity else ""
    return words.one_line(f"{mark} {_which(notice)}{_summary(notice)}", _SUBJECT - len(tail)) + tail


def _more(notice: AlertNotice) -> str:
    return f" and {notice.truncated} more" if notice.truncated else ""


def _which(notice: AlertNotice) -> str:
    """The names of the alerts, and where they happened."""
    place = _place(notice)
    return _some([alert.name for alert in notice.firing or notice.resolved]) + (
        f" on {place}" if place else ""
    )


def _summary(notice: AlertNotice) -> str:
    """The summary, if there is only one alert and nothing says where it happened."""
    summary = notice.alerts[0].annotations.get("summary", "")
    return f": {summary}" if summary and len(notice.alerts) == 1 and not _place(notice) else ""


def _place(notice: AlertNotice) -> str:
    alerts = notice.firing or notice.resolved
    for label in _PLACES:
        places = [alert.labels[label] for alert in alerts if alert.labels.get(label)]
        if len(places) == len(alerts):
            return _some(places)
    return ""


def _some(names: Sequence[str]) -> str:
    """Up to two different names, or the first and the number of the others."""
    different = list(dict.fromkeys(names))
    if len(different) <= 2:
        return " and ".join(different)
    return f"{different[0]} and {len(different) - 1} more"


def _severity(notice: AlertNotice) -> str:
    """The worst severity that is firing, or that was."""
    severities = [alert.labels.get("severity", "") for alert in notice.firing or notice.resolved]
    return min(filter(None, severities), key=_rank, default="")


def _rank(severity: str) -> int:
    word = severity.lower()
    return _WORST_FIRST.index(word) if word in _WORST_FIRST else len(_WORST_FIRST)


def _headline(notice: AlertNotice) -> str:
    firing, resolved = len(notice.firing), len(notice.resolved)
    if firing + resolved == 1 and not notice.truncated:
        return f"{'Firing' if firing else 'Resolved'}: {_which(notice)}"
    counts = [f"{count} {word}" for count, word in ((firing, "firing"), (resolved, "resolved")) if count]
    return f"{', '.join(counts)}{_more(notice)}: {_which(notice)}"


def _common(notice: AlertNotice) -> dict[str, str]:
    """The labels that are shown once at the top; a single alert shows its own."""
    return common(notice.alerts) if len(notice.alerts) > 1 else {}


def _sections(notice: AlertNotice) -> list[Section]:
    """The firing alerts first, so that resolved ones are left out when there are too many."""
    hidden = set(_common(notice))
    firing = notice.firing[:MAX_SHOWN]
    resolved = notice.resolved[: MAX_SHOWN - len(firing)]
    sections = [
        Section("firing", f"Firing ({len(notice.firing)})", _RED, [_card(alert, hidden) for alert in firing]),
        Section(
            "resolved",
            f"Resolved ({len(notice.resolved)})",
            _GREEN,
            [_card(alert, hidden) for alert in resolved],
        ),
    ]
    return [section for section in sections if section.cards]


def _card(alert: Alert, hidden: set[str]) -> Card:
    notes = dict(alert.annotations)
    summary, description = notes.pop("summary", ""), notes.pop("description", "") or notes.pop("message", "")
    title = words.one_line(summary or alert.name, 300)
    text = "\n\n".join(part for part in (summary if "\n" in summary else "", description) if part)
    labels = [(name, value) for name, value in alert.labels.items() if name not in hidden]
    return Card(title, text, [*_times(alert), *labels, *notes.items()], alert.links)


def _times(alert: Alert) -> list[tuple[str, str]]:
    if alert.starts_at is None:
        return []
    rows = [("Since", words.moment(alert.starts_at))]
    if not alert.firing and alert.ends_at and alert.ends_at >= alert.starts_at:
        lasted = words.duration(alert.ends_at - alert.starts_at)
        rows.append(("Until", f"{words.moment(alert.ends_at)}, after {lasted}"))
    return rows
