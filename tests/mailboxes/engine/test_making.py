"""What a container really is once it is made from its specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailboxes.engine import bodies
from mailboxes.engine.spec import Healthcheck, Port
from mailboxes.engine.values import PutFile, by_service
from tests.mailboxes.engine.worlds import FakeWorld
from tests.rig import LOOPBACK, wait_until

if TYPE_CHECKING:
    import docker

    from tests.mailboxes.engine.worlds import RealWorld


@pytest.fixture
def inspected(real_world: RealWorld, docker_client: docker.DockerClient) -> dict[str, Any]:
    """What Docker says about a running container."""
    attributes: dict[str, Any] = docker_client.containers.get(real_world.running()).attrs
    return attributes


# --- on the real engine ------------------------------------------------------------------------------------
@pytest.mark.real
def test_it_keeps_itself_and_its_log_in_bounds(inspected: dict[str, Any]) -> None:
    host = inspected["HostConfig"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert host["Init"] is False
    assert inspected["Config"]["StopTimeout"] == 3


@pytest.mark.real
def test_it_has_name_environment_command_and_labels(real_world: RealWorld, inspected: dict[str, Any]) -> None:
    config = inspected["Config"]
    assert config["Hostname"] == "mail.example.org"
    assert "GREETING=two words" in config["Env"]
    assert config["Cmd"] == ["sleep", "infinity"]
    wanted = {**dict(real_world.base.labels), "quazzar.spec": real_world.base.digest}
    assert wanted.items() <= config["Labels"].items()


@pytest.mark.real
def test_its_port_is_bound_to_the_address_alone(real_world: RealWorld, inspected: dict[str, Any]) -> None:
    port = real_world.base.ports[0].host
    assert inspected["NetworkSettings"]["Ports"]["25/tcp"] == [{"HostIp": LOOPBACK, "HostPort": str(port)}]


@pytest.mark.real
def test_others_find_it_by_its_alias(real_world: RealWorld, inspected: dict[str, Any]) -> None:
    assert "postfix" in inspected["NetworkSettings"]["Networks"][real_world.project]["Aliases"]
    result = real_world.engine.run(real_world.base.name, ["getent", "hosts", "postfix"])
    assert real_world.engine.containers(real_world.project)["postfix"].address in result.stdout.decode()


@pytest.mark.real
def test_its_volume_is_writable_in_one_place_and_not_in_the_other(real_world: RealWorld) -> None:
    name, run = real_world.running(), real_world.engine.run
    assert run(name, ["touch", "/data/x"]).exit_code == 0
    assert run(name, ["touch", "/shown/y"]).exit_code == 1
    assert run(name, ["ls", "/shown"]).stdout == b"x\n"


@pytest.mark.real
def test_its_health_check_decides_on_its_health(real_world: RealWorld) -> None:
    check = Healthcheck(("CMD", "test", "-e", "/data/well"), interval=1, timeout=2, start_period=0, retries=1)
    name = real_world.running(real_world.spec(healthcheck=check))

    def health() -> str:
        return real_world.engine.containers(real_world.project)["postfix"].health

    wait_until(lambda: health() == "unhealthy", 20)
    real_world.engine.put(name, [PutFile("/data/well", b"")])
    wait_until(lambda: health() == "healthy", 20)


@pytest.mark.real
def test_files_have_the_owner_and_the_mode_that_was_asked_for(real_world: RealWorld) -> None:
    name = real_world.created()
    real_world.engine.put(
        name,
        [PutFile("/data/private/", b"", 0o750, 12, 34), PutFile("/data/private/file", b"x", 0o640, 56, 78)],
    )
    real_world.engine.start(name)
    result = real_world.engine.run(name, ["stat", "-c", "%F %a %u:%g", "/data/private", "/data/private/file"])
    assert result.stdout == b"directory 750 12:34\nregular file 640 56:78\n"


@pytest.mark.real
def test_a_file_that_is_put_has_the_time_of_now(real_world: RealWorld) -> None:
    """Dovecot and Rspamd use it to see whether a file has changed."""
    name = real_world.running()
    real_world.engine.put(name, [PutFile("/data/file", b"x")])
    recent = real_world.engine.run(name, ["find", "/data/file", "-mmin", "-2"])
    assert recent.stdout == b"/data/file\n"


# --- pure --------------------------------------------------------------------------------------------------
def test_each_port_names_its_address() -> None:
    body = bodies.container(FakeWorld().spec(ports=(Port(25, 25, "0.0.0.0"), Port(587, 587, "192.0.2.1"))))
    assert body["HostConfig"]["PortBindings"] == {
        "25/tcp": [{"HostIp": "0.0.0.0", "HostPort": "25"}],
        "587/tcp": [{"HostIp": "192.0.2.1", "HostPort": "587"}],
    }


def test_what_the_specification_leaves_to_the_image_is_not_sent() -> None:
    body = bodies.container(FakeWorld().spec(command=None))
    assert not {"Cmd", "Healthcheck", "Entrypoint"} & body.keys()


def test_the_health_check_counts_in_nanoseconds() -> None:
    body = bodies.container(FakeWorld().spec(healthcheck=Healthcheck(("CMD", "x"), 10, 5, 60, 3)))
    assert body["Healthcheck"] == {
        "Test": ["CMD", "x"],
        "Interval": 10_000_000_000,
        "Timeout": 5_000_000_000,
        "StartPeriod": 60_000_000_000,
        "Retries": 3,
    }


def test_of_two_containers_of_a_service_the_one_with_our_name_counts() -> None:
    world = FakeWorld()
    world.created()
    world.engine.create(world.spec(name="qz-fake-postfix-old"))
    states = list(world.engine.boxes.values())
    assert world.engine.containers("qz-fake")["postfix"].name == "qz-fake-postfix"
    assert len(states) == 2
    assert by_service("qz-fake", []) == {}
