"""The worker's periodic jobs: the certificate, quota usage, and the purge of deleted mailboxes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailboxes import upkeep
from mailboxes.certificates.settings import Renewal
from mailboxes.engine.values import Result
from mailboxes.models import Mailbox, Stack
from mailboxes.quota import usage, warnings
from mailboxes.stack import lock
from quazzar.errors import EngineTimeout
from tests.fakeparts import Ran
from tests.fakes import Killed
from tests.mailboxes import factories
from tests.mailboxes.stackengine import StackEngine

USAGE = b"Username\tQuota name\tType\tValue\tLimit\t%\nada@example.com\tUser quota\tSTORAGE\t936\t1024\t91\n"
DF = b"""Filesystem     1024-blocks      Used Available Capacity Mounted on
/dev/sda1         41151808  31900000   7123456      82% /srv/vmail
Filesystem      Inodes   IUsed   IFree IUse% Mounted on
/dev/sda1      2621440  621440 2000000   24% /srv/vmail
"""


# --- purge -------------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def _ten_days(settings: Any) -> None:
    settings.QUAZZAR_RESTORE_DAYS = 10


def deleted(local_part: str = "gone", *, days: int = 11, **columns: Any) -> Mailbox:
    """Deleted, and out of the stack."""
    at = timezone.now() - timedelta(days=days)
    return factories.mailbox(
        f"{local_part}@example.com", **{"deleted_at": at, "removed_at": at, "live_at": at, **columns}
    )


def removed(engine: StackEngine) -> list[str]:
    """The directories whose removal was asked for."""
    return [ran.argv[-1] for ran in engine.commands if ran.argv[:3] == ("rm", "-rf", "--")]


def test_the_mail_goes_and_then_the_row(up: StackEngine) -> None:
    deleted(home="example.com/gone..2")
    row_exists: list[bool] = []

    def rm(ran: Ran) -> Result:
        row_exists.append(Mailbox.objects.filter(address="gone@example.com").exists())
        return Result(0)

    up.reply("rm", with_=rm)
    upkeep.purge()
    assert removed(up) == ["/srv/vmail/example.com/gone..2"] and row_exists == [True]
    assert [row.address for row in Mailbox.objects.all()] == ["ada@example.com"]


def test_one_that_can_still_be_restored_stays(up: StackEngine) -> None:
    deleted(days=9)
    deleted("waits", removed_at=None)
    upkeep.purge()
    assert removed(up) == [] and Mailbox.objects.count() == 3


@pytest.mark.parametrize("answer", [Result(1, b"", b"rm: busy"), EngineTimeout("too long"), Result(126)])
def test_when_the_mail_stays_the_row_stays(
    up: StackEngine, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    deleted()
    up.reply("rm", with_=answer)
    upkeep.purge()
    assert (
        Mailbox.objects.filter(address="gone@example.com").exists() and "purge: not finished" in caplog.text
    )


def test_killed_in_between_it_is_done_the_next_time(up: StackEngine) -> None:
    deleted()
    up.die_at, up.die_after = len(up.calls) + 1, True
    with pytest.raises(Killed):
        upkeep.purge()
    assert Mailbox.objects.filter(address="gone@example.com").exists()
    up.die_at = 0
    upkeep.purge()
    assert not Mailbox.objects.filter(address="gone@example.com").exists()


ODD_HOMES = [
    *("", "/", ".", "..", "../etc", "./x", "/etc/passwd", "-rf/gone"),
    *("example.com", "example.com/", "example.com/.", "example.com/..", "example.com/../other.example/ada"),
    *(
        "example.com/a b",
        "example.com/gone\n",
        "example.com/gone/cur",
        "example.com/-rf",
        "example.com/gone..",
    ),
    "example.com/*",
]


def test_an_odd_home_is_never_removed_and_holds_nobody_else_up(
    up: StackEngine, caplog: pytest.LogCaptureFixture
) -> None:
    for number, home in enumerate(ODD_HOMES):
        deleted(f"odd{number}", home=home, days=99)
    deleted()
    upkeep.purge()
    assert removed(up) == ["/srv/vmail/example.com/gone"]
    assert caplog.text.count("is not the home of a mailbox") == len(ODD_HOMES)
    assert Mailbox.objects.filter(address__startswith="odd").count() == len(ODD_HOMES)


def test_of_a_stack_that_is_off_nothing_is_purged(up: StackEngine) -> None:
    deleted()
    factories.stack(enabled=False)
    upkeep.purge()
    assert up.calls == [] and Mailbox.objects.count() == 2


def test_two_do_not_purge_at_once(up: StackEngine) -> None:
    deleted()
    with lock.single_writer("purge"):
        upkeep.purge()
    assert up.calls == [] and Mailbox.objects.count() == 2


# --- usage -------------------------------------------------------------------------------------------------
@pytest.fixture
def warned(up: StackEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each check of full mailboxes."""
    heard: list[str] = []
    up.reply("sh", "-c", with_=Result(0, DF))
    monkeypatch.setattr(warnings, "warn", lambda: heard.append("warn"))
    return heard


def test_usage_is_stored_and_warned_of(up: StackEngine, warned: list[str]) -> None:
    up.reply("bash", "-c", usage._READ_THEM, with_=Result(0, USAGE))
    upkeep.refresh_usage()
    assert Mailbox.objects.get().usage_bytes == 936 * 1024 and warned == ["warn"]


def test_the_room_on_the_disk_of_the_mail_is_stored(up: StackEngine, warned: list[str]) -> None:
    up.reply("sh", "-c", with_=Result(0, DF))
    up.reply("bash", "-c", with_=EngineTimeout("It took too long."))
    upkeep.refresh_usage()
    stored = Stack.load().mail_disk
    assert (stored["total_bytes"], stored["free_bytes"]) == (41_151_808 * 1024, 7_123_456 * 1024)
    assert (stored["files"], stored["free_files"]) == (2_621_440, 2_000_000)
    up.reply("sh", "-c", with_=Result(1, b"", b"df: not found"))
    upkeep.refresh_usage()
    assert Stack.load().mail_disk == stored


def test_usage_that_is_not_known_is_no_reason_to_warn(
    up: StackEngine, warned: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    up.reply("bash", "-c", usage._READ_THEM, with_=EngineTimeout("It took too long."))
    upkeep.refresh_usage()
    assert warned == [] and "usage: not refreshed: It took too long." in caplog.text


def log(*addresses: str) -> list[str]:
    return [f"postfix/smtpd[1]: connect from unknown[{address}]" for address in addresses]


@pytest.mark.parametrize(
    ("addresses", "counted"),
    [
        (("172.30.1.1",) * 25, {"seen": 25, "hidden": 25}),
        (("172.30.1.1",) * 25 + ("192.0.2.7",), {"seen": 26, "hidden": 25}),
        (("172.30.1.1",) * 3, {}),
    ],
)
def test_whether_clients_own_addresses_arrive_is_noted(
    up: StackEngine, warned: list[str], addresses: tuple[str, ...], counted: dict[str, int]
) -> None:
    up.reply("bash", "-c", usage._READ_THEM, with_=Result(0, USAGE))
    up.boxes["qz-postfix"].log = log(*addresses)
    upkeep.refresh_usage()
    noted = Stack.load().clients
    assert bool(noted.pop("ways", [])) == bool(counted)
    assert noted == counted


# --- certificate -------------------------------------------------------------------------------------------
def test_what_is_wrong_with_the_certificate_is_shown_until_it_is_mended(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    factories.stack()
    for problem in ("x" * 400, ""):
        renewal = Renewal(problem=problem)
        monkeypatch.setattr(upkeep, "refresh_certificate", lambda renewal=renewal: renewal)
        upkeep.watch_certificate()
        upkeep.watch_certificate()
        assert Stack.load().tls_problem == problem[:300]
    assert caplog.text.count("certificate not renewed") == 1


def test_containers_are_called_after_the_project(settings: Any) -> None:
    settings.QUAZZAR_STACK_PROJECT = "mine"
    assert upkeep.container("dovecot") == "mine-dovecot"
