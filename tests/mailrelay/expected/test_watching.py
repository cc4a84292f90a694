"""From a report that arrives to the mail that says that one did not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from mailrelay import notifiers
from mailrelay.expected import arrivals, changes, watching
from mailrelay.expected.signatures import of_backup, of_heartbeat, of_mail, of_message
from mailrelay.models import ExpectedReport, ExpectedSweep, Message
from mailrelay.notices.backups import BackupReport
from mailrelay.queue import byhand, retention
from quazzar.errors import InvalidFields
from quazzar.models import AuditEntry
from tests.mailrelay.expected.histories import BERLIN, at, noise, on_days

pytestmark = pytest.mark.django_db
NIGHTS = on_days(14, 2, 4, start=date(2026, 11, 1))
NEXT = at(date(2026, 11, 15), 2, 4)
MINUTE = timedelta(minutes=1)
SUBJECT = "The password of the vault is 4711"
CRON = "Cron <root@nas> /usr/local/bin/backup --keep 7"
Source = Message.Source


def come(times: Iterable[datetime], job: str = "nightly", *, succeeded: bool = True) -> ExpectedReport:
    """Backup reports at these times, each seen by the sweep a moment later."""
    for time in times:
        arrivals.record(of_backup(job), succeeded=succeeded, now=time)
        watching.sweep(time)
    return row(job)


def row(name: str = "nightly") -> ExpectedReport:
    return ExpectedReport.objects.get(name=name)


def learned(times: Iterable[datetime] = NIGHTS) -> ExpectedReport:
    come(times)
    watching.sweep(NIGHTS[-1] + timedelta(hours=2))
    return row()


def watched() -> ExpectedReport:
    return changes.watch(learned().pk, NIGHTS[-1] + timedelta(hours=9))


def keep_up(until: datetime) -> list[tuple[str, Any]]:
    """The node stays up until then; what the next sweep mails."""
    ExpectedSweep.objects.update(at=until - MINUTE)
    return watching.sweep(until)


def subjects() -> list[str]:
    return list(Message.objects.order_by("id").values_list("subject", flat=True))


def test_what_comes_each_night_is_proposed_with_its_time() -> None:
    found = learned()
    assert (found.state, found.schedule, found.tolerance) == (
        "proposed",
        {"kind": "daily", "at": "02:04"},
        20,
    )
    assert len(found.arrivals) == 14 and found.confidence == 1


@pytest.mark.slow
def test_what_has_no_period_is_not_proposed() -> None:
    come(noise(40, 700), "fail2ban")
    keep_up(noise(40, 700)[-1] + timedelta(hours=2))
    assert row("fail2ban").state == "learning"


@pytest.mark.slow
def test_a_watched_report_that_does_not_come_is_mailed_once_and_once_when_it_is_back(people: object) -> None:
    assert watched().state == "on_time"
    assert keep_up(NEXT + 19 * MINUTE) == []
    assert keep_up(NEXT + 25 * MINUTE) == [("nightly", "late")]
    assert keep_up(NEXT + timedelta(hours=3)) == []
    assert (row().state, row().since) == ("late", NEXT + 20 * MINUTE)
    come([NEXT + timedelta(hours=3, minutes=1)])
    assert row().state == "on_time"
    assert subjects() == ["[Report] nightly is late", "[Report] nightly is back"]
    assert Message.objects.first().recipients[0]["address"] == "ops@example.com"  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_failed_backup_is_mailed_once_and_once_when_it_succeeds_again(people: object) -> None:
    watched()
    keep_up(NEXT)
    for night in range(3):
        come([NEXT + timedelta(days=night)], succeeded=night == 2)
        keep_up(NEXT + timedelta(days=night, hours=23, minutes=58))
    assert subjects() == ["[Report] nightly failed", "[Report] nightly is back"]


def test_nobody_to_mail_is_no_reason_to_forget_it() -> None:
    watched()
    assert keep_up(NEXT + 25 * MINUTE) == []
    assert row().state == "late" and not Message.objects.exists()


def test_a_sweep_that_lost_the_race_mails_nothing(people: object) -> None:
    watched()
    keep_up(NEXT)
    stale, late = row(), NEXT + 25 * MINUTE
    zone = BERLIN
    assert watching._look(stale, late, zone, off_since=None, can_mail=True) == "late"
    assert watching._look(stale, late, zone, off_since=None, can_mail=True) == ""
    assert subjects() == ["[Report] nightly is late"]


def test_a_node_that_was_off_at_night_does_not_cry_in_the_morning(people: object) -> None:
    watched()
    start = NEXT + timedelta(hours=6)
    assert watching.sweep(start) == []
    come([start + 10 * MINUTE])
    assert keep_up(start + timedelta(hours=2)) == [] and row().state == "on_time"


def test_what_is_not_watched_is_not_mailed(people: object) -> None:
    found = watched()
    changes.pause(found.pk)
    assert keep_up(NEXT + timedelta(hours=3)) == []
    assert row().state == "paused"
    changes.watch(found.pk, NEXT + timedelta(hours=3))
    assert row().state == "on_time" and row().due_at == NEXT + timedelta(days=1)
    changes.ignore(found.pk)
    assert keep_up(NEXT + timedelta(hours=5)) == []
    assert subjects() == []


def test_a_report_declared_by_hand_takes_the_first_that_fits(people: object) -> None:
    start = at(date(2026, 11, 1), 12, 0)
    made = changes.declare({"name": "photos", "schedule": {"kind": "every", "minutes": 60}}, start)
    assert (made.state, made.tolerance, made.due_at) == ("waiting", 6, start + 60 * MINUTE)
    arrivals.record(of_mail("root", "Cron <root@nas> /usr/bin/other"), now=start)
    arrivals.record(of_mail("root", "Cron <root@nas> /usr/bin/Photos --all"), now=start + MINUTE)
    watching.sweep(start + MINUTE)
    made.refresh_from_db()
    assert (made.state, made.kind, made.source) == ("on_time", "sendmail", "root@nas")
    assert ExpectedReport.objects.count() == 2
    assert keep_up(start + 70 * MINUTE) == [("photos", "late")]


def test_one_declared_that_is_known_already_is_the_same_report() -> None:
    found = learned()
    made = changes.declare({"name": "Nightly", "schedule": {"kind": "daily", "at": "03:00"}}, NIGHTS[-1])
    assert made.pk == found.pk and made.state == "on_time"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "", "schedule": {"kind": "daily", "at": "03:00"}}, "name"),
        ({"name": "x\ny", "schedule": {"kind": "daily", "at": "03:00"}}, "name"),
        ({"name": "x", "schedule": {"kind": "daily", "at": "24:00"}}, "schedule"),
        ({"name": "x", "schedule": {"kind": "hourly"}}, "schedule"),
        ({"name": "x", "schedule": {"kind": "every", "minutes": 0}}, "schedule"),
        ({"name": "x", "schedule": {"kind": "weekly", "days": [], "at": "03:00"}}, "schedule"),
        ({"name": "x", "schedule": {"kind": "monthly", "day": 32, "at": "03:00"}}, "schedule"),
        ({"name": "x"}, "schedule"),
        ({"name": "x", "schedule": {"kind": "daily", "at": "03:00"}, "tolerance": 0}, "tolerance"),
    ],
)
def test_what_cannot_be_declared_is_refused_with_its_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        changes.declare(values)
    assert field in refused.value.fields
    assert not ExpectedReport.objects.exists()


def test_another_schedule_counts_at_once_and_is_in_the_audit_log(people: object) -> None:
    found = watched()
    late = NEXT + 25 * MINUTE
    keep_up(late)
    changed = changes.change(found.pk, {"schedule": {"kind": "daily", "at": "06:00"}, "tolerance": 60}, late)
    assert (changed.state, changed.late_at) == ("on_time", at(date(2026, 11, 15), 7, 0))
    assert AuditEntry.objects.get(action="expected_report.changed").fields == ["schedule", "tolerance"]


def test_what_is_recorded_goes_with_the_mail_that_is_accepted(people: object) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        notifiers.notify_backup(BackupReport("nightly", True))
        raise RuntimeError
    assert not ExpectedReport.objects.exists()
    notifiers.notify_backup(BackupReport("nightly", False, message="the secret is 42"))
    notifiers.notify_alert(notifiers.rule_notice("Watchdog"))
    notifiers.notify_alert(notifiers.rule_notice("DiskFull"))
    kept = ExpectedReport.objects.order_by("id").values()
    assert [(one["kind"], one["title"]) for one in kept] == [("backup", "nightly"), ("heartbeat", "Watchdog")]
    assert "secret" not in json.dumps(list(kept), default=str)


def test_a_thousand_mails_of_a_kind_are_one_write(
    django_assert_num_queries: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        arrivals.record(of_backup("nightly"))
    with django_assert_num_queries(0):
        for _ in range(1000):
            arrivals.record(of_backup("nightly"))
    with django_assert_num_queries(2):  # a failure is always news
        arrivals.record(of_backup("nightly"), succeeded=False)


@pytest.mark.slow
def test_a_newsletter_does_not_fill_the_table() -> None:
    for person in range(100):
        arrivals.record(of_mail("shop", f"Hello {chr(65 + person // 26)}{chr(65 + person % 26)}"))
    assert ExpectedReport.objects.count() == 30
    heartbeat = of_heartbeat("Watchdog")
    assert heartbeat is not None
    arrivals.record(heartbeat)
    assert ExpectedReport.objects.count() == 31


def test_what_was_learned_from_a_message_goes_with_it(subtests: pytest.Subtests) -> None:
    cases = {
        "by sendmail": (Source.SENDMAIL, of_mail("root", SUBJECT), SUBJECT),
        "by cron": (Source.SENDMAIL, of_mail("root", CRON), CRON),
        "by API": (Source.API, of_message("shop", SUBJECT), SUBJECT),
    }
    for case, (source, signature, subject) in cases.items():
        with subtests.test(case):
            mails = [
                Message.objects.create(source=source, subject=subject, created_at=time) for time in NIGHTS[:3]
            ]
            other = Message.objects.create(source=source, subject="Another", created_at=NIGHTS[0])
            for mail in mails:
                arrivals.record(signature, now=mail.created_at + timedelta(seconds=1))
            byhand.delete([other])
            assert len(ExpectedReport.objects.get(key=signature.key).arrivals) == 3
            byhand.delete(mails[:1])
            assert len(ExpectedReport.objects.get(key=signature.key).arrivals) == 2
            byhand.delete(mails[1:])
            assert not ExpectedReport.objects.filter(key=signature.key).exists()


def test_what_an_operator_has_seen_of_reports_stays_when_messages_go_or_are_purged() -> None:
    mails = [Message.objects.create(source=Source.SENDMAIL, subject=CRON, created_at=time) for time in NIGHTS]
    for mail in mails:
        arrivals.record(of_mail("root", CRON), now=mail.created_at)
    watching.sweep(NIGHTS[-1] + timedelta(hours=2))
    proposed = ExpectedReport.objects.get()
    assert proposed.state == "proposed"
    byhand.delete(mails)
    assert ExpectedReport.objects.get().arrivals == proposed.arrivals
    Message.objects.create(source=Source.SENDMAIL, subject=SUBJECT, status="sent", created_at=NIGHTS[0])
    arrivals.record(of_mail("root", SUBJECT), now=NIGHTS[0])
    retention.remove(Message.objects.all())
    assert ExpectedReport.objects.count() == 2


@pytest.mark.slow
def test_arrivals_are_bounded_and_what_stopped_is_forgotten_unless_it_is_watched() -> None:
    times = on_days(80, 2, 4, start=date(2026, 8, 1))
    assert len(come(times).arrivals) == 60
    come(times[-1:], "once")
    come(times[-14:], "kept")
    watching.sweep(times[-1] + timedelta(hours=1))
    changes.watch(row("kept").pk, times[-1])
    assert watching.purge(times[-1] + timedelta(days=50)) == 1
    assert watching.purge(times[-1] + timedelta(days=101)) == 1
    assert list(ExpectedReport.objects.values_list("name", flat=True)) == ["kept"]


def test_what_came_in_the_future_is_dropped_when_the_clock_is_right_again() -> None:
    come([datetime(2030, 1, 1, tzinfo=UTC), NIGHTS[0]])
    assert row().arrivals == [[round(NIGHTS[0].timestamp()), True]] and row().last_at == NIGHTS[0]
