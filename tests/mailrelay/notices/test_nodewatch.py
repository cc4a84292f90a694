"""Mails about the node itself: once when a check goes wrong, once when it is well again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from mailrelay.models import Message, NodeFinding, RelaySettings
from mailrelay.notices import nodewatch
from mailrelay.notices.nodewatch import AGAIN, Known, News, step
from quazzar.monitoring import doctor, nodechecks
from quazzar.monitoring.doctor import Finding, failed, ok, warning

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
LOOK = timedelta(minutes=5)
Look = tuple[timedelta, Finding, News]


@pytest.mark.parametrize(
    "looks",
    [
        # Broken and mended, each mailed once, whatever the numbers do meanwhile.
        [
            (LOOK, ok("9 GiB free."), ""),
            (LOOK, warning("900 MiB free."), ""),
            (LOOK, warning("800 MiB free."), "broke"),
            (LOOK, warning("1.5 GiB free."), ""),
            (AGAIN, warning("812 MiB free."), ""),
            (LOOK, ok("9 GiB free."), "mended"),
            (LOOK, ok("9 GiB free."), ""),
        ],
        # Over before the next look: nobody is told.
        [(LOOK, ok("x"), ""), (LOOK, failed("Gone."), ""), (LOOK, ok("x"), ""), (LOOK, failed("Gone."), "")],
        # Graver: told at once, and only once.
        [
            (LOOK, warning("Low."), ""),
            (LOOK, warning("Low."), "broke"),
            (LOOK, failed("Full."), "broke"),
            (LOOK, failed("Full."), ""),
            (LOOK, warning("Low."), ""),
            (LOOK, ok("x"), "mended"),
        ],
        # Another problem of the same check: a day later.
        [
            (LOOK, warning("The certificate ends."), ""),
            (LOOK, warning("The certificate ends."), "broke"),
            (LOOK, warning("A repair waits."), ""),
            (AGAIN, warning("A repair waits."), "broke"),
        ],
        # Wrong from the first look on: told at the second.
        [(LOOK, failed("Gone."), ""), (LOOK, failed("Gone."), "broke")],
    ],
)  # fmt: skip
def test_what_is_news(looks: list[Look]) -> None:
    known: Known | None = None
    now = NOW
    for number, (later, finding, news) in enumerate(looks):
        now += later
        known, event = step(known, finding, now)
        assert event == news, (number, finding)
        assert known.finding == finding


def test_it_remembers_since_when() -> None:
    first, _ = step(None, failed("Gone."), NOW)
    worse, _ = step(first, failed("Gone, too."), NOW + LOOK)
    well, _ = step(worse, ok("Here."), NOW + 2 * LOOK)
    assert (first.since, worse.since, well.since) == (NOW, NOW, NOW + 2 * LOOK)


def test_what_cannot_be_mailed_yet_is_mailed_once_it_can() -> None:
    known, _ = step(None, failed("Gone."), NOW)
    known, event = step(known, failed("Gone."), NOW + LOOK, can_mail=False)
    assert event == ""
    assert step(known, failed("Gone."), NOW + 2 * LOOK)[1] == "broke"


# --- with rows and mail ------------------------------------------------------------------------------------
@pytest.fixture
def look(relay: RelaySettings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """``look(disk=finding, …)``: subjects of all mails so far, once these checks were made five minutes later."""
    relay.alert_recipients = ["ops@example.com"]
    relay.save()
    monkeypatch.setattr(doctor, "_registered", {})
    times = iter(range(1_000))

    def look(**findings: Finding) -> list[str]:
        checks = {name: lambda finding=finding: finding for name, finding in findings.items()}
        monkeypatch.setattr(nodechecks, "CHECKS", checks)
        nodewatch.watch(NOW + next(times) * LOOK)
        subjects = Message.objects.order_by("pk").values_list("subject", flat=True)
        return [subject.split(": ", 1)[1] for subject in subjects]

    return look


def test_one_mail_tells_all_with_what_to_do(look: Callable[..., list[str]], client: Client) -> None:
    full, old = failed("1 MiB free.", "Make room."), warning("Rspamd is old.", "Update it.")
    assert look(disk=ok("Fine."), images=ok("Fine."), hosts=ok("Fine.")) == []
    assert look(disk=full, images=old, hosts=ok("Fine.")) == []
    assert look(disk=full, images=old, hosts=ok("Fine.")) == ["disk: 1 MiB free (and 1 more)"]
    (message,) = Message.objects.all()
    body = str(message.body.reveal()) if message.body else ""
    assert message.to == ["ops@example.com"]
    for words in ("disk: 1 MiB free.", "Make room.", "images: Rspamd is old.", "Update it."):
        assert words in body
    assert 'quazzar_doctor{check="disk"} 2.0' in client.get("/metrics").content.decode()
    assert look(disk=ok("Fine."), images=old, hosts=ok("Fine."))[1:] == ["disk: all is well again"]
    assert 'quazzar_doctor{check="disk"} 0.0' in client.get("/metrics").content.decode()


def test_what_has_mails_of_its_own_or_cannot_be_mailed_is_only_remembered(
    look: Callable[..., list[str]],
) -> None:
    wrong = dict.fromkeys(nodewatch.NOT_MAILED, failed("Gone."))
    for _ in range(3):
        assert look(**wrong) == []
    assert NodeFinding.objects.filter(level="failed").count() == len(wrong)


def test_without_recipients_nothing_is_mailed_or_logged_each_time(
    look: Callable[..., list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    RelaySettings.objects.update(alert_recipients=[])
    for _ in range(3):
        assert look(disk=failed("Full.")) == []
    assert not caplog.records
    RelaySettings.objects.update(alert_recipients=["ops@example.com"])
    assert look(disk=failed("Full.")) == ["disk: Full"]


def test_a_check_that_is_gone_is_forgotten(look: Callable[..., list[str]]) -> None:
    look(disk=ok("Fine."), old=failed("Gone."))
    look(disk=ok("Fine."))
    assert list(NodeFinding.objects.values_list("check_name", flat=True)) == ["disk"]
