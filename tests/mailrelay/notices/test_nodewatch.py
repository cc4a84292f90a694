"""Mails about the node itself: once when a check fails, once when it passes again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from mailrelay.models import Message, RelaySettings
from mailrelay.notices import nodewatch
from mailrelay.notices.nodewatch import AGAIN
from quazzar.models import Finding as Row
from quazzar.monitoring import doctor, findings
from quazzar.monitoring.doctor import Finding, failed, ok, warning

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
LOOK = timedelta(minutes=3)
SOON = timedelta(seconds=20)
Look = tuple[timedelta, Finding, str]
pytestmark = pytest.mark.django_db


@pytest.fixture
def look(relay: RelaySettings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """``look(disk=finding, …)``: subjects of all mails so far, once these checks were made three minutes later."""
    relay.alert_recipients = ["ops@example.com"]
    relay.save()
    monkeypatch.setattr(doctor, "_registered", {})
    clock = [NOW]

    def look(later: timedelta = LOOK, **found: Finding) -> list[str]:
        clock[0] += later
        doctor._registered.clear()
        for name, finding in found.items():
            doctor.register(name, partial(Finding, finding.level, finding.sentence, finding.advice))
        findings.look(found, clock[0])
        nodewatch.watch(clock[0])
        subjects = Message.objects.order_by("pk").values_list("subject", flat=True)
        return [subject.split(": ", 1)[1] for subject in subjects]

    return look


@pytest.mark.parametrize(
    "looks",
    [
        # Broken and fixed, each mailed once, however the numbers change in between.
        [
            (LOOK, ok("9 GiB free."), ""),
            (LOOK, warning("900 MiB free."), ""),
            (LOOK, warning("800 MiB free."), "disk: 800 MiB free"),
            (LOOK, warning("1.5 GiB free."), ""),
            (AGAIN, warning("812 MiB free."), ""),
            (LOOK, ok("9 GiB free."), ""),
            (LOOK, ok("9 GiB free."), "disk: everything works again"),
            (LOOK, ok("9 GiB free."), ""),
        ],
        # Over soon: no mail.
        [(LOOK, ok("x"), ""), (LOOK, failed("Gone."), ""), (LOOK, ok("x"), ""), (LOOK, failed("Gone."), "")],
        # Passing for a moment: the problem is not over.
        [
            (LOOK, failed("Gone."), ""),
            (LOOK, failed("Gone."), "disk: Gone"),
            (SOON, ok("x"), ""),
            (SOON, failed("Gone."), ""),
            (LOOK, failed("Gone."), ""),
        ],
        # More serious: mailed at once, and only once.
        [
            (LOOK, warning("Low."), ""),
            (LOOK, warning("Low."), "disk: Low"),
            (LOOK, failed("Full."), "disk: Full"),
            (LOOK, failed("Full."), ""),
            (LOOK, warning("Low."), ""),
            (LOOK, ok("x"), ""),
            (LOOK, ok("x"), "disk: everything works again"),
        ],
        # Another problem of the same check: a day later.
        [
            (LOOK, warning("The certificate ends."), ""),
            (LOOK, warning("The certificate ends."), "disk: The certificate ends"),
            (LOOK, warning("A repair waits."), ""),
            (AGAIN, warning("A repair waits."), "disk: A repair waits"),
        ],
        # Wrong from the first check on: mailed once it lasts.
        [(LOOK, failed("Gone."), ""), (SOON, failed("Gone."), ""), (LOOK, failed("Gone."), "disk: Gone")],
    ],
)  # fmt: skip
def test_what_is_news(looks: list[Look], look: Callable[..., list[str]]) -> None:
    so_far = 0
    for number, (later, finding, subject) in enumerate(looks):
        subjects = look(later, disk=finding)
        assert subjects[so_far:] == ([subject] if subject else []), (number, finding)
        so_far = len(subjects)


def test_one_mail_tells_all_with_what_to_do(look: Callable[..., list[str]]) -> None:
    full, old = failed("1 MiB free.", "Make room."), warning("Rspamd is old.", "Update it.")
    assert look(disk=ok("Fine."), images=ok("Fine."), hosts=ok("Fine.")) == []
    assert look(disk=full, images=old, hosts=ok("Fine.")) == []
    assert look(disk=full, images=old, hosts=ok("Fine.")) == ["disk: 1 MiB free (and 1 more)"]
    (message,) = Message.objects.all()
    body = str(message.body.reveal()) if message.body else ""
    assert message.to == ["ops@example.com"]
    for words in ("disk: 1 MiB free.", "Make room.", "images: Rspamd is old.", "Update it."):
        assert words in body


def test_what_has_mails_of_its_own_or_cannot_be_mailed_is_only_remembered(
    look: Callable[..., list[str]],
) -> None:
    wrong = dict.fromkeys(nodewatch.NOT_MAILED, failed("Gone."))
    for _ in range(3):
        assert look(**wrong) == []
    assert Row.objects.filter(level="failed").count() == len(wrong)


def test_without_recipients_nothing_is_mailed_or_logged_until_there_are_some(
    look: Callable[..., list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    RelaySettings.objects.update(alert_recipients=[])
    for _ in range(3):
        assert look(disk=failed("Full.")) == []
    assert not caplog.records
    RelaySettings.objects.update(alert_recipients=["ops@example.com"])
    assert look(disk=failed("Full.")) == ["disk: Full"]


# --- what is still wrong -----------------------------------------------------------------------------------
DAY = timedelta(days=1)


def test_what_is_still_wrong_is_mailed_once_a_day_until_all_is_well(look: Callable[..., list[str]]) -> None:
    full, old = failed("1 MiB free.", "Make room."), warning("Rspamd is old.", "Update it.")
    look(disk=full, images=ok("Fine."))
    assert look(disk=full, images=old) == ["disk: 1 MiB free"]
    assert look(disk=full, images=old)[1:] == ["images: Rspamd is old"]
    assert look(DAY - 2 * LOOK, disk=full, images=old)[2:] == []
    assert look(disk=full, images=old)[2:] == ["disk: still wrong: 1 MiB free (and 1 more)"]
    for _ in range(3):
        assert len(look(disk=full, images=old)) == 3
    digest = Message.objects.order_by("pk")[2].body
    assert digest
    for words in (
        "disk is still wrong: 1 MiB free. (since 2027-03-01 12:03:00 UTC)",
        "Make room.",
        "Rspamd is old.",
    ):
        assert words in str(digest.reveal())
    look(disk=ok("Fine."), images=ok("Fine."))
    assert look(disk=ok("Fine."), images=ok("Fine."))[3:] == ["disk: everything works again (and 1 more)"]
    assert len(look(10 * DAY, disk=ok("Fine."), images=ok("Fine."))) == 4


def test_warnings_alone_are_worth_a_mail_a_week(look: Callable[..., list[str]]) -> None:
    for _ in range(2):
        look(hosts=warning("DEBUG is on."))
    assert len(look(6 * DAY, hosts=warning("DEBUG is on."))) == 1
    assert look(DAY, hosts=warning("DEBUG is on."))[1:] == ["hosts: still wrong: DEBUG is on"]


def test_the_digest_lists_what_has_mails_of_its_own_and_not_what_keeps_it_from_leaving(
    look: Callable[..., list[str]],
) -> None:
    look(dns=failed("No MX."), relay=failed("Refused."), worker=failed("Dead."))
    assert look(DAY, dns=failed("No MX."), relay=failed("Refused."), worker=failed("Dead.")) == [
        "dns: still wrong: No MX"
    ]
    assert len(look(dns=ok("Fine."))) == 1
    assert len(look(dns=ok("Fine."))) == 1
    assert Row.objects.get(check_name="dns").told_at is None


def test_the_digest_can_be_turned_off(look: Callable[..., list[str]], settings: Settings) -> None:
    settings.QUAZZAR_NODE_DIGEST_HOURS = 0
    for _ in range(2):
        look(disk=failed("Full."))
    assert len(look(30 * DAY, disk=failed("Full."))) == 1


def test_the_doctor_says_when_it_cannot_mail(relay: RelaySettings, queued: Callable[..., Message]) -> None:
    assert "no alert recipient is set" in nodewatch.examine().sentence
    RelaySettings.objects.update(alert_recipients=["ops@example.com"])
    assert nodewatch.examine() == ok("When something breaks, a mail goes to ops@example.com.")
    error = {"stage": "auth", "code": 535, "message": "No.", "at": timezone.now().isoformat()}
    Message.objects.filter(pk=queued().pk).update(status="retrying", last_error=error)
    assert nodewatch.examine().level == "warning"  # what fails is the relay
    RelaySettings.objects.all().delete()
    assert "no relay is set up" in nodewatch.examine().sentence
