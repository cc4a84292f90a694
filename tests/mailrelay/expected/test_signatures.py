"""What counts as the same report."""

from __future__ import annotations

import pytest

from mailrelay.expected.signatures import constant, of_backup, of_heartbeat, of_mail, of_message

SUBJECTS = {
    "Backup report for Sunday, 29 Nov 2026": "Backup report for #",
    "Backup of db2 finished: 12.3 GiB in 4 min": "Backup of db2 finished: # GiB in # min",
    "zpool tank: scrub finished 2026-11-29T02:04:11Z 0 errors": "zpool tank: scrub finished # errors",
    "Job 4711 done (id=3f2a9c1d77)": "Job # done (id=#)",
    "report 29.11.2026 02:04 - 98%": "report # - #",
    "Nov 29 02:04 report": "# report",
    "fail2ban: banned 10.0.0.1": "fail2ban: banned #",
    # Names, not numbers; and words that only look like a date.
    "DegradedArray event on /dev/md0:nas": "DegradedArray event on /dev/md0:nas",
    "Monday report": "Monday report",
    "May I help": "May I help",
    "": "(no subject)",
}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_keeps_its_words_and_loses_its_numbers(subject: str) -> None:
    assert constant(subject) == SUBJECTS[subject]


def test_the_same_job_has_the_same_key_whatever_its_figures_are() -> None:
    first, second = (
        of_mail("root", f"Backup of db1: {size} GiB in {took} s") for size, took in ((1.5, 30), (20, 9))
    )
    assert first.key == second.key
    others = [
        of_mail("root", "Backup of db2: 1.5 GiB in 30 s"),
        of_mail("root@nas", "Backup of db1: 1.5 GiB in 30 s"),
        of_message("root", "Backup of db1: 1.5 GiB in 30 s"),
        of_backup("Backup of db1: 1.5 GiB in 30 s"),
    ]
    assert len({first.key, *(other.key for other in others)}) == 5


def test_crons_mail_is_known_by_host_and_command() -> None:
    found = of_mail("root", "Cron <root@nas> /usr/local/bin/backup --keep 7")
    assert (found.source, found.title, found.name) == (
        "root@nas",
        "/usr/local/bin/backup --keep 7",
        "backup --keep 7",
    )
    assert found.key != of_mail("root", "Cron <root@nas> /usr/local/bin/backup --keep 30").key


@pytest.mark.parametrize(
    ("alert", "is_one"), [("Watchdog", True), ("DeadMansSwitch", True), ("DiskFull", False)]
)
def test_only_alerts_that_fire_all_the_time_are_heartbeats(alert: str, is_one: bool) -> None:
    assert (of_heartbeat(alert) is not None) is is_one


@pytest.mark.parametrize(
    "text", ["1" * 50_000, "a1-" * 20_000, "mon " * 20_000, "0a-" * 20_000, "1 mon " * 9_000]
)
def test_any_subject_becomes_a_short_line(text: str) -> None:
    assert len(constant(text)) <= 500
    assert len(of_mail("x" * 500, text).title) <= 200
