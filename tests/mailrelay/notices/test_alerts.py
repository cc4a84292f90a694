"""Alertmanager's, Grafana's and the simple body are read; anything else is refused with reasons."""

from __future__ import annotations

from typing import Any

import pytest

from mailrelay.notices.alerts import rule_notice
from tests.mailrelay.notices.bodies import alert_problems as fields
from tests.mailrelay.notices.bodies import notice as parse


def alert(**changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "HighLoad", "instance": "web1", "severity": "critical"},
        "annotations": {"summary": "Load is 14"},
        "startsAt": "2026-11-03T12:04:30.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example.com/graph?g0.expr=load1",
        "fingerprint": "c0ffee",
        **changes,
    }


def group(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="HighLoad"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "quazzar",
        "groupLabels": {"alertname": "HighLoad"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com",
        "alerts": list(alerts) or [alert()],
        **changes,
    }


# --- Alertmanager ------------------------------------------------------------------------------------------
def test_alertmanagers_body_is_read() -> None:
    notice = parse(group(alert(), alert(status="resolved", endsAt="2026-11-03T12:30:00Z"), truncatedAlerts=3))
    firing, resolved = notice.alerts
    assert firing.firing and firing.name == "HighLoad" and firing.annotations == {"summary": "Load is 14"}
    assert firing.starts_at is not None and firing.starts_at.minute == 4
    assert firing.ends_at is None and resolved.ends_at is not None
    assert [link.name for link in firing.links] == ["Source"]
    assert [link.url for link in notice.links] == ["http://alertmanager.example.com"]
    assert (len(notice.firing), len(notice.resolved), notice.truncated) == (1, 1, 3)


def test_grafanas_superset_is_read() -> None:
    urls = {
        name: f"https://grafana.example.com/{name}" for name in ("silenceURL", "dashboardURL", "panelURL")
    }
    grafana = alert(
        **urls, imageURL="https://grafana.example.com/i.png", values={"B": 1.5}, valueString="[ value=1.5 ]"
    )
    notice = parse(group(grafana, orgId=1, title="[FIRING:1]", state="alerting", message="**Firing**"))
    assert [link.name for link in notice.alerts[0].links] == ["Source", "Dashboard", "Panel", "Silence"]


def test_labels_and_status_are_all_that_an_alert_needs() -> None:
    notice = parse({"alerts": [{"status": "firing", "labels": {}}]})
    assert notice.alerts[0].name == "Alert" and notice.alerts[0].starts_at is None


def test_a_runbook_becomes_a_link() -> None:
    parsed = parse(group(alert(annotations={"runbook_url": "https://wiki.example.com/load"}))).alerts[0]
    assert parsed.links[-1].url == "https://wiki.example.com/load" and parsed.annotations == {}


def test_only_web_addresses_become_links(subtests: pytest.Subtests) -> None:
    for url in [
        "javascript:alert(1)",
        "data:text/html,x",
        "//host/x",
        "http://",
        "http://a b/",
        "http://[",
        "x\n",
        7,
        None,
    ]:
        with subtests.test(url=url):
            notice = parse(group(alert(generatorURL=url), externalURL=url))
            assert notice.alerts[0].links == () and notice.links == ()


def test_a_time_that_cannot_be_read_does_not_lose_the_alert() -> None:
    assert parse(group(alert(startsAt="yesterday", endsAt=7))).alerts[0].starts_at is None


def test_numbers_and_booleans_in_labels_are_shown_as_texts() -> None:
    assert parse(group(alert(labels={"core": 3, "up": False}))).alerts[0].labels == {
        "core": "3",
        "up": "false",
    }


def test_a_group_that_is_wrong_is_refused(subtests: pytest.Subtests) -> None:
    cases: list[tuple[object, str]] = [
        ({}, "Expected a list of items"),
        (None, "may not be null"),
        ("x", "Expected a list of items"),
        ([], "may not be empty"),
        ([7], "Item 1: Invalid data."),
        ([alert(), alert(status="pending")], "Item 2, status: This must be one of firing, resolved."),
        ([{"labels": {}}], "status"),
        ([{"status": "firing"}], "labels"),
        ([alert(labels=[])], "labels"),
        ([alert(labels={"a": {}})], "labels"),
        ([alert(labels={"a": None})], "labels"),
        ([alert(annotations="x")], "annotations"),
        ([alert(status=["firing"])], "status"),
    ]
    for alerts, says in cases:
        with subtests.test(alerts=alerts, says=says):
            assert says in fields(group(alerts=alerts))["alerts"][0]


@pytest.mark.slow
def test_of_a_long_list_of_wrong_alerts_the_first_ten_are_named() -> None:
    assert len(fields(group(alerts=[7] * 500))["alerts"]) == 10


def test_text_that_no_mail_or_database_can_carry_is_cleaned() -> None:
    parsed = parse(group(alert(labels={"a\x00\r\nb": "\ud800x\x00"}))).alerts[0]
    assert parsed.labels == {"a b": "x"}


# --- the simple body ---------------------------------------------------------------------------------------
def test_the_simple_body_is_read() -> None:
    notice = parse(
        {
            "rule": "Disk full",
            "severity": "critical",
            "state": "resolved",
            "summary": "92 %",
            "details": "on /var",
        }
    )
    (parsed,) = notice.alerts
    assert not parsed.firing and parsed.name == "Disk full" and parsed.labels["severity"] == "critical"
    assert parsed.annotations == {"summary": "92 %", "description": "on /var"}


def test_a_rule_alone_is_a_firing_warning() -> None:
    (parsed,) = parse({"rule": "Disk full"}).alerts
    assert (
        parsed.firing
        and parsed.labels == {"rule": "Disk full", "severity": "warning"}
        and parsed.annotations == {}
    )


def test_details_can_be_an_object_and_do_not_replace_the_summary() -> None:
    details = {"host": "nas", "free": {"gb": 3}, "ok": False, "summary": "other"}
    (parsed,) = parse({"rule": "Disk full", "summary": "mine", "details": details}).alerts
    assert parsed.annotations == {"host": "nas", "free": '{"gb": 3}', "ok": "false", "summary": "mine"}


def test_a_simple_body_that_is_wrong_is_refused_by_field(subtests: pytest.Subtests) -> None:
    for body, field in [
        ({}, "rule"),
        ({"rule": ""}, "rule"),
        ({"rule": "  "}, "rule"),
        ({"rule": 7}, "rule"),
        ({"rule": None}, "rule"),
        ({"rule": "a\r\nBcc: x"}, "rule"),
        ({"rule": "a\x00"}, "rule"),
        ({"rule": "x" * 201}, "rule"),
        ({"rule": "r", "severity": ["high"]}, "severity"),
        ({"rule": "r", "severity": "a\nb"}, "severity"),
        ({"rule": "r", "state": "alerting"}, "state"),
        ({"rule": "r", "state": ["firing"]}, "state"),
        ({"rule": "r", "summary": {}}, "summary"),
        ({"rule": "r", "details": [1]}, "details"),
        ({"rule": "r", "details": 7}, "details"),
        ({"rule": "r", "receiver": "x"}, "receiver"),
        ([], "non_field_errors"),
        ("alert", "non_field_errors"),
        (None, "non_field_errors"),
    ]:
        with subtests.test(body=body, field=field):
            assert list(fields(body)) == [field]


def test_every_wrong_field_is_named() -> None:
    assert set(fields({"state": "x", "severity": 1, "when": 1})) == {"rule", "state", "severity", "when"}


def test_a_notice_can_be_made_without_a_body() -> None:
    assert rule_notice("Disk full", summary="92 %") == parse({"rule": "Disk full", "summary": "92 %"})


# --- what is the same news ---------------------------------------------------------------------------------
def test_the_same_post_has_the_same_key_and_digest() -> None:
    first, second = parse(group()), parse(group())
    assert (first.key, first.digest) == (second.key, second.digest)
    assert len(first.key) == len(first.digest) == 64


def test_news_about_the_same_group_keeps_the_key_and_changes_the_digest(subtests: pytest.Subtests) -> None:
    for news in [
        group(alert(status="resolved")),
        group(alert(fingerprint="beef")),
        group(alert(), alert(fingerprint="beef")),
        group(alert(startsAt="2026-11-03T13:00:00Z")),
        group(truncatedAlerts=1),
    ]:
        with subtests.test(news=news):
            assert parse(news).key == parse(group()).key
            assert parse(news).digest != parse(group()).digest


def test_values_in_annotations_and_the_order_of_alerts_are_no_news() -> None:
    two = alert(fingerprint="beef")
    changed = alert(annotations={"summary": "Load is 15"}, endsAt="2026-11-03T12:10:00Z")
    assert parse(group(alert(), two)).digest == parse(group(two, changed)).digest


def test_another_group_has_another_key() -> None:
    assert parse(group(groupKey="other")).key != parse(group()).key
    assert parse({"rule": "a"}).key != parse({"rule": "b"}).key


def test_without_a_group_key_receiver_and_group_labels_tell_groups_apart() -> None:
    bare = group()
    del bare["groupKey"]
    assert parse(bare).key == parse({**bare, "alerts": [alert(status="resolved")]}).key
    assert parse(bare).key != parse({**bare, "groupLabels": {"alertname": "Other"}}).key


def test_a_simple_alerts_words_are_news() -> None:
    base = {"rule": "r", "summary": "92 %"}
    assert parse(base).digest == parse(dict(base)).digest
    for change in ({"summary": "93 %"}, {"state": "resolved"}, {"severity": "info"}, {"details": "x"}):
        assert parse(base | change).key == parse(base).key
        assert parse(base | change).digest != parse(base).digest
