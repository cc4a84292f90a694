"""Celery's entry points: what they do, what they leave alone, and what they do not hide."""

from __future__ import annotations

from typing import Any

import pytest

from mailboxes import tasks, upkeep
from mailboxes.csvfiles import importing
from mailboxes.models import ImportJob, Stack
from mailboxes.stack import control, lock, reconcile
from quazzar.errors import EngineTimeout
from tests.mailboxes import factories
from tests.mailboxes.stack.rowchanges import add
from tests.mailboxes.stackengine import StackEngine

ALL = [tasks.push_changes, tasks.sweep_stack, tasks.find_drift, tasks.refresh_usage, tasks.purge_mailboxes]
#: Those that reconcile.
WRITERS = ALL[:3]


@pytest.mark.parametrize("task", ALL)
def test_a_stack_that_was_never_enabled_is_no_reason_to_ask_docker(
    db: None, engine: StackEngine, task: Any
) -> None:
    task()
    assert engine.calls == []


@pytest.mark.slow
@pytest.mark.parametrize("task", WRITERS)
def test_a_change_that_waits_is_brought_in(up: StackEngine, task: Any) -> None:
    add("bob")
    task()
    task()
    assert "bob@example.com" in up.accepted() and up.done == ["users", "bundle"]


@pytest.mark.parametrize("task", WRITERS)
def test_what_was_enabled_is_brought_up_and_what_was_disabled_is_taken_down(
    enabled: StackEngine, task: Any
) -> None:
    task()
    assert len(enabled.boxes) == 3 and Stack.load().phase == "healthy"
    control.disable()
    task()
    assert enabled.boxes == {} and Stack.load().phase == "disabled"


@pytest.mark.parametrize("task", WRITERS)
def test_an_error_of_the_engine_is_stored(up: StackEngine, task: Any) -> None:
    factories.stack(phase=Stack.Phase.DEGRADED)
    up.errors["containers"] = EngineTimeout("Docker took too long.")
    task()
    assert (Stack.load().last_error or {})["message"] == "Docker took too long."


@pytest.mark.parametrize("task", WRITERS)
def test_anything_else_is_not_hidden(up: StackEngine, task: Any) -> None:
    def broken(method: str) -> None:
        raise RuntimeError(method)

    factories.stack(phase=Stack.Phase.DEGRADED)
    up.before = broken
    with pytest.raises(RuntimeError):
        task()


# --- the sweep ---------------------------------------------------------------------------------------------
def test_the_sweep_retries_quietly(up: StackEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(reconcile, "converge", lambda **how: asked.append(how))
    for task in WRITERS:
        task()
    assert asked == [{"fast": True}, {"quiet": True}, {"quiet": True, "deep": True}]


def test_the_sweep_goes_on_with_imports_that_were_cut_off(
    db: None, engine: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    monkeypatch.setattr(importing, "run", ran.append)
    job = ImportJob.objects.create()
    ImportJob.objects.create(state=ImportJob.State.DONE)
    tasks.sweep_stack()
    assert ran == [job.pk]


def test_an_import_that_another_worker_is_at_is_left_to_it(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "run", lambda job_id: pytest.fail("two at once"))
    with lock.single_writer("import"):
        tasks.import_mailboxes(1)


def test_the_search_for_drift_looks_into_the_files(up: StackEngine) -> None:
    up.put_by_hand("dovecot.conf", b"")
    tasks.sweep_stack()
    assert up.config["dovecot.conf"].data == b""
    tasks.find_drift()
    assert b"dovecot_config_version" in up.config["dovecot.conf"].data


def test_the_sweep_looks_at_the_certificate_first(up: StackEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def renewed() -> None:
        factories.stack(tls_certificate="renewed\n", desired_generation=2)

    monkeypatch.setattr(upkeep, "watch_certificate", renewed)
    tasks.sweep_stack()
    assert up.config["tls/tls.crt"].data == b"renewed\n"


# --- usage -------------------------------------------------------------------------------------------------
def test_usage_is_asked_of_a_healthy_stack_only(up: StackEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(upkeep, "refresh_usage", lambda: asked.append(Stack.load().phase))
    for phase in Stack.Phase:
        factories.stack(phase=phase)
        tasks.refresh_usage()
    assert asked == [Stack.Phase.HEALTHY]
