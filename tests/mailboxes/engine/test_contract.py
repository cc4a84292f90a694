"""What the edge promises, on the engine in memory and on the real one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from mailboxes.engine.failures import check_ours
from mailboxes.engine.values import PutFile
from quazzar.errors import (
    CommandFailed,
    ImageUnavailable,
    NameTaken,
    NetworkInUse,
    NotRunning,
    NotThere,
    PortTaken,
    StackError,
)

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine
    from tests.mailboxes.engine.worlds import World

NOWHERE = "qz-test-no-such-container"


# --- the engine and its images -----------------------------------------------------------------------------
def test_the_engine_tells_about_itself(world: World) -> None:
    info = world.engine.info()
    assert info.version
    assert info.api_version >= "1.41"
    assert info.memory_bytes > 1 << 28
    assert info.disk_root.startswith("/")


def test_an_image_that_is_here_has_an_id_and_another_has_none(world: World) -> None:
    assert (world.engine.image_id(world.base.image) or "").startswith("sha256:")
    assert world.engine.image_id("quazzar.invalid/none:1") is None


def test_an_image_is_known_by_its_id_and_one_that_was_built_here_by_no_digest(world: World) -> None:
    image_id = world.engine.image_id(world.base.image)
    assert image_id and world.engine.image_id(image_id) == image_id
    assert world.engine.digests(image_id) == []
    assert world.engine.digests("quazzar.invalid/none:1") == []


def test_a_registry_that_cannot_be_asked_for_a_digest_is_told(world: World) -> None:
    with pytest.raises(ImageUnavailable, match=r"quazzar.invalid/none:1 cannot be fetched: "):
        world.engine.registry_digest("quazzar.invalid/none:1")


def test_a_container_is_made_from_the_pinned_image_whatever_its_name_stands_for(world: World) -> None:
    image_id = world.engine.image_id(world.base.image) or ""
    world.created(world.spec(image="quazzar.invalid/none:1", pinned=image_id))
    assert world.engine.containers(world.project)["postfix"].image_id == image_id


def test_an_image_that_no_registry_has_is_not_pullable(world: World) -> None:
    assert not world.engine.pullable("quazzar.invalid/none:1")


def test_pulling_an_image_that_no_registry_has_is_refused(world: World) -> None:
    with pytest.raises(ImageUnavailable, match=r"quazzar.invalid/none:1 cannot be fetched: ") as caught:
        world.engine.pull("quazzar.invalid/none:1", lambda percent, sentence: None)
    assert caught.value.hint


# --- networks ----------------------------------------------------------------------------------------------
def test_a_network_is_made_once(world: World) -> None:
    assert world.engine.network(world.project) is None
    made = world.engine.ensure_network(world.project, world.labels)
    assert (
        world.engine.ensure_network(world.project, world.labels)
        == made
        == world.engine.network(world.project)
    )
    assert made.ours
    assert made.gateway.rpartition(".")[0] == made.subnet.rpartition(".")[0]


def test_a_network_of_somebody_else_is_seen_as_such_and_left_alone(world: World) -> None:
    world.strange("network", world.project)
    seen = world.engine.network(world.project)
    assert seen is not None
    assert not seen.ours
    with pytest.raises(NameTaken, match=f"network named {world.project}"):
        world.engine.ensure_network(world.project, world.labels)
    with pytest.raises(NameTaken):
        world.engine.remove_network(world.project)
    assert world.engine.network(world.project) is not None


def test_a_network_of_another_project_is_not_taken_over(world: World) -> None:
    world.engine.ensure_network(world.project, world.labels)
    with pytest.raises(NameTaken):
        world.engine.ensure_network(world.project, {"quazzar.project": "another"})


def test_only_the_network_of_exactly_that_name_counts(world: World) -> None:
    world.engine.ensure_network(f"{world.project}-longer", world.labels)
    assert world.engine.network(world.project) is None
    world.engine.remove_network(world.project)
    assert world.engine.network(f"{world.project}-longer") is not None


def test_a_network_is_not_removed_under_a_running_container(world: World) -> None:
    name = world.running()
    with pytest.raises(NetworkInUse, match=f"still in use by {name}"):
        world.engine.remove_network(world.project)
    world.engine.remove(name)
    world.engine.remove_network(world.project)
    assert world.engine.network(world.project) is None


# --- volumes -----------------------------------------------------------------------------------------------
def test_volumes_are_listed_by_project(world: World) -> None:
    world.strange("volume", f"{world.project}-strange", {"com.docker.compose.project": "other"})
    assert world.engine.volumes(world.project) == set()
    for _ in range(2):
        world.engine.ensure_volume(world.volume, world.labels)
    assert world.engine.volumes(world.project) == {world.volume}


def test_a_restored_volume_which_has_no_label_is_ours(world: World) -> None:
    world.strange("volume", world.volume)
    assert world.engine.volumes(world.project) == {world.volume}
    world.engine.ensure_volume(world.volume, world.labels)
    assert world.engine.volumes(f"{world.project}x") == set()
    world.engine.remove_volume(world.volume)
    assert world.engine.volumes(world.project) == set()


@pytest.mark.parametrize("labels", [{"com.docker.compose.project": "other"}, {"quazzar.project": "other"}])
def test_a_volume_of_somebody_else_is_left_alone(world: World, labels: dict[str, str]) -> None:
    world.strange("volume", world.volume, labels)
    with pytest.raises(NameTaken, match=f"volume named {world.volume}"):
        world.engine.ensure_volume(world.volume, world.labels)
    if "quazzar.project" not in labels:
        with pytest.raises(NameTaken):
            world.engine.remove_volume(world.volume)


def test_a_volume_is_not_removed_under_a_container(world: World) -> None:
    name = world.created()
    with pytest.raises(StackError, match="in use"):
        world.engine.remove_volume(world.volume)
    world.engine.remove(name)
    world.engine.remove_volume(world.volume)
    assert world.engine.volumes(world.project) == set()


def test_removing_what_is_not_there_is_fine(world: World) -> None:
    world.engine.remove(NOWHERE)
    world.engine.remove_volume(NOWHERE)
    world.engine.remove_network(NOWHERE)
    assert world.engine.network(NOWHERE) is None


# --- a container's life ------------------------------------------------------------------------------------
def test_a_container_is_created_runs_and_ends(world: World) -> None:
    name = world.created()
    created = world.engine.containers(world.project)["postfix"]
    assert (created.status, created.exit_code, created.address) == ("created", None, "")
    world.engine.start(name)
    running = world.engine.containers(world.project)["postfix"]
    assert (running.status, running.exit_code, running.health) == ("running", None, "none")
    world.engine.stop(name, 3)
    ended = world.engine.containers(world.project)["postfix"]
    assert ended.status == "exited"
    assert ended.exit_code is not None
    assert created.id == running.id == ended.id


def test_a_container_tells_what_it_was_made_from(world: World) -> None:
    world.running()
    seen = world.engine.containers(world.project)["postfix"]
    assert (seen.name, seen.image, seen.spec) == (world.base.name, world.base.image, world.base.digest)
    assert seen.image_id == world.engine.image_id(world.base.image)
    network = world.engine.network(world.project)
    assert network is not None
    assert seen.address.rpartition(".")[0] == network.gateway.rpartition(".")[0]


def test_a_project_without_containers_has_none(world: World) -> None:
    world.created()
    assert world.engine.containers(f"{world.project}-else") == {}


def test_a_container_of_an_image_that_is_not_here_is_not_made(world: World) -> None:
    with pytest.raises(ImageUnavailable, match=r"quazzar\.invalid/none:1"):
        world.engine.create(world.spec(image="quazzar.invalid/none:1"))
    assert world.engine.containers(world.project) == {}


def test_two_containers_cannot_have_one_name(world: World) -> None:
    world.created()
    with pytest.raises(NameTaken, match=world.base.name):
        world.engine.create(world.base)


def test_a_volume_that_is_missing_is_made_as_ours(world: World) -> None:
    world.engine.ensure_network(world.project, world.labels)
    world.engine.create(world.base)
    world.engine.start(world.base.name)
    assert world.engine.volumes(world.project) == {world.volume}


def test_starting_twice_is_fine_and_stopping_twice_too(world: World) -> None:
    name = world.running()
    before = world.engine.containers(world.project)["postfix"].started_at
    world.engine.start(name)
    assert world.engine.containers(world.project)["postfix"].started_at == before
    world.engine.stop(name, 3)
    world.engine.stop(name, 3)


def test_a_restart_is_a_new_start(world: World) -> None:
    name = world.running()
    before = world.engine.containers(world.project)["postfix"].started_at
    world.engine.restart(name, 3)
    after = world.engine.containers(world.project)["postfix"]
    assert after.status == "running"
    assert after.started_at > before


def test_a_running_container_can_be_removed(world: World) -> None:
    world.engine.remove(world.running())
    assert world.engine.containers(world.project) == {}


def test_nothing_is_done_to_a_container_of_somebody_else(world: World) -> None:
    name = f"{world.project}-strange"
    world.strange("container", name)
    acts: list[Callable[[Engine], object]] = [
        lambda engine: engine.start(name),
        lambda engine: engine.stop(name),
        lambda engine: engine.restart(name),
        lambda engine: engine.put(name, [PutFile("/etc/x", b"")]),
        lambda engine: engine.run(name, ["true"]),
        lambda engine: engine.remove(name),
    ]
    for act in acts:
        with pytest.raises(NameTaken):
            act(world.engine)


@pytest.mark.parametrize(
    ("name", "project", "is_ours"),
    [
        ("qz", "qz", True),
        ("qz-mail-data", "qz", True),
        ("qz-mail-data", "qz-mail", True),
        ("qz-mail-data", "q", False),
        ("qz-mail-data", "other", False),
        ("qzmail-data", "qz", False),
        ("qz-mail-data", "", False),
        ("qz-mail-data", None, False),
    ],
)
def test_what_has_the_label_of_another_project_is_somebody_elses(
    name: str, project: str | None, is_ours: bool
) -> None:
    labels = {} if project is None else {"quazzar.project": project}
    with contextlib.nullcontext() if is_ours else pytest.raises(NameTaken):
        check_ours("volume", name, labels)


def test_a_container_that_is_not_there_is_an_error(world: World) -> None:
    acts: list[Callable[[Engine], object]] = [
        lambda engine: engine.start(NOWHERE),
        lambda engine: engine.stop(NOWHERE),
        lambda engine: engine.restart(NOWHERE),
        lambda engine: engine.put(NOWHERE, [PutFile("/etc/x", b"")]),
        lambda engine: engine.run(NOWHERE, ["true"]),
        lambda engine: engine.logs(NOWHERE, 10),
        lambda engine: engine.follow(NOWHERE, 0),
    ]
    for act in acts:
        with pytest.raises(NotThere, match=NOWHERE):
            act(world.engine)


# --- ports -------------------------------------------------------------------------------------------------
def test_a_port_that_a_process_holds_is_named(world: World) -> None:
    port = world.base.ports[0].host
    with world.occupied(port):
        name = world.created()
        with pytest.raises(PortTaken, match=rf"Port {port} is already in use") as caught:
            world.engine.start(name)
        assert caught.value.hint
        # It stays: the caller decides what to do with it.
        assert world.engine.containers(world.project)["postfix"].status == "created"
    world.engine.start(name)


def test_a_port_that_a_container_holds_is_named_with_it(world: World) -> None:
    first, port = world.running(), world.base.ports[0].host
    world.engine.create(world.another())
    with pytest.raises(PortTaken, match=rf"Port {port} .* by the container {first}"):
        world.engine.start(world.another().name)


def test_a_published_port_leads_to_its_container(world: World) -> None:
    port = world.base.ports[0].host
    name = world.created()
    assert world.engine.publisher(port) == ""
    world.engine.start(name)
    assert world.engine.publisher(port) == name


def test_a_container_does_not_start_without_its_network(world: World) -> None:
    name = world.created()
    world.engine.remove_network(world.project)
    with pytest.raises(NotThere, match=world.project):
        world.engine.start(name)


# --- files -------------------------------------------------------------------------------------------------
def test_files_put_before_the_start_lie_in_the_volume(world: World) -> None:
    name = world.created()
    world.engine.put(name, [PutFile("/data/sub/file", b"\x00\xffwhole\n", 0o600)])
    world.engine.start(name)
    assert world.engine.run(name, ["cat", "/shown/sub/file"]).stdout == b"\x00\xffwhole\n"


def test_files_outlive_the_container(world: World) -> None:
    name = world.created()
    world.engine.put(name, [PutFile("/data/file", b"kept")])
    world.engine.remove(name)
    world.engine.start(world.created())
    assert world.engine.run(name, ["cat", "/data/file"]).stdout == b"kept"


def test_a_file_is_replaced(world: World) -> None:
    name = world.running()
    for text in (b"first and longer", b"second"):
        world.engine.put(name, [PutFile("/data/file", text)])
    assert world.engine.run(name, ["cat", "/data/file"]).stdout == b"second"


def test_no_files_are_no_work(world: World) -> None:
    world.engine.put(world.created(), [])


def test_a_mount_for_reading_takes_no_files(world: World) -> None:
    with pytest.raises(StackError, match="read-only"):
        world.engine.put(world.created(), [PutFile("/shown/file", b"")])


# --- commands ----------------------------------------------------------------------------------------------
def test_an_exit_code_is_an_answer(world: World) -> None:
    name = world.running()
    assert world.engine.run(name, ["true"]).exit_code == 0
    assert world.engine.run(name, ["false"]).exit_code == 1


def test_a_command_that_must_succeed_and_does_not_is_an_error(world: World) -> None:
    name = world.running()
    world.engine.check(name, ["true"])
    with pytest.raises(
        CommandFailed, match=r"reading the file in .* failed \(exit 1\): .*No such file"
    ) as caught:
        world.engine.check(name, ["cat", "/data/none"], what="reading the file")
    assert caught.value.exit_code == 1


def test_nothing_runs_in_a_container_that_does_not(world: World) -> None:
    name = world.created()
    with pytest.raises(NotRunning, match=name):
        world.engine.run(name, ["true"])
    world.engine.start(name)
    world.engine.run(name, ["true"])
    world.engine.stop(name, 3)
    with pytest.raises(NotRunning):
        world.engine.run(name, ["true"])
