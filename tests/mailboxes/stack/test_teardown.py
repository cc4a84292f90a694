"""Disabling: containers and network go, volumes only with a purge; killed, failed or overtaken at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product

import pytest
from django.utils import timezone

from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.stack import control, reconcile
from quazzar.errors import EngineTimeout
from tests.fakes import Killed
from tests.mailboxes import factories
from tests.mailboxes.stackengine import HOSTNAME, StackEngine
from tests.mailboxes.trials import trial
from tests.tiers import some

VOLUMES = {"qz-mail-config", "qz-mail-data", "qz-mail-dkim", "qz-mail-sockets"}


def assert_down(engine: StackEngine, *, volumes: set[str]) -> None:
    """Nothing is left but these volumes, and nothing of it is shown."""
    engine.die_at = 0
    assert (engine.boxes, engine.networks, set(engine.disks)) == ({}, {}, volumes)
    stack = Stack.load()
    shown = (stack.phase, stack.percent, stack.last_error, stack.services, stack.pending, stack.purge)
    assert shown == ("disabled", 0, None, [], [], False)
    assert (stack.applied_generation, stack.parts) == (0, {})


def test_disabling_keeps_the_volumes(up: StackEngine) -> None:
    control.disable()
    reconcile.converge(fast=True)
    assert_down(up, volumes=VOLUMES)


def test_purging_removes_them(up: StackEngine) -> None:
    control.disable(purge=True, confirm=HOSTNAME)
    reconcile.converge(fast=True)
    assert_down(up, volumes=set())


def test_purged_mailboxes_hold_nothing_any_more(up: StackEngine) -> None:
    Mailbox.objects.update(usage_bytes=139 * 1024, warned_percent=80)
    control.disable()
    reconcile.converge()
    assert set(Mailbox.objects.values_list("usage_bytes", flat=True)) == {139 * 1024}
    control.disable(purge=True, confirm=HOSTNAME)
    reconcile.converge()
    assert set(Mailbox.objects.values_list("usage_bytes", "warned_percent")) == {(0, 0)}


def test_a_container_of_somebody_else_on_the_network_does_not_keep_the_stack_up(
    up: StackEngine, caplog: pytest.LogCaptureFixture
) -> None:
    up.strangers.append("webmail")
    control.disable(purge=True, confirm=HOSTNAME)
    reconcile.converge()
    assert Stack.load().phase == "disabled" and not up.boxes and not up.disks
    assert "still in use by webmail" in caplog.text and list(up.networks) == ["qz"]


def test_nothing_is_live_any_more(up: StackEngine) -> None:
    factories.alias()
    control.disable()
    reconcile.converge()
    assert not any(
        row.applied_at or row.live_at for model in (Domain, Mailbox, Alias) for row in model.objects.all()
    )


def test_deleted_mailboxes_wait_for_their_purge_or_go_with_it(up: StackEngine) -> None:
    factories.mailbox("gone@example.com", deleted_at=timezone.now())
    control.disable()
    reconcile.converge()
    assert Mailbox.objects.get(address="gone@example.com").removed_at
    control.disable(purge=True, confirm=HOSTNAME)
    reconcile.converge()
    assert [row.address for row in Mailbox.objects.all()] == ["ada@example.com"]


def test_a_stack_that_is_off_can_be_purged_later(up: StackEngine) -> None:
    control.disable()
    reconcile.converge()
    control.disable(purge=True, confirm=HOSTNAME)
    reconcile.converge()
    assert_down(up, volumes=set())


def test_a_stack_that_is_off_is_not_looked_at(up: StackEngine) -> None:
    control.disable()
    reconcile.converge()
    up.forget()
    reconcile.converge(deep=True)
    assert up.calls == []


@pytest.mark.slow
def test_enabled_again_everything_is_written_anew(up: StackEngine) -> None:
    control.disable()
    reconcile.converge()
    control.enable(HOSTNAME)
    reconcile.converge()
    assert reconcile.differences() == [] and Mailbox.objects.get().synced
    assert up.users() == {"ada@example.com": factories.HASH}


@pytest.mark.slow
@pytest.mark.long
def test_killed_at_any_call_the_next_worker_finishes(enabled: StackEngine) -> None:
    with up_and_to_be_purged(enabled):
        reconcile.converge()
        calls = len(enabled.calls)
    for call, after in some(product(range(1, calls + 1), (False, True)), 3):
        with up_and_to_be_purged(enabled, "call", call, "after" if after else "before"):
            enabled.die_at, enabled.die_after = call, after
            with pytest.raises(Killed):
                reconcile.converge()
            enabled.die_at = 0
            reconcile.converge(quiet=True)
            assert_down(enabled, volumes=set())


@contextmanager
def up_and_to_be_purged(engine: StackEngine, *label: object) -> Iterator[None]:
    """A trial with a healthy stack that the operator has just disabled and purged."""
    engine.renew()
    with trial(*label):
        reconcile.converge()
        engine.forget()
        control.disable(purge=True, confirm=HOSTNAME)
        yield


@pytest.mark.slow
def test_a_call_that_fails_is_shown_and_the_sweep_recovers(enabled: StackEngine) -> None:
    for method in ("containers", "stop", "remove", "remove_network", "remove_volume"):
        with up_and_to_be_purged(enabled, method):
            enabled.errors[method] = EngineTimeout("Docker took too long.")
            reconcile.converge()
            stack = Stack.load()
            assert (stack.phase, (stack.last_error or {})["code"]) == ("stopping", "docker_timeout")
            reconcile.converge(quiet=True)
            assert_down(enabled, volumes=set())


# --- the operator changes his mind ----------------------------------------------------------------------------
def once_at(engine: StackEngine, moment: str, act: Callable[[], object]) -> None:
    """Lets this happen just before the first call of a method."""

    def happen(method: str) -> None:
        if method == moment:
            engine.before = lambda method: None
            act()

    engine.before = happen


@pytest.mark.slow
def test_disabled_while_it_is_brought_up(enabled: StackEngine) -> None:
    for moment in ("image_id", "ensure_volume", "create", "put", "start", "run"):
        enabled.renew()
        with trial(moment):
            once_at(enabled, moment, control.disable)
            reconcile.converge()
            assert_down(enabled, volumes=set(enabled.disks))


@pytest.mark.slow
def test_enabled_while_it_is_taken_down(enabled: StackEngine) -> None:
    for moment in ("containers", "stop", "remove", "remove_network"):
        with up_and_to_be_purged(enabled, moment):
            once_at(enabled, moment, partial(control.enable, HOSTNAME))
            enabled.put_by_hand("kept", b"x")
            reconcile.converge()
            assert Stack.load().phase == "healthy" and reconcile.differences() == []
            assert enabled.config["kept"].data == b"x"


@pytest.mark.parametrize("moment", ["containers", "stop", "remove_network"])
def test_a_purge_that_is_asked_for_while_it_is_taken_down_is_done(up: StackEngine, moment: str) -> None:
    control.disable()
    once_at(up, moment, partial(control.disable, purge=True, confirm=HOSTNAME))
    reconcile.converge()
    assert_down(up, volumes=set())
