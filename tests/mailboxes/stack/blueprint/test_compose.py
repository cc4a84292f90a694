"""The export for Compose: valid for both generations of it, without secrets, and the same containers."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from mailboxes.engine.client import Engine
from mailboxes.models import Stack
from mailboxes.stack.blueprint import compose
from mailboxes.stack.blueprint.services import Options, build
from tests.rig import or_skip
from tests.rig.daemon import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from mailboxes.engine.spec import StackSpec
    from tests.rig.images import Images

SAID = ("Env", "Cmd", "Image", "Hostname", "Healthcheck", "StopTimeout", "ExposedPorts")


def built(bind: str = "127.0.0.1", project: str = "qz", images: dict[str, str] | None = None) -> StackSpec:
    named = images or {"postfix": "postfix:1", "dovecot": "dovecot:2", "rspamd": "rspamd:3"}
    return build(Options(project, "mail.example.com", bind, 21_000, named))


def parsed(stack: StackSpec) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(compose.render(stack))
    return document


def test_it_has_only_what_every_compose_takes() -> None:
    # No "version": v2 warns. No "name": v1 refuses.
    assert parsed(built()).keys() == {"services", "networks", "volumes"}


def test_names_are_the_products_whatever_compose_calls_its_project() -> None:
    document = parsed(built())
    assert document["networks"]["stack"]["name"] == "qz"
    assert {volume["name"] for volume in document["volumes"].values()} == {
        "qz-mail-config",
        "qz-mail-data",
        "qz-mail-dkim",
        "qz-mail-sockets",
    }
    assert document["services"]["postfix"]["container_name"] == "qz-postfix"


def test_a_dollar_is_itself() -> None:
    check = parsed(built())["services"]["rspamd"]["healthcheck"]["test"]
    assert "$$line" in check[3]


@pytest.mark.parametrize(
    ("bind", "port"),
    [("0.0.0.0", "0.0.0.0:21025:25"), ("192.0.2.1", "192.0.2.1:21025:25")],
)
def test_ports_are_published_where_the_operator_said(bind: str, port: str) -> None:
    assert parsed(built(bind))["services"]["postfix"]["ports"][0] == port


def test_rspamd_gets_the_volumes_that_it_reads_read_only() -> None:
    volumes = ["mail-config:/mail-config:ro", "mail-dkim:/mail-dkim:ro", "mail-sockets:/mail-sockets:rw"]
    assert parsed(built())["services"]["rspamd"]["volumes"] == volumes


@pytest.mark.django_db
def test_the_export_names_the_host_that_is_set_up() -> None:
    assert "myhostname: stack.invalid" in compose.export()
    Stack.objects.update_or_create(pk=1, defaults={"hostname": "mx.example.org"})
    assert "myhostname: mx.example.org" in compose.export()


# --- with a real Compose
@pytest.fixture(scope="module")
def docker_compose() -> str:
    return or_skip(lambda: program("docker-compose", "docker-compose"))


@pytest.fixture
def stack(stack_images: Images, stack_project: str) -> StackSpec:
    images = {name: getattr(stack_images, name) for name in ("postfix", "dovecot", "rspamd")}
    return built(project=stack_project, images=images)


@pytest.fixture
def run(docker_compose: str, stack: StackSpec, tmp_path: Path) -> Iterator[Any]:
    """``run("up", "--no-start")``: Compose with the exported file, under another project name."""
    file = tmp_path / "docker-compose.yml"
    file.write_text(compose.render(stack))
    base = [docker_compose, "-p", "another", "-f", str(file)]

    def do(*arguments: str) -> None:
        done = subprocess.run([*base, *arguments], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert "WARNING" not in done.stderr

    yield do
    do("down")


def facts(client: docker.DockerClient, stack: StackSpec) -> dict[str, Any]:
    """What makes a container what it is, by its name."""
    containers = {}
    for service in stack.services:
        attributes = client.containers.get(service.name).attrs
        config, host = attributes["Config"], attributes["HostConfig"]
        containers[service.name] = {name: config.get(name) for name in SAID} | {
            "Env": sorted(config["Env"]),
            "labels": {name: text for name, text in config["Labels"].items() if name.startswith("quazzar.")},
            "ports": host["PortBindings"],
            "restart": host["RestartPolicy"]["Name"],
            "log": host["LogConfig"],
            "mounts": sorted(
                (mount["Name"], mount["Destination"], mount["RW"]) for mount in ours(attributes)
            ),
            "networks": list(attributes["NetworkSettings"]["Networks"]),
        }
    return containers


def ours(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """Its mounts without those that the image's VOLUMEs make, nameless."""
    return [mount for mount in attributes["Mounts"] if "-mail-" in mount["Name"]]


@pytest.mark.thorough
@pytest.mark.real
def test_compose_makes_the_same_containers(
    docker_client: docker.DockerClient, stack: StackSpec, run: Any
) -> None:
    with Engine() as engine:
        engine.ensure_network(stack.network, dict(stack.labels))
        for service in stack.services:
            engine.create(service)
        made = facts(docker_client, stack)
        for service in stack.services:
            engine.remove(service.name)
        engine.remove_network(stack.network)
        for volume in stack.volumes:
            engine.remove_volume(volume)
    run("up", "--no-start")
    assert facts(docker_client, stack) == made
