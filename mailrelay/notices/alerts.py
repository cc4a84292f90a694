"""Alerts from any sender: Alertmanager, Grafana, or a script with a rule of its own. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from quazzar import words

_LINKS = {"generatorURL": "Source", "dashboardURL": "Dashboard", "panelURL": "Panel", "silenceURL": "Silence"}
_MOST_PAIRS = 40


@dataclass(frozen=True, slots=True)
class Link:
    """A link to show in the mail; always http or https."""

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
        """The alert's name, from its labels ``alertname`` or ``rule``."""
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
        """The alerts that are firing."""
        return [alert for alert in self.alerts if alert.firing]

    @property
    def resolved(self) -> list[Alert]:
        """The alerts that are resolved."""
        return [alert for alert in self.alerts if not alert.firing]


def rule_notice(
    rule: str,
    severity: str = "warning",
    state: str = "firing",
    summary: str = "",
    details: str | Mapping[str, Any] = "",
) -> AlertNotice:
    """Return the notice about one rule of the operator's own; ``state`` is firing or resolved."""
    annotations = _details(details) | ({"summary": summary} if summary else {})
    alert = Alert(state == "firing", {"rule": rule, "severity": severity}, annotations)
    digest = _hash(rule, severity, state, json.dumps(annotations))
    return AlertNotice(_hash("rule", rule), digest, (alert,))


def group_notice(body: Mapping[str, Any]) -> AlertNotice:
    """Return the notice about a group of alerts.

    Args:
        body: Alertmanager's webhook body (version 4, https://prometheus.io/docs/alerting/latest/configuration/), or
            Grafana's, read by AlertGroupSerializer: ``alerts`` and the status and labels of each are there, the rest is
            absent or None where the sender wrote something else.
    """
    alerts = tuple(_alert(fields) for fields in body["alerts"])
    left_out = body.get("truncatedAlerts") or 0
    group = body.get("groupKey") or json.dumps(
        [body.get("receiver"), body.get("groupLabels") or common(alerts)], sort_keys=True
    )
    return AlertNotice(
        key=_hash("group", group),
        digest=_hash(str(left_out), *sorted(_news(fields) for fields in body["alerts"])),
        alerts=alerts,
        truncated=left_out,
        links=_links(body, {"externalURL": "All alerts"}),
    )


def _details(details: str | Mapping[str, Any]) -> dict[str, str]:
    if isinstance(details, str):
        return {"description": details} if details else {}
    # Cut before the values are written out: an object can have a hundred thousand of them.
    first = islice(details.items(), _MOST_PAIRS)
    return _pairs({name: value if isinstance(value, str) else _json(value) for name, value in first})


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _alert(fields: Mapping[str, Any]) -> Alert:
    annotations = _pairs(fields.get("annotations") or {})
    runbook = _url(annotations.get("runbook_url"))
    links = (*_links(fields, _LINKS), *([Link("Runbook", runbook)] if runbook else []))
    if runbook:
        del annotations["runbook_url"]
    return Alert(
        firing=fields["status"] == "firing",
        labels=_pairs(fields["labels"]),
        annotations=annotations,
        starts_at=_time(fields.get("startsAt")),
        ends_at=_time(fields.get("endsAt")),
        links=links,
    )


def _news(fields: Mapping[str, Any]) -> str:
    """What makes an alert's news new. Not the annotations: they often hold a value that keeps changing."""
    name = fields.get("fingerprint") or json.dumps(fields["labels"], sort_keys=True)
    return json.dumps([name, fields["status"], str(fields.get("startsAt"))])


def common(alerts: tuple[Alert, ...]) -> dict[str, str]:
    """The labels that all of these alerts share, with the same value."""
    first, *others = alerts
    return {
        name: value
        for name, value in first.labels.items()
        if all(other.labels.get(name) == value for other in others)
    }


def _pairs(fields: Mapping[str, str]) -> dict[str, str]:
    """The first names and values, without what no mail can carry."""
    shown = islice(fields.items(), _MOST_PAIRS)
    return {words.one_line(name, 100): words.lines(value, 2000) for name, value in shown}


def _time(time: datetime | None) -> datetime | None:
    # Go's zero time means "not yet" in Alertmanager's endsAt.
    return time if time and time.year > 1 else None


def _links(fields: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Link, ...]:
    links = [Link(shown, _url(fields.get(name))) for name, shown in names.items()]
    return tuple(link for link in links if link.url)


def _url(text: str | None) -> str:
    """The address, or "" if a mail may not link to it."""
    if not text or len(text) > 2000 or not words.printable(text) or " " in text:
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.hostname else ""


def _hash(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
