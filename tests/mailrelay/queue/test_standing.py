"""Whether mail is sent: judged by the last test or delivery, never by the settings alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mailrelay import monitoring
from mailrelay.models import Message, RelaySettings, envelope
from mailrelay.queue import counts, outbox, standing
from mailrelay.queue.standing import Failure, Standing, State, judge
from mailrelay.relay import settings

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def ago(minutes: int) -> datetime:
    return NOON - timedelta(minutes=minutes)


def failure(created: int, at: int, stage: str = "auth", *tried: int) -> Failure:
    return Failure(ago(created), ago(at), stage, "no", tried=tuple(map(ago, tried)))


#: Delivered, failures, settings changed (minutes ago) → state, its time.
CASES: list[tuple[list[int], list[Failure], int | None, tuple[str, int | None]]] = [
    ([], [], None, ("untested", None)),
    ([5], [], None, ("works", 5)),
    ([9, 2, 5], [], 10, ("works", 2)),
    # What is older than the settings says nothing about them.
    ([5], [failure(7, 6)], 1, ("untested", None)),
    ([5], [failure(7, 0)], 1, ("failing", 0)),
    # The newest evidence counts.
    ([5], [failure(9, 8)], None, ("works", 5)),
    ([5], [failure(3, 3)], None, ("failing", 3)),
    ([5], [failure(3, 1), failure(4, 2, "connect")], None, ("failing", 4)),
    # Queued before the last delivery, and failed since.
    ([5], [failure(9, 1)], None, ("failing", 1)),
    # Tried again and again, it fails since its first attempt after that delivery.
    ([5], [failure(9, 1, "auth", 8, 4, 1)], None, ("failing", 4)),
    ([], [failure(90, 1), failure(4, 4)], None, ("failing", 90)),
    # What is queued later does not move the beginning.
    ([5], [failure(9, 0, "auth", 8, 4, 0), failure(2, 1)], None, ("failing", 4)),
]


def test_the_newest_evidence_counts(subtests: pytest.Subtests) -> None:
    for delivered, failures, since, (state, minutes) in CASES:
        with subtests.test(delivered=delivered, failures=failures, since=since):
            found = judge(map(ago, delivered), failures, None if since is None else ago(since))
            assert (found.state, found.at) == (state, None if minutes is None else ago(minutes))
    assert judge([], [failure(3, 1), failure(4, 2, "connect")], None).stage == "auth"


# --- from rows ---------------------------------------------------------------------------------------------
@pytest.fixture
def saved(rings: list[str], db: None) -> RelaySettings:
    return settings.update({"host": "relay.example", "port": 2525, "security": "none"}, partial=False)


def add(status: str, stage: str = "", source: str = "api", **fields: Any) -> Message:
    error = {"stage": stage, "code": 535, "message": "Bad <credentials>", "at": timezone.now().isoformat()}
    return Message.objects.create(
        status=status,
        source=source,
        message_id="<1@x>",
        **envelope(["a@example.com"]),
        last_error=error if stage else None,
        sent_at=timezone.now() if status == "sent" else None,
        **fields,
    )


def test_a_red_test_and_a_refused_sign_in_are_seen_and_a_delivery_ends_both(saved: RelaySettings) -> None:
    assert standing.read() == Standing(State.UNTESTED)
    for stage, source, status in (
        ("data", "test", "failed"),
        ("auth", "api", "retrying"),
        ("tls", "alert", "failed"),
    ):
        add(status, stage, source)
        found = standing.read()
        assert (found.state, found.stage, found.error) == ("failing", stage, "Bad <credentials>")
        add("sent")
        assert standing.read().state == "works"


def test_mail_that_fails_by_itself_says_nothing_about_the_relay(saved: RelaySettings) -> None:
    for stage in ("sender", "recipient", "data"):
        add("failed", stage)
        add("retrying", stage)
    assert standing.read().state == "untested"


def test_a_test_mail_to_an_address_that_does_not_exist_says_nothing_about_the_relay(
    saved: RelaySettings, subtests: pytest.Subtests
) -> None:
    for reply, state in (
        ("The server refused the recipient: 550 5.1.1 <x@y.org>: User unknown", "untested"),
        ("The server refused the recipient for now: 452 4.2.2 Mailbox full", "untested"),
        ("The server refused the recipient: 550 5.7.1 Relaying denied", "failing"),
        ("The server refused the recipient: 554 5.7.1 Client host [203.5.2.10] blocked", "failing"),
        ("The server refused the recipient: 554 Address is not verified", "failing"),
    ):
        with subtests.test(reply=reply):
            message = add("failed", "recipient", "test")
            Message.objects.filter(pk=message.pk).update(
                last_error={"stage": "recipient", "code": 550, "message": reply}
            )
            assert standing.read().state == state
            message.delete()


def test_other_settings_must_be_tested_anew_and_other_recipients_need_not(saved: RelaySettings) -> None:
    add("sent")
    settings.update({"alert_recipients": ["ops@example.com"]}, partial=True)
    assert standing.read().state == "works"
    for change in ({"port": 2526}, {"username": "other"}, {"from_address": "other@example.org"}):
        settings.update(change, partial=True)
        assert standing.read().state == "untested"
        add("sent")
        assert standing.read().state == "works"


def test_another_name_or_recipient_does_not_move_the_beginning_of_a_failure(saved: RelaySettings) -> None:
    add("retrying", "auth")
    before = standing.read()
    settings.update({"from_name": "Node", "alert_recipients": ["ops@example.com"]}, partial=True)
    assert standing.read() == before
    add("retrying", "auth")
    assert standing.read().at == before.at
    settings.update({"port": 2526}, partial=True)
    assert standing.read().state == "untested"


def test_a_delivery_that_fails_has_its_time(queued: Callable[..., Message]) -> None:
    queued()
    (message,) = outbox.claim("worker", 1)
    outbox.record_failure("worker", message, {"stage": "auth", "code": 535, "message": "No"}, permanent=False)
    row = Message.objects.get()
    assert row.last_error is not None
    assert datetime.fromisoformat(row.last_error["at"]) <= timezone.now()
    assert standing.read().state == "failing"


@pytest.mark.slow
def test_console_doctor_and_metrics_tell_the_same(
    saved: RelaySettings, operator: User, client: Client
) -> None:
    client.force_login(operator)

    def page() -> str:
        return client.get("/admin/mail-relay/").content.decode()

    def metric() -> float:
        return (
            next(m for m in monitoring.collect() if m.name == "quazzar_relay_failing_seconds")
            .samples[0]
            .value
        )

    assert "Not tested yet." in page()
    assert (monitoring.examine().level, metric()) == ("warning", 0)
    RelaySettings.objects.update(updated_at=timezone.now() - timedelta(minutes=6))
    add("failed", "auth", "test", created_at=timezone.now() - timedelta(minutes=5))
    for _ in range(2):  # a reload forgets nothing
        assert "Mail has been failing at sign-in since" in page()
        assert "Bad &lt;credentials&gt;" in page()
    assert "Mail works" not in page()
    assert (
        "Mail has been failing at sign-in since" in client.get("/admin/mail-relay/figures/").content.decode()
    )
    finding = monitoring.examine()
    assert finding.level == "failed"
    assert "sign-in fails" in finding.sentence
    assert "Bad <credentials>" in finding.sentence
    assert metric() >= 300
    add("sent")
    assert "Mail works. Last delivery" in page()
    assert (monitoring.examine().level, metric()) == ("ok", 0)


def test_failed_today_and_the_queues_failed_agree_on_tests(
    saved: RelaySettings, operator: User, client: Client
) -> None:
    add("failed", "auth", "test")
    counts.add({"failed": 1})
    client.force_login(operator)
    figures = client.get("/admin/mail-relay/figures/").content.decode()
    assert '<span class="q-figure-number">1</span>\n        <span class="q-muted">1 in all</span>' in figures
    assert 'x-count-failed">1</b>' in client.get("/admin/mailrelay/message/").content.decode()


def test_the_state_takes_the_same_few_queries_however_much_there_is(
    saved: RelaySettings, django_assert_max_num_queries: Any
) -> None:
    for _ in range(60):
        add("sent")
        add("failed", "auth", "test")
    with django_assert_max_num_queries(5):
        standing.read()


# --- recipients --------------------------------------------------------------------------------------------
RECIPIENTS = [
    ("sent", "pending", "Sent"),
    ("sent", "sent", "Sent"),
    ("sent", "failed", "Refused"),
    ("failed", "pending", "Failed"),
    ("failed", "sent", "Sent"),
    ("failed", "failed", "Refused"),
    ("queued", "pending", "Waiting"),
    ("sending", "pending", "Waiting"),
    ("retrying", "pending", "Waiting"),
    ("retrying", "sent", "Sent"),
]


@pytest.mark.slow
def test_a_recipients_state_is_the_same_in_the_console_and_the_api(
    saved: RelaySettings, operator: User, api: Client, subtests: pytest.Subtests
) -> None:
    browser = Client()
    browser.force_login(operator)
    words = {"Sent": "sent", "Refused": "failed", "Failed": "failed", "Waiting": "pending"}
    for status, recipient, shown in RECIPIENTS:
        with subtests.test(status=status, recipient=recipient):
            message = add(status)
            one = {"address": "a@example.com", "status": recipient}
            message.recipients = [one | ({"code": 550, "message": "no"} if recipient == "failed" else {})]
            message.save()
            html = browser.get(f"/admin/mailrelay/message/{message.pk}/change/").content.decode()
            row = html.partition('<span class="m-address">a@<wbr>example.com</span>')[2].partition("</li>")[0]
            assert shown in row
            answer = api.get(f"/api/mail/messages/{message.pk}").json()
            assert answer["recipients"][0]["status"] == words[shown]
