"""How full the mailboxes are, according to Dovecot."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.utils import timezone

from mailboxes.engine.values import Result
from mailboxes.models import Mailbox, Stack
from mailboxes.quota import usage
from quazzar.errors import CommandFailed, NotRunning
from tests.mailboxes import factories
from tests.mailboxes.trials import case

HEADER = "Username\tQuota name\tType\tValue\tLimit\t%\n"
# As Dovecot 2.4.1 prints it.
OUTPUT = HEADER + (
    "ada@example.com\tUser quota\tSTORAGE\t936\t1024\t91\n"
    "ada@example.com\tUser quota\tMESSAGE\t1\t-\t0\n"
    "bob@example.com\tUser quota\tSTORAGE\t2\t-\t0\n"
    "bob@example.com\tUser quota\tMESSAGE\t1\t-\t0\n"
)


class Dovecot:
    """A container in which doveadm prints this."""

    def __init__(self, stdout: str = "", exit_code: int = 0, stderr: str = "") -> None:
        self._result = Result(exit_code, stdout.encode(), stderr.encode())
        self.commands: list[tuple[str, list[str], str]] = []

    def run(self, name: str, argv: list[str], stdin: bytes, **_: Any) -> Result:
        self.commands.append((name, argv, stdin.decode()))
        return self._result


def refresh(engine: Any) -> int:
    return usage.refresh(engine, "qz-dovecot")


# --- what doveadm prints -----------------------------------------------------------------------------------
def test_storage_is_read_in_bytes_with_and_without_a_limit() -> None:
    assert usage.parse(OUTPUT) == {"ada@example.com": 936 * 1024, "bob@example.com": 2048}


def test_a_line_that_cannot_be_read_is_left_out() -> None:
    for line in (
        "ada@example.com\tUser quota\tSTORAGE\terror\terror\terror",
        "ada@example.com\tUser quota\tSTORAGE\t-5\t-\t0",
        "ada@example.com\tUser quota\tSTORAGE\t٣\t-\t0",
        "ada@example.com\tUser quota\tSTORAGE",
        "doveadm(ada@example.com): Error: mkdir failed",
        "",
    ):
        with case(line):
            assert usage.parse(
                f"{OUTPUT}{line}\n".replace("ada@example.com\tUser quota\tSTORAGE\t936", "x\ty\tz\t1")
            ) == {"bob@example.com": 2048}


def test_without_rows_nothing_is_known() -> None:
    for output in ("", "\n", "Fatal: no config\n", HEADER):
        with case(output):
            assert usage.parse(output) == {}


# --- into the rows -----------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_usage_is_stored_where_it_changed() -> None:
    factories.mailbox("ada@example.com", usage_bytes=5)
    factories.mailbox("bob@example.com", usage_bytes=2048)
    factories.mailbox("cyn@example.com", usage_bytes=7)
    assert refresh(Dovecot(OUTPUT)) == 1
    stored = dict(Mailbox.objects.values_list("address", "usage_bytes"))
    assert stored == {"ada@example.com": 936 * 1024, "bob@example.com": 2048, "cyn@example.com": 7}


@pytest.mark.django_db
def test_no_generation_moves_and_nothing_becomes_unsynced() -> None:
    factories.stack(desired_generation=4, applied_generation=4)
    before = factories.mailbox("ada@example.com", generation=3)
    refresh(Dovecot(OUTPUT))
    after, stack = Mailbox.objects.get(), Stack.load()
    assert (after.generation, after.applied_at, stack.desired_generation) == (3, before.applied_at, 4)
    assert stack.usage_at is not None


@pytest.mark.django_db
def test_a_deleted_mailbox_of_the_same_address_is_left_alone() -> None:
    old = factories.mailbox("ada@example.com", deleted_at="2026-11-01T00:00:00Z", usage_bytes=9)
    factories.mailbox("ada@example.com", home="example.com/ada..2")
    assert refresh(Dovecot(OUTPUT)) == 1
    old.refresh_from_db()
    assert old.usage_bytes == 9


@pytest.mark.django_db
def test_one_command_and_few_queries_do_for_all(django_assert_max_num_queries: Any) -> None:
    addresses = sorted(f"u{number}@example.com" for number in range(30))
    for address in addresses:
        factories.mailbox(address, live_at=timezone.now())
    factories.mailbox("not-there-yet@example.com")
    lines = "".join(f"u{number}@example.com\tUser quota\tSTORAGE\t1\t-\t0\n" for number in range(30))
    engine = Dovecot(HEADER + lines)
    with django_assert_max_num_queries(6):
        assert refresh(engine) == 30
    [(container, command, stdin)] = engine.commands
    assert (container, command[0]) == ("qz-dovecot", "bash")
    asked = "".join(f"{address}\n" for address in addresses)
    assert stdin == f"{len(asked)}\n{asked}"


@pytest.mark.django_db
def test_one_broken_mailbox_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    factories.mailbox("bob@example.com")
    with caplog.at_level(logging.WARNING, "mailboxes.quota.usage"):
        assert refresh(Dovecot(OUTPUT, 75, "doveadm(ada@example.com): Error: opendir failed")) == 1
    assert "opendir failed" in caplog.text


@pytest.mark.django_db
def test_when_nothing_can_be_known_it_says_so_and_keeps_what_was() -> None:
    factories.stack()
    with pytest.raises(CommandFailed) as caught:
        refresh(Dovecot("", 89, "doveadm: Fatal: no configuration\n"))
    assert "no configuration" in caught.value.message and caught.value.exit_code == 89
    assert Stack.load().usage_at is None


@pytest.mark.django_db
def test_a_stopped_container_is_not_swallowed() -> None:
    class Stopped(Dovecot):
        def run(self, name: str, argv: list[str], stdin: bytes, **_: Any) -> Result:
            raise NotRunning(f"The container {name} is not running.")

    with pytest.raises(NotRunning):
        refresh(Stopped())
