"""Alert bodies: Alertmanager's webhook (version 4), Grafana's superset of it, and a simple one. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from mailrelay.notices.bodyreader import BodyReader
from quazzar import words as noticetext
from quazzar.errors import InvalidFields

_SIMPLE = ("rule", "severity", "state", "summary", "details")
_STATES = ("firing", "resolved")
_LINKS = {"generatorURL": "Source", "dashboardURL": "Dashboard", "panelURL": "Panel", "silenceURL": "Silence"}
_MOST_PAIRS = 40
_MOST_PROBLEMS = 10


class InvalidAlert(InvalidFields):
    """The body is no alert; ``fields`` says what is wrong."""

    message = "This is not an alert that can be read."


@dataclass(frozen=True, slots=True)
class Link:
    """A place to look at, always http or https."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a group."""

    firing: bool
    labels: dict[str, str]
    annotations: dict[str, str] = field(default_factory=dict)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    links: tuple[Link, ...] = ()

    @property
    def name(self) -> str:
        """What the alert is called."""
        return self.labels.get("alertname") or self.labels.get("rule") or "Alert"


@dataclass(frozen=True, slots=True)
class AlertNotice:
    """What becomes one mail.

    Attributes:
        key: the same for all news about the same group or rule.
        digest: the same for the same news about it.
        truncated: how many alerts of the group the sender left out.
    """

    key: str
    digest: str
    alerts: tuple[Alert, ...]
    truncated: int = 0
    links: tuple[Link, ...] = ()

    @property
    def firing(self) -> list[Alert]:
        """Those that are on."""
        return [alert for alert in self.alerts if alert.firing]

    @property
    def resolved(self) -> list[Alert]:
        """Those that are over."""
        return [alert for alert in self.alerts if not alert.firing]


def parse(body: object) -> AlertNotice:
    """Reads a body of any of the three kinds.

    Raises:
        InvalidAlert: it is none of them.
    """
    if isinstance(body, Mapping) and "alerts" in body:
        return _group(body)
    return _simple(body)


# --- the simple body ---------------------------------------------------------------------------------------
def _simple(body: object) -> AlertNotice:
    reader = BodyReader(body, _SIMPLE)
    rule = reader.line("rule", required=True)
    severity = reader.line("severity", "warning", most=64)
    state = reader.choice("state", _STATES, "firing")
    summary = reader.lines("summary")
    details = reader.text_or_object("details")
    if reader.problems:
        raise InvalidAlert(reader.problems)
    annotations = _details(details) | ({"summary": summary} if summary else {})
    alert = Alert(state == "firing", {"rule": rule, "severity": severity}, annotations)
    return AlertNotice(_hash("rule", rule), _hash(rule, severity, state, json.dumps(annotations)), (alert,))


def _details(details: str | dict[str, Any]) -> dict[str, str]:
    if isinstance(details, str):
        return {"description": details} if details else {}
    return _pairs(
        {name: value if isinstance(value, str) else _json(value) for name, value in details.items()}
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- Alertmanager's and Grafana's --------------------------------------------------------------------------
def _group(body: Mapping[str, Any]) -> AlertNotice:
    listed = body["alerts"]
    _refuse(_problems(listed))
    alerts = tuple(_alert(one) for one in listed)
    truncated = body.get("truncatedAlerts")
    left_out = truncated if isinstance(truncated, int) and truncated > 0 else 0
    group = body.get("groupKey")
    if not isinstance(group, str) or not group:
        group = json.dumps([body.get("receiver"), body.get("groupLabels") or common(alerts)], sort_keys=True)
    news = sorted(_news(one) for one in listed)
    return AlertNotice(
        key=_hash("group", group),
        digest=_hash(str(left_out), *news),
        alerts=alerts,
        truncated=left_out,
        links=_links(body, {"externalURL": "All alerts"}),
    )


def _problems(listed: object) -> list[str]:
    if not isinstance(listed, list):
        return ["This must be a list of alerts."]
    if not listed:
        return ["This must hold at least one alert."]
    return [
        f"Alert {number}: {sentence}" for number, one in enumerate(listed, 1) if (sentence := _problem(one))
    ]


def _problem(one: object) -> str:
    if not isinstance(one, Mapping):
        return "it must be an object."
    if one.get("status") not in _STATES:
        return "its status must be firing or resolved."
    if not _is_flat(one.get("labels")):
        return "its labels must be an object of texts."
    if one.get("annotations") is not None and not _is_flat(one["annotations"]):
        return "its annotations must be an object of texts."
    return ""


def _is_flat(value: object) -> bool:
    """Numbers and booleans count as texts, as some senders write them."""
    return isinstance(value, Mapping) and all(isinstance(one, str | int | float) for one in value.values())


def _refuse(sentences: list[str]) -> None:
    if sentences:
        raise InvalidAlert({"alerts": sentences[:_MOST_PROBLEMS]})


def _alert(one: Mapping[str, Any]) -> Alert:
    annotations = _pairs(one.get("annotations") or {})
    runbook = _url(annotations.get("runbook_url"))
    links = (*_links(one, _LINKS), *([Link("Runbook", runbook)] if runbook else []))
    if runbook:
        del annotations["runbook_url"]
    return Alert(
        firing=one["status"] == "firing",
        labels=_pairs(one["labels"]),
        annotations=annotations,
        starts_at=_time(one.get("startsAt")),
        ends_at=_time(one.get("endsAt")),
        links=links,
    )


def _news(one: Mapping[str, Any]) -> str:
    """What makes an alert's news new. Not the annotations: they often hold a value that keeps changing."""
    which = one.get("fingerprint") or json.dumps(one["labels"], sort_keys=True)
    return json.dumps([which, one["status"], one.get("startsAt")])


def common(alerts: tuple[Alert, ...]) -> dict[str, str]:
    """The labels that all of them have alike."""
    first, *others = alerts
    return {
        name: value
        for name, value in first.labels.items()
        if all(other.labels.get(name) == value for other in others)
    }


# --- parts -------------------------------------------------------------------------------------------------
def _pairs(given: Mapping[Any, Any]) -> dict[str, str]:
    """Names and values that can be shown."""
    shown = list(given.items())[:_MOST_PAIRS]
    return {
        noticetext.one_line(str(name), 100): noticetext.lines(_word(value), 2000) for name, value in shown
    }


def _word(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _links(body: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Link, ...]:
    found = [(shown, _url(body.get(name))) for name, shown in names.items()]
    return tuple(Link(shown, url) for shown, url in found if url)


def _url(value: object) -> str:
    """The address if a mail may link to it, or ""."""
    if not isinstance(value, str) or len(value) > 2000 or not noticetext.printable(value) or " " in value:
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in ("http", "https") and parts.hostname else ""


def _time(value: object) -> datetime | None:
    """A time that cannot be read is left out: an alert is worth more than its date."""
    try:
        time = noticetext.parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
    # Go's zero time means "not yet" in Alertmanager's endsAt.
    return time if time and time.year > 1 else None


def _hash(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
