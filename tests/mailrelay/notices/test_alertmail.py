"""One readable mail per group of alerts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from mailrelay.mail import emails
from mailrelay.mail.emails import Email
from mailrelay.notices import alertmail
from tests.mailrelay.notices.bodies import notice as parse
from tests.mailrelay.notices.test_alerts import alert, group


def labelled(status: str = "firing", **labels: str) -> dict[str, Any]:
    return alert(
        status=status, labels={"alertname": "HighLoad", "severity": "warning", **labels}, annotations={}
    )


def mail(body: object) -> Email:
    email = alertmail.render(parse(body), ["ops@example.com"])
    emails.check(email)
    return email


def subject(*alerts: dict[str, Any]) -> str:
    return mail(group(*alerts)).subject


# --- subject -----------------------------------------------------------------------------------------------
def test_the_subject_says_state_what_where_and_how_bad(subtests: pytest.Subtests) -> None:
    for alerts, expected in [
        ([labelled(instance="web1")], "[FIRING] HighLoad on web1 (warning)"),
        (
            [labelled(instance="web1"), labelled(instance="web2")],
            "[FIRING:2] HighLoad on web1 and web2 (warning)",
        ),
        (
            [labelled(instance=f"web{n}") for n in range(5)],
            "[FIRING:5] HighLoad on web0 and 4 more (warning)",
        ),
        (
            [labelled(instance="a", severity="info"), labelled(instance="a", severity="critical")],
            "[FIRING:2] HighLoad on a (critical)",
        ),
        (
            [labelled(instance="a"), labelled("resolved", instance="b", severity="critical")],
            "[FIRING] HighLoad on a (warning)",
        ),
        (
            [labelled("resolved", instance="a"), labelled("resolved", instance="b")],
            "[RESOLVED:2] HighLoad on a and b (warning)",
        ),
        (
            [labelled(instance="a"), labelled(alertname="DiskFull", instance="a")],
            "[FIRING:2] HighLoad and DiskFull on a (warning)",
        ),
        ([labelled(instance="a"), labelled()], "[FIRING:2] HighLoad (warning)"),
        ([alert(labels={"alertname": "Up"})], "[FIRING] Up: Load is 14"),
        ([alert(labels={}, annotations={})], "[FIRING] Alert"),
    ]:
        with subtests.test(alerts=alerts, expected=expected):
            assert subject(*alerts) == expected


def test_a_simple_alerts_subject_carries_its_summary() -> None:
    body = {"rule": "Disk full", "severity": "critical", "summary": "/var has\n92 % used"}
    assert mail(body).subject == "[FIRING] Disk full: /var has 92 % used (critical)"


def test_a_subject_is_one_line_of_at_most_150_characters_that_keeps_the_severity() -> None:
    text = subject(labelled(alertname="a\r\nBcc: x\x00" + "y" * 400))
    assert len(text) == 150 and text.endswith("… (warning)")
    assert text.isprintable()


# --- bodies ------------------------------------------------------------------------------------------------
def test_labels_in_common_come_once_and_before_the_alerts() -> None:
    text = mail(group(labelled(job="node", instance="web1"), labelled(job="node", instance="web2"))).text
    assert text.count("job: node") == 1
    parts = [text.index(part) for part in ("job: node", "FIRING (2)", "instance: web1", "instance: web2")]
    assert parts == sorted(parts)


def test_firing_alerts_come_before_resolved_ones() -> None:
    text = mail(group(labelled("resolved", instance="web1"), labelled(instance="web2"))).text
    assert text.startswith("1 firing, 1 resolved: HighLoad on web2\n")
    assert text.index("FIRING (1)") < text.index("instance: web2") < text.index("RESOLVED (1)")


@pytest.mark.parametrize("part", ["text", "html"])
def test_an_alert_shows_what_how_long_and_where_to_look(part: str) -> None:
    notes = {
        "summary": "Load is 14",
        "description": "for 10 minutes",
        "runbook_url": "https://wiki.example.com/x",
    }
    over = alert(
        status="resolved",
        annotations=notes,
        endsAt="2026-11-03T12:24:30Z",
        silenceURL="https://g.example.com/s",
    )
    shown = getattr(mail(group(over)), part)
    for expected in (
        "Load is 14",
        "for 10 minutes",
        "2026-11-03 12:04:30 UTC",
        "after 19 min 59 s",
        "web1",
        "http://prometheus.example.com/graph?g0.expr=load1",
        "https://wiki.example.com/x",
        "https://g.example.com/s",
        "http://alertmanager.example.com",
    ):
        assert expected in shown


def test_markup_in_an_alert_is_text_in_the_mail() -> None:
    evil = '<img src="https://evil.example/x.png"><script>'
    html = mail(group(alert(labels={evil: evil, "alertname": evil}, annotations={"summary": evil}))).html
    assert "<img" not in html and "<script" not in html and "&lt;script&gt;" in html


def test_the_html_loads_nothing_from_elsewhere() -> None:
    html = mail(group()).html
    assert not any(word in html for word in ("<img", "<link", "src=", "url(", "@import"))


def test_plain_text_is_not_escaped() -> None:
    assert 'a < b & "c"' in mail({"rule": "r", "summary": 'a < b & "c"'}).text


def test_a_hundred_alerts_are_shown_and_the_rest_counted() -> None:
    email = mail(
        group(
            *[labelled("resolved", instance=f"old{n}") for n in range(30)],
            *[labelled(instance=f"web{n}") for n in range(90)],
            truncatedAlerts=5,
        )
    )
    assert email.text.count("Since:") == alertmail.MAX_SHOWN
    assert "web89" in email.text and "old9\n" in email.text and "old10" not in email.text
    assert "... and 25 more alerts of this group." in email.text
    assert "… and 25 more alerts of this group." in email.html


@pytest.mark.thorough
def test_a_group_of_huge_texts_still_fits_into_a_mail() -> None:
    huge = {f"label{n}": "x" * 100_000 for n in range(12)}
    email = mail(group(*[alert(labels=huge | {"n": str(n)}, annotations=huge) for n in range(30)]))
    assert len(email.text) + len(email.html) < emails.MAX_BYTES


# --- headers -----------------------------------------------------------------------------------------------
def test_mail_says_that_a_machine_wrote_it() -> None:
    assert mail(group()).headers["Auto-Submitted"] == "auto-generated"


def test_only_a_critical_alert_that_fires_is_urgent(subtests: pytest.Subtests) -> None:
    for state, severity, urgent in [
        ("firing", "critical", True),
        ("firing", "Page", True),
        ("resolved", "critical", False),
        ("firing", "warning", False),
    ]:
        with subtests.test(state=state, severity=severity, urgent=urgent):
            headers = mail({"rule": "r", "state": state, "severity": severity}).headers
            assert ("X-Priority" in headers) is urgent


# --- anything at all ---------------------------------------------------------------------------------------
WORDS = st.text(max_size=20)
FLAT = st.dictionaries(
    WORDS | st.sampled_from(["alertname", "severity", "instance", "summary"]),
    WORDS | st.integers(),
    max_size=4,
)
ANY_ALERT = st.fixed_dictionaries(
    {"status": st.sampled_from(["firing", "resolved"]), "labels": FLAT},
    optional={"annotations": FLAT, "startsAt": WORDS, "endsAt": st.none(), "generatorURL": WORDS},
)
ANY_BODY = st.fixed_dictionaries(
    {"alerts": st.lists(ANY_ALERT, min_size=1, max_size=3)}
) | st.fixed_dictionaries(
    {"rule": WORDS}, optional={"severity": WORDS, "summary": WORDS, "details": FLAT | WORDS}
)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(ANY_BODY)
def test_whatever_is_not_refused_becomes_a_mail_that_can_be_sent(body: object) -> None:
    try:
        notice = parse(body)
    except ValidationError:
        return
    email = alertmail.render(notice, ["ops@example.com"])
    emails.check(email)
    assert email.text and email.html and len(email.subject) <= 150


@pytest.mark.parametrize(
    ("alerts", "subject", "headline"),
    [
        (3, "[FIRING:3 and 2 more] ", "3 firing and 2 more: "),
        (1, "[FIRING:1 and 2 more] ", "1 firing and 2 more: "),
    ],
)
def test_alerts_that_the_sender_left_out_count_in_subject_and_headline(
    alerts: int, subject: str, headline: str
) -> None:
    body = group(*[alert(labels={"alertname": f"A{number}"}) for number in range(alerts)], truncatedAlerts=2)
    notice = parse(body)
    email = alertmail.render(notice, ["ops@example.com"])
    assert email.subject.startswith(subject)
    assert email.text.startswith(headline)
    assert headline in email.html


def test_colour_codes_in_alerts_go_as_a_whole() -> None:
    red = "\x1b[1;31mNo space\x1b[0m left"
    notice = parse(group(alert(labels={"alertname": red}, annotations={"summary": red, "description": red})))
    email = alertmail.render(notice, ["ops@example.com"])
    assert "No space left" in email.subject
    assert "[1;31m" not in email.subject + email.text + email.html
