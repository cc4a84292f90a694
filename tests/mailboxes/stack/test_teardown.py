"""Disabling: containers and network go, volumes only with a purge; killed, failed or overtaken at every step."""

from __future__ import annotations

import contextlib

import pytest
from django.utils import timezone

from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.stack import reconcile
from mailboxes.stack import settings as stacksettings
from quazzar.errors import EngineTimeout
from tests.fakes import Killed
from tests.mailboxes import factories
from tests.mailboxes.stackengine import HOSTNAME, StackEngine

#: More than taking down makes, purge included.
CALLS = 13
VOLUMES = {"qz-mail-config", "qz-mail-data", "qz-mail-dkim"}


def assert_down(engine: StackEngine, *, volumes: set[str]) -> None:
    """Nothing is left but these volumes, and nothing of it is shown."""
    engine.die_at = 0
    assert (engine.boxes, engine.networks, set(engine.disks)) == ({}, {}, volumes)
    stack = Stack.load()
    shown = (stack.phase, stack.percent, stack.last_error, stack.services, stack.pending, stack.purge)
    assert shown == ("disabled", 0, None, [], [], False)
    assert (stack.applied_generation, stack.parts) == (0, {})


def test_disabling_keeps_the_volumes(up: StackEngine) -> None:
    stacksettings.disable()
    reconcile.converge(fast=True)
    assert_down(up, volumes=VOLUMES)


def test_purging_removes_them(up: StackEngine) -> None:
    stacksettings.disable(purge=True, confirm=HOSTNAME)
    reconcile.converge(fast=True)
    assert_down(up, volumes=set())


def test_nothing_is_live_any_more(up: StackEngine) -> None:
    factories.alias()
    stacksettings.disable()
    reconcile.converge()
    assert not any(
        row.applied_at or row.live_at for model in (Domain, Mailbox, Alias) for row in model.objects.all()
    )


def test_deleted_mailboxes_wait_for_their_purge_or_go_with_it(up: StackEngine) -> None:
    factories.mailbox("gone@example.com", deleted_at=timezone.now())
    stacksettings.disable()
    reconcile.converge()
    assert Mailbox.objects.get(address="gone@example.com").removed_at
    stacksettings.disable(purge=True, confirm=HOSTNAME)
    reconcile.converge()
    assert [row.address for row in Mailbox.objects.all()] == ["ada@example.com"]


def test_a_stack_that_is_off_can_be_purged_later(up: StackEngine) -> None:
    stacksettings.disable()
    reconcile.converge()
    stacksettings.disable(purge=True, confirm=HOSTNAME)
    reconcile.converge()
    assert_down(up, volumes=set())


def test_a_stack_that_is_off_is_not_looked_at(up: StackEngine) -> None:
    stacksettings.disable()
    reconcile.converge()
    up.forget()
    reconcile.converge(deep=True)
    assert up.calls == []


def test_enabled_again_everything_is_written_anew(up: StackEngine) -> None:
    stacksettings.disable()
    reconcile.converge()
    stacksettings.enable(HOSTNAME)
    reconcile.converge()
    assert reconcile.differences() == [] and Mailbox.objects.get().synced
    assert up.users() == {"ada@example.com": factories.HASH}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(1, CALLS))
def test_killed_at_any_call_the_next_worker_finishes(up: StackEngine, call: int, after: bool) -> None:
    stacksettings.disable(purge=True, confirm=HOSTNAME)
    up.die_at, up.die_after = call, after
    with contextlib.suppress(Killed):
        reconcile.converge()
    up.die_at = 0
    reconcile.converge(quiet=True)
    assert len(up.calls) < 2 * CALLS
    assert_down(up, volumes=set())


@pytest.mark.parametrize("method", ["containers", "stop", "remove", "remove_network", "remove_volume"])
def test_a_call_that_fails_is_shown_and_the_sweep_recovers(up: StackEngine, method: str) -> None:
    stacksettings.disable(purge=True, confirm=HOSTNAME)
    up.errors[method] = EngineTimeout("Docker took too long.")
    reconcile.converge()
    stack = Stack.load()
    assert (stack.phase, (stack.last_error or {})["code"]) == ("stopping", "docker_timeout")
    reconcile.converge(quiet=True)
    assert_down(up, volumes=set())


# --- the operator changes his mind ----------------------------------------------------------------------------
@pytest.mark.parametrize("moment", ["image_id", "ensure_volume", "create", "put", "start", "run"])
def test_disabled_while_it_is_brought_up(enabled: StackEngine, moment: str) -> None:
    def disable(method: str) -> None:
        if method == moment:
            enabled.before = lambda method: None
            stacksettings.disable()

    enabled.before = disable
    reconcile.converge()
    assert_down(enabled, volumes=set(enabled.disks))


@pytest.mark.parametrize("moment", ["containers", "stop", "remove", "remove_network"])
def test_enabled_while_it_is_taken_down(up: StackEngine, moment: str) -> None:
    stacksettings.disable(purge=True, confirm=HOSTNAME)

    def enable(method: str) -> None:
        if method == moment:
            up.before = lambda method: None
            stacksettings.enable(HOSTNAME)

    up.before = enable
    up.put_by_hand("kept", b"x")
    reconcile.converge()
    assert Stack.load().phase == "healthy" and reconcile.differences() == []
    assert up.config["kept"].data == b"x"


@pytest.mark.parametrize("moment", ["containers", "stop", "remove_network"])
def test_a_purge_that_is_asked_for_while_it_is_taken_down_is_done(up: StackEngine, moment: str) -> None:
    stacksettings.disable()

    def purge(method: str) -> None:
        if method == moment:
            up.before = lambda method: None
            stacksettings.disable(purge=True, confirm=HOSTNAME)

    up.before = purge
    reconcile.converge()
    assert_down(up, volumes=set())
