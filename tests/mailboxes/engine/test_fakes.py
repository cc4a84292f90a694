"""The engine in memory: it has every call of the real one and no more, and fails where it is reports to."""

from __future__ import annotations

import inspect

import pytest

from mailboxes.engine.client import Engine
from mailboxes.engine.values import PutFile, Result
from quazzar.errors import EngineTimeout, EngineUnreachable
from tests.fakeparts import Ran
from tests.fakes import FakeEngine, Killed
from tests.mailboxes.engine.worlds import FakeWorld

#: What it may have from the real one, because that only calls other calls.
INHERITED = {"check"}


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


def calls(kind: type) -> dict[str, inspect.Signature]:
    """Public methods, with those of the classes above it."""
    methods = inspect.getmembers(kind, inspect.isfunction)
    return {name: inspect.signature(method) for name, method in methods if not name.startswith("_")}


def test_it_has_every_call_of_the_real_one_with_the_same_arguments() -> None:
    for name, signature in calls(Engine).items():
        if name not in INHERITED:
            assert name in vars(FakeEngine), f"{name} would ask a real engine"
        assert calls(FakeEngine)[name].parameters.keys() == signature.parameters.keys(), name


def test_a_call_that_the_real_one_lacks_is_refused(world: FakeWorld) -> None:
    with pytest.raises(AttributeError):
        world.engine.prune()  # type: ignore[attr-defined]


def test_a_command_that_nobody_scripted_is_refused(world: FakeWorld) -> None:
    name = world.running()
    with pytest.raises(AssertionError, match="No reply is set"):
        world.engine.run(name, ["doveadm", "reload"])


def test_scripted_commands_answer_and_are_noted(world: FakeWorld) -> None:
    name = world.running()
    world.engine.reply("doveadm", with_=Result(0, b"any"))
    world.engine.reply("doveadm", "kick", with_=lambda ran: Result(68, ran.argv[-1].encode()))
    assert world.engine.run(name, ["doveadm", "reload"]).stdout == b"any"
    assert world.engine.run(name, ["doveadm", "kick", "a@b"], stdin=b"x").stdout == b"a@b"
    assert world.engine.commands[-1] == Ran(name, ("doveadm", "kick", "a@b"), b"x")


def test_a_scripted_failure_is_raised(world: FakeWorld) -> None:
    name = world.running()
    world.engine.reply("doveadm", with_=EngineTimeout("too long"))
    with pytest.raises(EngineTimeout):
        world.engine.run(name, ["doveadm"])


def test_unreachable_means_every_call(world: FakeWorld) -> None:
    world.engine.unreachable = True
    for call in (world.engine.info, lambda: world.engine.network("x"), lambda: world.engine.remove("x")):
        with pytest.raises(EngineUnreachable):
            call()
    world.engine.unreachable = False
    assert world.engine.info()


def test_an_error_that_was_asked_for_comes_once(world: FakeWorld) -> None:
    world.engine.errors["info"] = EngineTimeout("busy")
    with pytest.raises(EngineTimeout):
        world.engine.info()
    assert world.engine.info()


@pytest.mark.parametrize(("after", "volumes"), [(False, set()), (True, {"qz-fake-data"})])
def test_it_can_be_killed_before_and_after_an_effect(
    world: FakeWorld, after: bool, volumes: set[str]
) -> None:
    world.engine.ensure_network(world.project, world.labels)
    world.engine.die_at, world.engine.die_after = 2, after
    with pytest.raises(Killed):
        world.engine.ensure_volume(world.volume, world.labels)
    world.engine.die_at = 0
    assert world.engine.volumes(world.project) == volumes


def test_being_killed_is_nothing_that_the_product_may_catch() -> None:
    assert not issubclass(Killed, Exception)


def test_files_are_kept_in_volumes_by_their_path_there(world: FakeWorld) -> None:
    name = world.created()
    world.engine.put(name, [PutFile("/data/sub/x", b"1"), PutFile("/etc/x", b"2")])
    assert world.engine.file(world.volume, "sub/x") == b"1"
    assert world.engine.boxes[name].files["/etc/x"].data == b"2"


def test_health_is_what_the_test_says() -> None:
    world = FakeWorld()
    world.engine.health["postfix"] = "unhealthy"
    from mailboxes.engine.spec import Healthcheck

    world.running(world.spec(healthcheck=Healthcheck(("CMD", "x"), 1, 1, 1, 1)))
    assert world.engine.containers(world.project)["postfix"].health == "unhealthy"


def test_pulling_brings_the_image_with_progress() -> None:
    engine = FakeEngine(registry={"boky/postfix:v5.1.0": 112_000_000})
    reports: list[tuple[int, str]] = []
    engine.pull("boky/postfix:v5.1.0", lambda percent, sentence: reports.append((percent, sentence)))
    assert engine.image_id("boky/postfix:v5.1.0")
    assert (reports[0][0], reports[-1][0]) == (0, 100)
    assert "Fetching boky/postfix: 56 of 112 MB" in [sentence for _, sentence in reports]
