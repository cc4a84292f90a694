"""From nothing to three healthy containers, with kills and failures at every step."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest

from mailboxes.models import DkimKey, Domain, Mailbox, Stack
from mailboxes.push import snapshots
from mailboxes.stack import reconcile
from mailboxes.stack.preflight import runner
from mailboxes.stack.preflight.runner import Check, Report
from quazzar.errors import EngineTimeout
from quazzar.models import Finding
from tests.fakeparts import FakeNetwork
from tests.fakes import Killed
from tests.mailboxes import factories
from tests.mailboxes.stackengine import IMAGES, StackEngine, percents
from tests.mailboxes.trials import trial
from tests.tiers import some

#: The calls to the Engine when the stack is brought up.
METHODS = [
    *("containers", "ensure_network", "ensure_volume", "image_id", "network", "volumes"),
    *("create", "put", "start", "run"),
]


def assert_up(engine: StackEngine) -> None:
    """Everything is there, and nothing else."""
    engine.die_at = 0
    stack = Stack.load()
    assert (stack.phase, stack.percent, stack.last_error) == ("healthy", 100, None)
    assert stack.applied_generation == stack.desired_generation
    assert reconcile.differences() == []
    assert set(engine.boxes) == {"qz-postfix", "qz-dovecot", "qz-rspamd"}
    assert set(engine.disks) == {"qz-mail-config", "qz-mail-data", "qz-mail-dkim", "qz-mail-sockets"}
    assert engine.users() == {"ada@example.com": factories.HASH} and engine.accepted() == {"ada@example.com"}


# --- all goes well -----------------------------------------------------------------------------------------
def test_from_nothing_to_healthy(enabled: StackEngine) -> None:
    reconcile.converge()
    assert_up(enabled)
    assert [service["status"] for service in Stack.load().services] == ["running"] * 3


def test_every_row_says_that_it_arrived(enabled: StackEngine) -> None:
    reconcile.converge()
    assert all(row.synced and row.live_at for row in (Domain.objects.get(), Mailbox.objects.get()))


def test_the_phases_come_in_order_and_the_percent_never_falls(enabled: StackEngine) -> None:
    seen = percents(enabled)
    reconcile.converge()
    assert [phase for phase, _ in groupby(phase for phase, _ in seen)] == [
        "preflight",
        "creating",
        "starting",
    ]
    assert sorted(percent for _, percent in seen) == [percent for _, percent in seen]


@pytest.mark.slow
def test_images_that_are_not_here_are_fetched_with_progress(enabled: StackEngine) -> None:
    enabled.images.clear()
    enabled.registry = dict.fromkeys(IMAGES, 100_000_000)
    shown: list[tuple[int, str]] = []
    real = StackEngine.pull

    def pull(ref: str, progress: Any) -> None:
        def note(percent: int, sentence: str) -> None:
            progress(percent, sentence)
            shown.append((Stack.load().percent, Stack.load().progress_message))

        real(enabled, ref, note)

    enabled.pull = pull  # type: ignore[method-assign]
    reconcile.converge()
    assert_up(enabled)
    assert [percent for percent, _ in shown] == sorted(percent for percent, _ in shown)
    assert (shown[0][0], shown[-1][0]) == (8, 59) and "Fetching boky/postfix: 50 of 100 MB" in dict(
        shown
    ).values()


@pytest.mark.slow
def test_what_the_daemons_need_is_there_before_the_first_start(enabled: StackEngine) -> None:
    there: set[str] = set()

    def look(method: str) -> None:
        if method == "start" and not there:
            there.update(enabled.config, (f"dkim/{name}" for name in enabled.keys))

    enabled.before = look
    reconcile.converge()
    assert there >= {
        "50-quazzar.sh",
        "dovecot.conf",
        "users",
        "tls/tls.key",
        "postfix/mailboxes",
        "dkim/domains/example.com",
        "dkim/keys/example.com.quazzar",
    }


def test_secrets_are_readable_by_root_alone_from_the_first_moment(enabled: StackEngine) -> None:
    reconcile.converge()
    put = [file for method, arguments in enabled.calls if method == "put" for file in arguments[1]]
    secret = ("users", "tls.key", "sasl_passwd", ".quazzar")
    modes = {file.path: file.mode for file in put if file.path.endswith(secret)}
    assert len(modes) == 4 and set(modes.values()) == {0o600}


def test_directories_are_put_before_what_lies_in_them(enabled: StackEngine) -> None:
    reconcile.converge()
    put = [file.path for method, arguments in enabled.calls if method == "put" for file in arguments[1]]
    assert put.index("/etc/dovecot/postfix/") < put.index("/etc/dovecot/postfix/domains")


# --- killed and failed -------------------------------------------------------------------------------------
def calls(engine: StackEngine) -> list[str]:
    """The methods that bringing up calls, in order."""
    with trial("counting calls"):
        reconcile.converge()
        return [method for method, _ in engine.calls]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("first", [1, 2], ids=["odd calls", "even calls"])  # for two workers of pytest
def test_killed_before_any_call_the_next_worker_finishes(enabled: StackEngine, first: int) -> None:
    for call in some(range(first, len(calls(enabled)) + 1, 2), 4):
        enabled.renew()
        with trial("call", call):
            shown = percents(enabled)
            enabled.die_at = call
            with pytest.raises(Killed):
                reconcile.converge()
            enabled.die_at = 0
            reconcile.converge(quiet=True)
            assert_up(enabled)
            assert sorted(percent for _, percent in shown) == [percent for _, percent in shown]


@pytest.mark.slow
@pytest.mark.long
def test_killed_after_any_effect_the_next_worker_finishes(enabled: StackEngine) -> None:
    effects = {"create", "start", "run", "put", "ensure_network", "ensure_volume"}
    for call, method in some(enumerate(calls(enabled), 1), 3):
        if method in effects:
            enabled.renew()
            with trial(method, "call", call):
                enabled.die_at, enabled.die_after = call, True
                with pytest.raises(Killed):
                    reconcile.converge()
                reconcile.converge(quiet=True)
                assert_up(enabled)


@pytest.mark.slow
def test_a_call_that_fails_is_shown_and_the_sweep_recovers(enabled: StackEngine) -> None:
    for method in METHODS:
        enabled.renew()
        with trial(method):
            enabled.errors[method] = EngineTimeout("Docker took too long.", hint="Wait.")
            reconcile.converge()
            stack = Stack.load()
            assert (stack.phase, stack.progress_message) == ("failed", "Docker took too long.")
            error = {"code": "docker_timeout", "message": "Docker took too long.", "hint": "Wait."}
            assert stack.last_error == error
            reconcile.converge(quiet=True)
            assert_up(enabled)


def test_an_engine_that_is_gone_is_told_with_what_to_do(enabled: StackEngine) -> None:
    enabled.unreachable = True
    reconcile.converge()
    error = Stack.load().last_error
    assert error and error["code"] == "docker_unreachable" and "systemctl start docker" in error["hint"]
    enabled.unreachable = False
    reconcile.converge(quiet=True)
    assert_up(enabled)


def test_an_image_that_cannot_be_had_is_named_until_it_can(enabled: StackEngine) -> None:
    del enabled.images[IMAGES[0]]
    reconcile.converge()
    error = Stack.load().last_error
    assert error and error["code"] == "image_unavailable" and IMAGES[0] in error["message"]
    enabled.registry[IMAGES[0]] = 1000
    reconcile.converge(quiet=True)
    assert_up(enabled)


def test_of_a_port_that_is_taken_the_container_does_not_stay_behind(enabled: StackEngine) -> None:
    enabled.busy_ports[25] = "other-mail"
    reconcile.converge()
    error = Stack.load().last_error
    assert error and error["code"] == "port_taken" and "other-mail" in error["message"]
    assert "qz-postfix" not in enabled.boxes
    enabled.busy_ports.clear()
    reconcile.converge(quiet=True)
    assert_up(enabled)


def test_a_network_of_that_name_that_is_not_ours_is_left_alone(enabled: StackEngine) -> None:
    enabled.networks["qz"] = FakeNetwork({}, 7)
    reconcile.converge()
    error = Stack.load().last_error
    assert error and error["code"] == "name_taken"
    assert enabled.networks["qz"].number == 7 and not enabled.boxes


@pytest.mark.parametrize("health", ["unhealthy", "starting"])
def test_a_container_that_does_not_get_healthy_is_named(enabled: StackEngine, health: str) -> None:
    enabled.health["rspamd"] = health
    reconcile.converge()
    stack = Stack.load()
    assert (stack.phase, stack.progress_message) == (
        "failed",
        "The container qz-rspamd does not get healthy.",
    )
    enabled.boxes["qz-rspamd"].health = "healthy"
    reconcile.converge(quiet=True)
    assert_up(enabled)


def test_a_container_that_ends_at_once_is_named(enabled: StackEngine) -> None:
    def end(method: str) -> None:
        if "qz-dovecot" in enabled.boxes and enabled.boxes["qz-dovecot"].status == "running":
            enabled.boxes["qz-dovecot"].status = "exited"

    enabled.before = end
    reconcile.converge()
    assert Stack.load().progress_message == "The container qz-dovecot does not stay up."


def test_why_a_container_starts_again_is_told_until_it_runs(enabled: StackEngine) -> None:
    reconcile.converge()
    assert_up(enabled)
    box = enabled.boxes["qz-dovecot"]
    box.status, enabled.health["dovecot"] = "exited", "starting"
    told = "The container qz-dovecot is not running (exited)."
    for _ in range(2):
        reconcile.converge(quiet=True)
        error = Stack.load().last_error
        assert (Stack.load().phase, error and error["message"]) == ("degraded", told)
        assert Finding.objects.get(check_name="stack").sentence == told
    box.health = "healthy"
    reconcile.converge(quiet=True)
    assert_up(enabled)


# --- preflight ---------------------------------------------------------------------------------------------
def refuse(monkeypatch: pytest.MonkeyPatch, *sentences: str) -> None:
    """From now on the preflight ends with these errors, or with nothing but a warning."""
    checks = [Check("disk", False, "error", sentence, "Make room.") for sentence in sentences]
    checks.append(Check("reverse_dns", False, "warning", "No reverse name.", ""))
    monkeypatch.setattr(runner, "run", lambda hostname, engine: Report(not sentences, (*checks,)))


def test_what_the_preflight_finds_stops_it_before_anything_is_made(
    enabled: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "The disk is full.", "Port 25 is taken.")
    reconcile.converge()
    stack = Stack.load()
    assert stack.phase == "failed" and not enabled.networks and not enabled.disks
    assert stack.last_error == {
        "code": "preflight_failed",
        "message": "The disk is full. Port 25 is taken.",
        "hint": "Make room.",
    }


def test_a_warning_of_the_preflight_stops_nothing(
    enabled: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch)
    reconcile.converge()
    assert_up(enabled)


@pytest.mark.slow
def test_the_sweep_tries_quietly_until_the_preflight_passes(
    enabled: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "The disk is full.")
    reconcile.converge()
    seen = percents(enabled)
    reconcile.converge(quiet=True)
    assert {phase for phase, _ in seen} == {"failed"} and Stack.load().phase == "failed"
    refuse(monkeypatch)
    reconcile.converge(quiet=True)
    assert_up(enabled)


def test_what_the_page_says_is_what_stands_in_the_way_now(
    enabled: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sentence in ("The disk is full.", "Port 25 is taken."):
        refuse(monkeypatch, sentence)
        reconcile.converge(quiet=True)
        assert Stack.load().progress_message == sentence


# --- again, over what is there -----------------------------------------------------------------------------
def test_files_of_a_stack_that_runs_are_left_to_the_write_scripts(up: StackEngine) -> None:
    factories.stack(phase=Stack.Phase.STARTING)
    reconcile.converge()
    put = [file.path for method, arguments in up.calls if method == "put" for file in arguments[1]]
    assert "/etc/dovecot/dovecot.conf" in put and "/etc/dovecot/users" not in put
    assert [push.what for push in up.pushes] == ["users", "bundle"]


def test_an_unreadable_hash_in_an_old_volume_is_kept(
    up: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_entries", {})
    factories.spoil(Mailbox.objects.get(), "password_hash")
    factories.spoil(DkimKey.objects.get(), "private_key")
    for box in up.boxes.values():
        box.status = "exited"
    factories.stack(phase=Stack.Phase.STARTING)
    reconcile.converge()
    assert up.users() == {"ada@example.com": factories.HASH}
    assert up.keys["keys/example.com.quazzar"].data == b"dkimkey"
