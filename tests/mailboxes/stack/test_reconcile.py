"""A stack that was brought up is kept as it should be; what would interrupt mail is shown first."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from mailboxes.models import Domain, ImageUpgrade, Stack, StackImage
from mailboxes.provisioning.mailboxes import add_mailbox
from mailboxes.stack import control, reconcile
from mailboxes.stack.preflight import runner
from quazzar.errors import EngineTimeout, ImageUnavailable
from quazzar.models import FindingChange
from tests.fakes import Killed
from tests.mailboxes import factories
from tests.mailboxes.stackengine import IMAGES, StackEngine
from tests.mailboxes.trials import case, healthy_stack
from tests.tiers import some

OLD = "2026-01-01T00:00:00.123456789Z"


def state() -> tuple[str, str]:
    """Phase, and the code of the last error."""
    stack = Stack.load()
    return stack.phase, (stack.last_error or {}).get("code", "")


def error() -> str:
    return str((Stack.load().last_error or {})["message"])


# --- nothing to do -----------------------------------------------------------------------------------------
def test_a_stack_that_was_never_enabled_is_left_alone(db: None, engine: StackEngine) -> None:
    reconcile.converge(deep=True)
    assert engine.calls == [] and Stack.load().phase == "disabled"


def test_where_all_is_well_nothing_is_done(up: StackEngine) -> None:
    before = up.everything()
    reconcile.converge(deep=True)
    assert up.everything() == before and up.done == [] and state() == ("healthy", "")


def test_the_fast_way_asks_the_engine_nothing_when_nothing_changed(up: StackEngine) -> None:
    reconcile.converge(fast=True)
    assert up.calls == []


# --- containers --------------------------------------------------------------------------------------------
def test_a_container_that_stopped_is_started(up: StackEngine, caplog: pytest.LogCaptureFixture) -> None:
    up.boxes["qz-dovecot"].status = "exited"
    with caplog.at_level(logging.WARNING):
        reconcile.converge(quiet=True)
    assert up.boxes["qz-dovecot"].status == "running" and state() == ("healthy", "")
    assert "drift repaired: The container qz-dovecot is not running (exited)." in caplog.text
    changes = FindingChange.objects.filter(check_name="stack").order_by("id")
    sentence = "The container qz-dovecot is not running (exited)."
    # It is reported for a while, although it is running again.
    assert [(change.level, change.sentence) for change in changes][-2:] == [
        ("failed", sentence),
        ("warning", f"The mail server works again. The problem was: {sentence}"),
    ]


def test_a_paused_container_is_restarted(up: StackEngine) -> None:
    up.boxes["qz-rspamd"].status = "paused"
    up._stop = lambda name: setattr(up.boxes[name], "status", "exited")  # type: ignore[method-assign]
    reconcile.converge(quiet=True)
    assert up.called("restart") == 1 and state() == ("healthy", "")


def test_an_unhealthy_container_is_given_time(up: StackEngine) -> None:
    up.boxes["qz-postfix"].health = "unhealthy"
    reconcile.converge(quiet=True)
    assert up.called("restart") == 0
    assert state() == ("degraded", "not_healthy") and error() == "The container qz-postfix is unhealthy."


def test_after_that_it_is_restarted(up: StackEngine) -> None:
    up.boxes["qz-postfix"].health, up.boxes["qz-postfix"].started_at = "unhealthy", OLD
    reconcile.converge(quiet=True)
    assert up.called("restart") == 1 and state() == ("healthy", "")


@pytest.mark.slow
def test_a_container_that_is_missing_is_made_again(up: StackEngine) -> None:
    del up.boxes["qz-rspamd"]
    reconcile.converge(quiet=True)
    assert up.called("create") == 1 and up.called("stop") == 0
    assert reconcile.differences() == [] and state() == ("healthy", "")


def test_a_container_that_is_missing_is_told_when_it_cannot_be_made(up: StackEngine) -> None:
    up.pruned.add(up.boxes.pop("qz-rspamd").image_id)
    del up.images[IMAGES[2]]
    reconcile.converge(quiet=True)
    assert state() == ("failed", "image_unavailable")
    up.registry[IMAGES[2]] = 10
    reconcile.converge(quiet=True)
    assert state() == ("healthy", "")


# --- network and volumes -----------------------------------------------------------------------------------
def test_without_its_network_every_container_is_made_anew(up: StackEngine) -> None:
    for box in up.boxes.values():
        box.status = "exited"
    del up.networks["qz"]
    reconcile.converge(quiet=True)
    assert up.called("create") == 3 and reconcile.differences() == [] and state() == ("healthy", "")


def test_without_its_volume_the_containers_that_mount_it_are_made_anew(up: StackEngine) -> None:
    del up.disks["qz-mail-dkim"]
    reconcile.converge(quiet=True)
    assert [arguments[0].service for method, arguments in up.calls if method == "create"] == [
        "rspamd",
        "postfix",
    ]
    assert up.keys["keys/example.com.quazzar"].data == b"dkimkey" and reconcile.differences() == []


def test_without_the_config_volume_everything_is_written_again(up: StackEngine) -> None:
    del up.disks["qz-mail-config"]
    reconcile.converge(quiet=True)
    assert up.users() and up.accepted() and reconcile.differences() == []


@pytest.mark.slow
@pytest.mark.long
def test_killed_while_a_volume_is_replaced_the_next_worker_finishes(enabled: StackEngine) -> None:
    for call in some(range(1, 60, 3), 4):
        with healthy_stack(enabled, "call", call):
            del enabled.disks["qz-mail-config"]
            enabled.die_at = call
            with pytest.raises(Killed):
                reconcile.converge(quiet=True)
            enabled.die_at = 0
            reconcile.converge(quiet=True)
            assert reconcile.differences() == [] and state() == ("healthy", "") and enabled.users()


# --- what interrupts mail is shown first -------------------------------------------------------------------
@pytest.fixture
def outdated(up: StackEngine) -> StackEngine:
    """A stack whose image for Dovecot was replaced by a newer one of the same name."""
    up.images[IMAGES[1]] = "sha256:new"
    return up


@pytest.mark.slow
def test_another_image_waits_and_is_shown(outdated: StackEngine) -> None:
    for _ in range(2):
        reconcile.converge(quiet=True, deep=True)
    sentence = f"The container qz-dovecot runs an older {IMAGES[1]} than the one on the Docker host."
    assert Stack.load().pending == [sentence]
    assert state() == ("healthy", "") and outdated.called("create") == 0


def test_it_is_upgraded_once_that_is_allowed(outdated: StackEngine) -> None:
    reconcile.converge(quiet=True)
    control.allow_interruption()
    reconcile.converge(fast=True)
    assert ImageUpgrade.objects.open().exists() and not Stack.load().interruption_allowed
    assert outdated.called("create") == 0  # mailboxes/upgrades takes it up


def test_permission_without_a_pending_repair_does_not_count_later(up: StackEngine) -> None:
    control.allow_interruption()
    reconcile.converge(fast=True)
    up.images[IMAGES[1]] = "sha256:new"
    reconcile.converge(quiet=True)
    assert up.called("create") == 0 and len(Stack.load().pending) == 1


def test_what_was_shown_and_is_gone_is_not_shown_any_more(outdated: StackEngine) -> None:
    was = outdated.boxes["qz-dovecot"].image_id
    reconcile.converge(quiet=True)
    outdated.images[IMAGES[1]] = was
    reconcile.converge(quiet=True)
    assert Stack.load().pending == []


def test_other_repairs_do_not_wait_with_it(outdated: StackEngine) -> None:
    del outdated.boxes["qz-rspamd"]
    reconcile.converge(quiet=True)
    assert [arguments[0].service for method, arguments in outdated.calls if method == "create"] == ["rspamd"]
    assert len(Stack.load().pending) == 1 and state() == ("healthy", "")


@pytest.mark.slow
@pytest.mark.long
def test_a_repair_that_was_killed_does_not_let_it_through(enabled: StackEngine) -> None:
    for call in some((9, 14, 20, 30, 40, 50), 3):
        with healthy_stack(enabled, "call", call):
            enabled.images[IMAGES[1]] = "sha256:new"
            reconcile.converge(quiet=True)
            del enabled.boxes["qz-rspamd"]
            enabled.die_at = len(enabled.calls) + call
            with pytest.raises(Killed):
                reconcile.converge(quiet=True)
            enabled.die_at = 0
            reconcile.converge(quiet=True)
            assert enabled.boxes["qz-dovecot"].image_id != "sha256:new" and len(Stack.load().pending) == 1
            assert "qz-rspamd" in enabled.boxes and state() == ("healthy", "")


def test_changes_of_mailboxes_do_not_wait_with_it(outdated: StackEngine) -> None:
    reconcile.converge(quiet=True)
    add_mailbox(Domain.objects.get().pk, "bob")
    reconcile.converge(fast=True)
    assert "bob@example.com" in outdated.accepted() and len(Stack.load().pending) == 1


def test_a_container_that_is_made_again_gets_the_image_that_it_had(outdated: StackEngine) -> None:
    was = outdated.boxes.pop("qz-dovecot").image_id
    for _ in range(2):
        reconcile.converge(quiet=True)
    assert outdated.boxes["qz-dovecot"].image_id == was and len(Stack.load().pending) == 1


def test_an_image_that_was_pruned_is_fetched_by_its_digest(up: StackEngine) -> None:
    StackImage.objects.filter(service="rspamd").update(digest="rspamd/rspamd@sha256:1")
    up.pruned.add(up.boxes.pop("qz-rspamd").image_id)
    up.registry["rspamd/rspamd@sha256:1"] = 10
    reconcile.converge(quiet=True)
    assert state() == ("healthy", "") and [name for name, _ in up.calls].count("pull") == 1


def test_another_environment_waits_too(up: StackEngine, settings: Any) -> None:
    settings.QUAZZAR_STACK_PORT_OFFSET = 1000
    reconcile.converge(quiet=True)
    assert len(Stack.load().pending) == 3 and up.called("create") == 0


@pytest.mark.slow
def test_another_controller_password_waits_for_rspamd_alone(up: StackEngine) -> None:
    control.new_controller_password()
    reconcile.converge(quiet=True)
    assert Stack.load().pending == [
        "The container qz-rspamd was created with an image, environment or configuration that differs "
        "from the current settings."
    ]
    control.allow_interruption()
    reconcile.converge(fast=True)
    assert up.called("create") == 1 and reconcile.differences() == []


@pytest.mark.slow
@pytest.mark.long
def test_killed_at_an_interruption_the_next_worker_finishes_it(enabled: StackEngine) -> None:
    for call in some(range(2, 62, 4), 4):
        with healthy_stack(enabled, "call", call):
            was = enabled.boxes["qz-rspamd"].spec.digest
            control.new_controller_password()
            reconcile.converge(quiet=True)
            control.allow_interruption()
            enabled.die_at = len(enabled.calls) + call
            with pytest.raises(Killed):
                reconcile.converge(fast=True)
            enabled.die_at = 0
            reconcile.converge(quiet=True)
            assert enabled.boxes["qz-rspamd"].spec.digest != was and reconcile.differences() == []
            assert not Stack.load().interruption_allowed and state() == ("healthy", "")


# --- errors --------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_call_that_fails_leaves_it_degraded_until_the_sweep(up: StackEngine) -> None:
    for method in ("network", "volumes", "containers", "image_id"):
        with case(method):
            up.errors[method] = EngineTimeout("Docker took too long.")
            reconcile.converge(quiet=True)
            assert state() == ("degraded", "docker_timeout")
            reconcile.converge(quiet=True)
            assert state() == ("healthy", "")


def test_while_the_engine_is_gone_changes_wait_and_are_not_lost(up: StackEngine) -> None:
    up.unreachable = True
    row = add_mailbox(Domain.objects.get().pk, "bob")
    reconcile.converge(fast=True)
    row.refresh_from_db()
    assert state() == ("degraded", "docker_unreachable") and not row.synced
    up.unreachable = False
    reconcile.converge(quiet=True)
    row.refresh_from_db()
    assert state() == ("healthy", "") and row.synced and "bob@example.com" in up.accepted()


def test_a_row_that_no_surface_lets_in_is_told_and_nothing_is_written(up: StackEngine) -> None:
    before = up.everything()
    factories.domain("not a domain")
    Stack.objects.update(desired_generation=2)
    reconcile.converge(fast=True)
    assert state() == ("degraded", "bad_row") and "'not a domain'" in error()
    assert up.everything() == before


@pytest.mark.slow
def test_a_relay_that_postfix_cannot_use_holds_nothing_else_up(up: StackEngine, relay: Any) -> None:
    type(relay).objects.update(host="192.0.2.25", security="starttls")
    factories.stack(send_through_relay=True)
    add_mailbox(Domain.objects.get().pk, "bob")
    reconcile.converge(fast=True)
    assert state() == ("degraded", "relay_unusable") and "certificate of an IP address" in error()
    assert "bob@example.com" in up.accepted() and up.in_force["relayhost"] == b""


def test_nor_does_it_keep_a_stack_from_coming_up(enabled: StackEngine, relay: Any) -> None:
    type(relay).objects.update(host="192.0.2.25", security="starttls")
    factories.stack(send_through_relay=True)
    reconcile.converge()
    assert state() == ("degraded", "relay_unusable")
    type(relay).objects.update(host="relay.example")
    reconcile.converge(quiet=True)
    assert state() == ("healthy", "") and enabled.in_force["relayhost"] == b"[relay.example]:2525\n"


def test_a_failed_image_does_not_flap_while_the_preflight_says_no(
    up: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    up.pruned.add(up.boxes.pop("qz-rspamd").image_id)
    del up.images[IMAGES[2]]
    reconcile.converge(quiet=True)
    check = runner.Check("image_rspamd", False, "error", "No image.", "")
    monkeypatch.setattr(runner, "run", lambda hostname, engine: runner.Report(False, (check,)))
    up.errors["pull"] = ImageUnavailable("never asked")
    reconcile.converge(quiet=True)
    assert state() == ("failed", "preflight_failed") and "pull" in up.errors


# --- what a dry run prints ---------------------------------------------------------------------------------
def test_differences_are_told_and_nothing_is_changed(up: StackEngine) -> None:
    del up.boxes["qz-rspamd"], up.networks["qz"]
    before = up.everything()
    sentences = reconcile.differences()
    assert "The network qz is missing." in sentences
    assert "The container qz-rspamd is missing." in sentences
    assert up.everything() == before


def test_files_changed_by_hand_and_changes_under_way_are_told(up: StackEngine) -> None:
    up.put_by_hand("dovecot.conf", b"")
    assert reconcile.differences() == ["dovecot.conf differs from the database."]
    add_mailbox(Domain.objects.get().pk, "bob")
    assert reconcile.differences() == ["The stack has generation 1, but the database has 2."]


def test_what_is_left_of_a_disabled_stack_is_told(up: StackEngine) -> None:
    factories.stack(enabled=False, phase=Stack.Phase.DISABLED)
    assert "The container qz-postfix exists although the stack is disabled." in reconcile.differences()
    assert len(reconcile.differences()) == 3
