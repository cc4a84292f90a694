"""manage.py reconcile: what it prints, what it repairs, and what it ends with."""

from __future__ import annotations

import io
import threading
from contextlib import ExitStack

import pytest
from django.core.management import CommandError, call_command

from mailboxes import changes
from mailboxes.management.commands import reconcile as command
from mailboxes.models import Stack
from mailboxes.stack import lock
from quazzar.errors import EngineTimeout
from tests.mailboxes import factories
from tests.mailboxes.stack.rowchanges import add
from tests.mailboxes.stackengine import IMAGES, StackEngine


def run(*arguments: str) -> tuple[str, str]:
    """What it prints, and what it says when it ends with another code than 0."""
    printed = io.StringIO()
    try:
        call_command("reconcile", *arguments, stdout=printed)
    except CommandError as exc:
        assert exc.returncode == 1
        return printed.getvalue(), str(exc)
    return printed.getvalue(), ""


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_where_all_is_well_it_says_so(up: StackEngine, arguments: tuple[str, ...]) -> None:
    before = up.everything()
    assert run(*arguments) == ("No differences.\n", "")
    assert up.everything() == before


def test_a_stack_that_is_off_differs_in_nothing(db: None, engine: StackEngine) -> None:
    assert run() == ("No differences.\n", "")


def test_a_dry_run_shows_and_changes_nothing(up: StackEngine) -> None:
    up.boxes["qz-rspamd"].status = "exited"
    up.put_by_hand("users", b"")
    shown = "The container qz-rspamd is not running (exited).\n"
    assert run("--dry-run") == (shown, "1 difference.")
    assert up.boxes["qz-rspamd"].status == "exited" and up.pushes == []


def test_a_dry_run_counts(up: StackEngine) -> None:
    up.put_by_hand("users", b"")
    up.put_by_hand("dovecot.conf", b"")
    shown = "dovecot.conf differs from the database.\nusers differs from the database.\n"
    assert run("--dry-run") == (shown, "2 differences.")


def test_without_it_everything_is_repaired(up: StackEngine) -> None:
    up.put_by_hand("users", b"")
    add("bob")
    printed, wrong = run()
    assert wrong == "" and printed.endswith(
        "The stack has generation 1, but the database has 2.\nRepaired.\n"
    )
    assert set(up.users()) == {"ada@example.com", "bob@example.com"}


def test_what_interrupts_mail_waits_for_a_word(up: StackEngine) -> None:
    up.images[IMAGES[0]] = "sha256:new"
    printed, wrong = run()
    assert (
        "Waiting for your approval because it interrupts mail: The container qz-postfix runs an older"
        in printed
    )
    assert "Approve the interruption" in wrong and up.called("create") == 0


def test_an_engine_that_does_not_answer_is_told(up: StackEngine) -> None:
    up.unreachable = True
    printed, wrong = run()
    assert printed == "" and "does not answer" in wrong and "systemctl start docker" in wrong


def test_a_repair_that_fails_is_told(up: StackEngine) -> None:
    up.boxes["qz-rspamd"].status = "exited"
    up.errors["start"] = EngineTimeout("Docker took too long.", hint="Wait.")
    assert run()[1] == "Docker took too long. Wait."


def test_while_a_worker_is_at_it_nothing_is_claimed(up: StackEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PATIENCE", 0)
    up.boxes["qz-rspamd"].status = "exited"
    with lock.single_writer():
        assert "another process is repairing them" in run()[1]


@pytest.mark.slow
def test_it_waits_for_a_worker_and_repairs_what_the_worker_left(up: StackEngine) -> None:
    up.put_by_hand("users", b"")
    worker = ExitStack()
    worker.enter_context(lock.single_writer())
    threading.Timer(0.5, worker.close).start()
    printed, wrong = run()
    assert wrong == "" and printed.endswith("users differs from the database.\nRepaired.\n")


def test_what_is_left_of_a_disabled_stack_is_removed(up: StackEngine) -> None:
    factories.stack(enabled=False, phase=Stack.Phase.STOPPING)
    assert run("--dry-run")[1] == "3 differences."
    assert run()[1] == "" and up.boxes == {}


def test_the_rows_stay_as_they_are(up: StackEngine) -> None:
    changes.bump()
    run()
    assert Stack.load().desired_generation == 2
