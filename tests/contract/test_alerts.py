"""POST /api/mail/alerts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from mailrelay.mail import payload
from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from tests.contract.answers import ALERTS, MESSAGES, error, ok, wrong

Keyed = Callable[..., Any]
#: The body that Alertmanager's documentation of webhook_config describes, version 4, all fields filled.
ALERTMANAGER: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}:{alertname="DiskFull"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "quazzar",
    "groupLabels": {"alertname": "DiskFull"},
    "commonLabels": {"alertname": "DiskFull", "severity": "critical", "job": "node"},
    "commonAnnotations": {"summary": "The disk is nearly full"},
    "externalURL": "http://alertmanager.example.com:9093",
    "alerts": [
        {
            "status": "firing",
            "labels": {
                "alertname": "DiskFull",
                "severity": "critical",
                "job": "node",
                "instance": "nas:9100",
            },
            "annotations": {"summary": "The disk is nearly full", "description": "/var has 3 % left"},
            "startsAt": "2026-11-03T12:04:30.123456789Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.com:9090/graph?g0.expr=node_filesystem_avail_bytes",
            "fingerprint": "c4ffee0c4ffee000",
        }
    ],
}
#: What Grafana's documentation of its webhook adds to it.
GRAFANA: dict[str, Any] = {
    "receiver": "Mail Relay",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "High memory usage", "team": "blue", "zone": "us-1"},
            "annotations": {
                "description": "The system has high memory usage",
                "runbook_url": "https://wiki.example.com/1",
            },
            "startsAt": "2026-11-03T09:51:03.157076+02:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://play.grafana.example.com/alerting/1afz29v7z/edit",
            "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "https://play.grafana.example.com/alerting/silence/new?alertmanager=grafana",
            "dashboardURL": "",
            "panelURL": "",
            "values": {"B": 44.23943737541908, "C": 1},
            "valueString": "[ var='B' value=44.23 ]",
            "imageURL": "https://play.grafana.example.com/render.png",
        },
        {
            "status": "resolved",
            "labels": {"alertname": "High CPU usage", "team": "blue", "zone": "eu-1"},
            "annotations": {"description": "The system has high CPU usage"},
            "startsAt": "2026-11-03T09:56:03.157076+02:00",
            "endsAt": "2026-11-03T10:01:03.157076+02:00",
            "generatorURL": "https://play.grafana.example.com/alerting/d1rdpdv7k/edit",
            "fingerprint": "bc97ff14869b13e3",
            "values": None,
        },
    ],
    "groupLabels": {},
    "commonLabels": {"team": "blue"},
    "commonAnnotations": {},
    "externalURL": "https://play.grafana.example.com/",
    "version": "1",
    "groupKey": '{}:{alertname=~".*"}',
    "truncatedAlerts": 0,
    "orgId": 1,
    "appVersion": "12.2.0",
    "title": "[FIRING:1, RESOLVED:1]  (blue)",
    "state": "alerting",
    "message": "**Firing**",
}
SIMPLE: dict[str, Any] = {
    "rule": "Disk full", "severity": "critical", "state": "firing", "summary": "92 %",
    "details": {"device": "/dev/sda1"},
}  # fmt: skip


@pytest.fixture
def recipients(relay: RelaySettings) -> RelaySettings:
    """A relay with alert recipients."""
    relay.alert_recipients = ["ops@example.com", "second@example.com"]
    relay.save()
    return relay


def mail(pk: int) -> Email:
    body = Message.objects.get(pk=pk).body
    assert body is not None
    email = payload.load(body.reveal())
    assert isinstance(email, Email)
    return email


def resolved(body: dict[str, Any]) -> dict[str, Any]:
    over = copy.deepcopy(body) | {"status": "resolved"}
    for one in over["alerts"]:
        one |= {"status": "resolved", "endsAt": "2026-11-03T12:30:00Z"}
    return over


# --- queued ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (ALERTMANAGER, ["DiskFull", "/var has 3 % left", "nas:9100", "http://alertmanager.example.com:9093"]),
        (GRAFANA, ["High memory usage", "High CPU usage", "RESOLVED", "silence/new", "https://wiki.example.com/1"]),
        (SIMPLE, ["Disk full", "92 %", "/dev/sda1"]),
    ],
    ids=["alertmanager", "grafana", "simple"],
)  # fmt: skip
def test_an_alert_becomes_a_readable_mail(
    api: APIClient, recipients: RelaySettings, body: dict[str, Any], words: list[str]
) -> None:
    answer = ok(api.post(ALERTS, body), 202)
    row = Message.objects.get()
    assert answer == {"delivery": "queued", "id": row.pk}
    assert (row.source, row.to) == ("alert", ["ops@example.com", "second@example.com"])
    assert ok(api.get(f"{MESSAGES}/{row.pk}"))["subject"] == row.subject
    email = mail(row.pk)
    for word in words:
        assert word.lower() in (email.subject + email.text).lower()
    assert email.html.lstrip().startswith("<")


def test_the_shortest_alert_is_enough(api: APIClient, recipients: RelaySettings) -> None:
    assert ok(api.post(ALERTS, {"rule": "Disk full"}), 202)["delivery"] == "queued"


def test_a_resolved_alert_is_another_mail(api: APIClient, recipients: RelaySettings) -> None:
    first = ok(api.post(ALERTS, ALERTMANAGER), 202)["id"]
    over = ok(api.post(ALERTS, resolved(ALERTMANAGER)), 202)["id"]
    assert first != over
    assert mail(first).subject.startswith("[FIRING]") and mail(over).subject.startswith("[RESOLVED]")
    assert (
        ok(api.post(ALERTS, SIMPLE), 202)["id"]
        != ok(api.post(ALERTS, SIMPLE | {"state": "resolved"}), 202)["id"]
    )


@pytest.mark.parametrize("body", [ALERTMANAGER, GRAFANA, SIMPLE], ids=["alertmanager", "grafana", "simple"])
def test_the_same_news_twice_is_one_mail(api: APIClient, recipients: RelaySettings, body: Any) -> None:
    assert ok(api.post(ALERTS, body), 202) == ok(api.post(ALERTS, body), 202)
    assert Message.objects.count() == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_same_news_from_many_at_once_is_one_mail(
    api: APIClient, recipients: RelaySettings, at_once: Any
) -> None:
    answers = at_once(6, lambda: api.post(ALERTS, ALERTMANAGER))
    assert len({ok(answer, 202)["id"] for answer in answers}) == 1
    assert Message.objects.count() == 1


# --- logged ------------------------------------------------------------------------------------------------
def warnings(caplog: Any) -> list[str]:
    return [
        one.getMessage()
        for one in caplog.records
        if one.levelname == "WARNING" and "alert" in one.getMessage()
    ]


@pytest.mark.parametrize("body", [ALERTMANAGER, GRAFANA, SIMPLE], ids=["alertmanager", "grafana", "simple"])
def test_without_a_relay_it_is_logged_as_a_warning(api: APIClient, caplog: Any, body: Any) -> None:
    assert ok(api.post(ALERTS, body), 202) == {"delivery": "logged"}
    assert len(warnings(caplog)) == 1 and "no relay" in warnings(caplog)[0]
    assert not Message.objects.exists()


def test_without_a_recipient_it_is_logged_as_a_warning(
    api: APIClient, relay: RelaySettings, caplog: Any
) -> None:
    assert ok(api.post(ALERTS, SIMPLE), 202) == {"delivery": "logged"}
    assert len(warnings(caplog)) == 1 and "no recipient" in warnings(caplog)[0]


# --- refused -----------------------------------------------------------------------------------------------
ONE = ALERTMANAGER["alerts"][0]
REFUSED: list[tuple[Any, str]] = [
    ({}, "rule"), ({"summary": "x"}, "rule"), ({"rule": ""}, "rule"), ({"rule": None}, "rule"),
    ({"rule": 5}, "rule"),
    ({"rule": []}, "rule"), ({"rule": "a\r\nBcc: x"}, "rule"), ({"rule": "a\x00"}, "rule"),
    ({"rule": "x" * 201}, "rule"),
    (SIMPLE | {"severity": 5}, "severity"), (SIMPLE | {"severity": "a\nb"}, "severity"),
    (SIMPLE | {"state": "ok"}, "state"),
    (SIMPLE | {"state": 5}, "state"), (SIMPLE | {"state": ["firing"]}, "state"),
    (SIMPLE | {"state": {}}, "state"),
    (SIMPLE | {"summary": []}, "summary"), (SIMPLE | {"details": 5}, "details"),
    (SIMPLE | {"details": [1]}, "details"),
    (SIMPLE | {"nope": 1}, "nope"), (SIMPLE | {"": 1}, ""), ({"alerts": []}, "alerts"),
    ({"alerts": None}, "alerts"),
    ({"alerts": {}}, "alerts"), ({"alerts": "x"}, "alerts"), ({"alerts": [5]}, "alerts"),
    ({"alerts": [None]}, "alerts"),
    ({"alerts": [{}]}, "alerts"), ({"alerts": [ONE | {"status": "x"}]}, "alerts"),
    ({"alerts": [ONE | {"status": []}]}, "alerts"),
    ({"alerts": [ONE | {"labels": None}]}, "alerts"),
    ({"alerts": [ONE | {"labels": {"a": {"b": 1}}}]}, "alerts"),
    ({"alerts": [ONE | {"annotations": {"a": [1]}}]}, "alerts"),
    ({"alerts": [ONE | {"annotations": "x"}]}, "alerts"),
]  # fmt: skip


@pytest.mark.slow
def test_what_is_no_alert_is_refused_by_its_field(
    api: APIClient, recipients: RelaySettings, subtests: pytest.Subtests
) -> None:
    for body, field in REFUSED:
        with subtests.test(ascii((body, field))[:80]):
            assert list(wrong(api.post(ALERTS, body))) == [field]
            assert not Message.objects.exists()


STRANGE: list[Any] = [
    SIMPLE | {"details": {"n": 1e300, "deep": {"a": [1, {"b": None}]}, "": "", "x" * 500: "y" * 50_000}},
    SIMPLE | {"details": {str(number): number for number in range(500)}},
    SIMPLE | {"summary": "a\r\nBcc: x@example.com\x00\x1b[31m\u202e" * 100},
    SIMPLE | {"summary": None, "details": None, "severity": None, "state": None},
    ALERTMANAGER | {"alerts": [ONE] * 300, "truncatedAlerts": 10**18},
    ALERTMANAGER | {"groupKey": 5, "groupLabels": [1], "receiver": {}, "externalURL": ["x"], "truncatedAlerts": "x"},
    {"alerts": [ONE | {"startsAt": 5, "endsAt": "x", "fingerprint": {"a": 1}, "generatorURL": "javascript:alert(1)"}]},
    {"alerts": [{"status": "firing", "labels": {}}]},
    {"alerts": [{"status": "firing", "labels": {"alertname": "a\r\nBcc: x@example.com", "n": 1.5, "b": True}}]},
    {"alerts": [ONE | {"startsAt": "9999-12-31T23:59:59-23:59", "endsAt": "0001-01-01T00:00:00+23:59"}]},
]  # fmt: skip


@pytest.mark.slow
def test_strange_but_readable_alerts_are_mailed(
    api: APIClient, recipients: RelaySettings, subtests: pytest.Subtests
) -> None:
    for body in STRANGE:
        with subtests.test(ascii(body)[:80]):
            answer = ok(api.post(ALERTS, body), 202)
            assert answer["delivery"] == "queued"
            email = mail(answer["id"])
            assert email.subject.isprintable() and len(email.subject) <= 200
            assert "javascript:" not in email.html


@pytest.mark.parametrize("raw", [b"1e400", b"-1e400", b"9" * 4000, b"1.5e-400"])
def test_numbers_beyond_reason_are_no_500(api: APIClient, recipients: RelaySettings, raw: bytes) -> None:
    bodies = [
        b'{"rule": "x", "details": {"n": %s}}', b'{"rule": %s}',
        b'{"alerts": [{"status": "firing", "labels": {"n": %s}}], "truncatedAlerts": %s}',
    ]  # fmt: skip
    for body in bodies:
        raw_body = body.replace(b"%s", raw)
        response = api.post(
            ALERTS, raw_body, content_type="application/json", headers={"Idempotency-Key": "k"}
        )
        assert response.status_code in {202, 400, 409}, response.content


# --- once --------------------------------------------------------------------------------------------------
def test_the_same_key_and_body_is_one_answer(keyed: Keyed, recipients: RelaySettings) -> None:
    first = keyed(ALERTS, SIMPLE)
    again = keyed(ALERTS, SIMPLE)
    assert ok(first, 202) == ok(again, 202)
    assert again["Idempotent-Replayed"] == "true"
    assert Message.objects.count() == 1


def test_the_same_key_with_another_body_is_a_conflict(keyed: Keyed, recipients: RelaySettings) -> None:
    keyed(ALERTS, SIMPLE)
    error(keyed(ALERTS, SIMPLE | {"summary": "93 %"}), 409, "idempotency_conflict")
    assert Message.objects.count() == 1


def test_what_was_logged_stays_logged_under_its_key(api: APIClient, keyed: Keyed, rings: list[str]) -> None:
    assert ok(keyed(ALERTS, SIMPLE), 202) == {"delivery": "logged"}
    api.put("/api/mail/relay", {"host": "mail.example.com", "alert_recipients": ["ops@example.com"]})
    assert ok(keyed(ALERTS, SIMPLE), 202) == {"delivery": "logged"}
    assert ok(keyed(ALERTS, SIMPLE, "k2"), 202)["delivery"] == "queued"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_eight_at_once_with_one_key_are_one_mail(
    keyed: Keyed, recipients: RelaySettings, rings: list[str], at_once: Any
) -> None:
    answers = at_once(8, lambda: keyed(ALERTS, SIMPLE))
    assert len({ok(answer, 202)["id"] for answer in answers}) == 1
    assert Message.objects.count() == len(rings) == 1
