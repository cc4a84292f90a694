"""The preflight's look from inside a container: what is found there and not on this machine, or the other way round."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from mailboxes.engine.client import Engine
from mailboxes.engine.values import Result
from mailboxes.stack.blueprint.services import Options, build
from mailboxes.stack.preflight import inside, names
from mailboxes.stack.preflight.machine import Check, Machine
from quazzar.errors import EngineTimeout
from tests.fakes import FakeEngine
from tests.rig.daemon import project

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.rig.daemon import Daemon
    from tests.rig.images import Images

IMAGES = {service: f"{service}:test" for service in ("postfix", "dovecot", "rspamd")}
OPTIONS = Options("qz-test", "mail.example.org", "127.0.0.1", 30_000, IMAGES)
OPEN, SHUT = b"dns\nsmtp 220 mx.example.net ESMTP\n", b"dns\n"


@pytest.fixture(autouse=True)
def _world(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """This machine finds every name, and reaches mx.example.net."""
    settings.QUAZZAR_OUTBOUND_PROBE = ("mx.example.net", 25)
    monkeypatch.setattr(names, "resolve", lambda name: ["192.0.2.1"])
    monkeypatch.setattr(names, "greeting", lambda *_: "220 mx.example.net ESMTP")


def engine_that_says(output: bytes) -> FakeEngine:
    engine = FakeEngine([IMAGES["dovecot"]])
    engine.reply("bash", "-c", inside.SCRIPT, with_=Result(0, output))
    return engine


def look(engine: Any, options: Options = OPTIONS) -> Check:
    return inside.check_inside(Machine("mail.example.org", engine, options, 10))


def test_where_containers_get_out_all_is_well_and_nothing_is_left() -> None:
    engine = engine_that_says(OPEN)
    check = look(engine)
    assert check.ok and "reach other mail servers" in check.message
    assert engine.boxes == {} and engine.commands[0].argv[-2:] == ("mx.example.net", "25")


def test_what_only_containers_lack_is_told() -> None:
    for output, words in (
        (b"", "cannot resolve names"),
        (SHUT, "but not for containers"),
        (b"dns\nsmtp 554 no\n", "“554 no”"),
    ):
        check = look(engine_that_says(output))
        assert not check.ok and check.severity == "warning" and check.hint
        assert words in check.message


def test_what_this_machine_lacks_as_well_is_told_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> str:
        raise OSError

    monkeypatch.setattr(names, "resolve", nothing)
    monkeypatch.setattr(names, "greeting", nothing)
    for output in (b"", SHUT):
        assert look(engine_that_says(output)).ok


def test_without_a_server_to_try_only_names_are_looked_up(settings: Any) -> None:
    settings.QUAZZAR_OUTBOUND_PROBE = None
    engine = engine_that_says(SHUT)
    assert look(engine).message == "Containers can resolve names."
    assert engine.commands[0].argv[-2:] == ("mail.example.org", "")


def test_a_container_of_the_stack_that_runs_is_used() -> None:
    engine = engine_that_says(OPEN)
    engine.images |= dict.fromkeys(IMAGES.values(), "sha256:1")
    spec = build(OPTIONS)
    engine.ensure_network(spec.network, dict(spec.labels))
    engine.create(spec.service("postfix"))
    engine.start("qz-test-postfix")
    assert look(engine).ok
    assert engine.commands[0].name == "qz-test-postfix" and set(engine.boxes) == {"qz-test-postfix"}


def test_where_it_cannot_be_tried_that_is_all_that_is_said() -> None:
    assert "no image has been fetched yet" in look(FakeEngine()).message
    engine = engine_that_says(OPEN)
    engine.errors["start"] = EngineTimeout("The Docker Engine does not answer in time.")
    check = look(engine)
    assert check.ok and "could not be tested" in check.message and engine.boxes == {}


@contextlib.contextmanager
def greeter() -> Iterator[int]:
    """A mail server on this machine's loopback, where no container reaches it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with server.accept()[0] as client:
                        client.sendall(b"220 here ESMTP\r\n")

        threading.Thread(target=greet, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.real
def test_a_real_container_is_made_asked_and_gone(
    docker_daemon: Daemon, docker_client: docker.DockerClient, stack_images: Images, settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.undo()
    with project(docker_daemon) as name, greeter() as port, contextlib.closing(Engine()) as engine:
        settings.QUAZZAR_OUTBOUND_PROBE = ("localhost", port)
        images = {
            "postfix": stack_images.postfix,
            "dovecot": stack_images.dovecot,
            "rspamd": stack_images.rspamd,
        }
        check = look(engine, Options(name, "mail.example.org", "127.0.0.1", 30_000, images))
        assert not check.ok and "open for this machine, but not for containers" in check.message
        settings.QUAZZAR_OUTBOUND_PROBE = ("no-such-host.invalid", 25)
        check = look(engine, Options(name, "mail.example.org", "127.0.0.1", 30_000, images))
        assert check.message == "Neither this machine nor a container can resolve no-such-host.invalid."
        left = docker_client.containers.list(all=True, filters={"name": f"{name}-preflight"})
        assert left == []
