"""The preflight as a whole, and its checks of Docker, ports and room; names are in test_names.py."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mailboxes.engine.values import EngineInfo
from mailboxes.stack import blueprint
from mailboxes.stack.blueprint.services import PORTS, Options
from mailboxes.stack.preflight import machine, names, runner
from mailboxes.stack.preflight.runner import Check, Report
from quazzar.errors import EngineTimeout, EngineUnreachable
from tests.fakes import FakeEngine
from tests.mailboxes.trials import case
from tests.rig.daemon import Daemon
from tests.rig.standins import running

GIB = 1 << 30
IMAGES = {service: f"{service}:test" for service in ("postfix", "dovecot", "rspamd")}


class LocalEngine(FakeEngine):
    """A Docker Engine on this machine."""

    rootless = False

    def info(self) -> EngineInfo:
        return replace(super().info(), is_local=True, disk_root="/", rootless=self.rootless)


def free_offset() -> int:
    """So that none of the stack's ports is taken."""
    for offset in range(30_000, 50_000, 217):
        try:
            for port in chain.from_iterable(PORTS.values()):
                socket.create_server(("127.0.0.1", port + offset)).close()
        except OSError:
            continue
        return offset
    raise AssertionError("No offset leaves six ports free.")


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """mail.example.org is this machine, seen from everywhere."""
    settings.QUAZZAR_OUTBOUND_PROBE = None
    monkeypatch.setattr(names, "resolve", lambda name: ["198.41.0.4"])
    monkeypatch.setattr(names, "name_of", lambda address: "mail.example.org")
    monkeypatch.setattr(names, "is_ours", lambda address: True)
    monkeypatch.delenv("DOCKER_HOST", raising=False)


@pytest.fixture
def options() -> Options:
    return Options("qz-test", "mail.example.org", "127.0.0.1", free_offset(), IMAGES)


@pytest.fixture
def engine() -> LocalEngine:
    return LocalEngine(list(IMAGES.values()))


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Free disk and memory: what this machine has, unless the test says otherwise."""
    room = SimpleNamespace(disk=50 * GIB, memory=4 * GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=room.disk))
    monkeypatch.setattr(machine, "_available_memory", lambda: room.memory)
    return room


def look(engine: FakeEngine, options: Options, *, deadline: float = 10) -> Report:
    return runner.run("mail.example.org", engine, options=options, deadline=deadline)


def check_of(report: Report, name: str) -> Check:
    return next(check for check in report.checks if check.id == name)


# --- the whole ---------------------------------------------------------------------------------------------
def test_all_is_well_where_nothing_is_in_the_way(
    engine: LocalEngine, options: Options, roomy: SimpleNamespace
) -> None:
    report = look(engine, options)
    assert report.ok and [check.message for check in report.checks if not check.ok] == []
    assert [check.id for check in report.checks] == [
        "docker",
        "port_25",
        "port_587",
        "port_465",
        "port_143",
        "port_993",
        "port_11334",
        "disk",
        "memory",
        "hostname",
        "reverse_dns",
        "outbound_25",
        "image_postfix",
        "image_dovecot",
        "image_rspamd",
    ]


def test_the_settings_are_taken_when_nothing_else_is_given(
    engine: LocalEngine, settings: Any, roomy: SimpleNamespace
) -> None:
    settings.QUAZZAR_STACK_PORT_OFFSET = free_offset()
    report = runner.run("mail.example.org", engine)
    assert f"Port {settings.QUAZZAR_STACK_PORT_OFFSET + 25} is free" in check_of(report, "port_25").message


def test_a_warning_does_not_block_and_an_error_does(
    engine: LocalEngine, options: Options, roomy: SimpleNamespace
) -> None:
    roomy.disk = 3 * GIB
    assert look(engine, options).ok
    roomy.disk = GIB // 2
    assert not look(engine, options).ok


def test_every_failure_says_what_to_do(
    engine: LocalEngine, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.unreachable = True
    monkeypatch.setattr(names, "resolve", lambda name: ["10.0.0.7"])
    wrong = [check for check in look(engine, options).checks if not check.ok]
    assert wrong and [check.id for check in wrong if not check.message or not check.hint] == []


@pytest.fixture
def silence() -> Iterator[SimpleNamespace]:
    """``silence.keep``: does not answer before the test is over; ``silence.broken`` once it did."""
    over, broken = threading.Event(), threading.Event()

    def keep(*_: Any) -> Any:
        over.wait(60)
        broken.set()
        raise EngineUnreachable

    yield SimpleNamespace(keep=keep, broken=broken)
    over.set()


@pytest.mark.slow
@pytest.mark.parametrize("silent", ["info", "publisher", "image_id"])
def test_nobody_waits_for_a_docker_that_hangs(
    engine: LocalEngine, options: Options, roomy: SimpleNamespace, silence: SimpleNamespace, silent: str
) -> None:
    setattr(engine, silent, silence.keep)
    report = look(engine, options, deadline=0.5)
    assert not silence.broken.is_set()
    assert not report.ok and len(report.checks) == 15


@pytest.mark.slow
def test_a_check_that_does_not_finish_says_so(
    engine: LocalEngine,
    options: Options,
    roomy: SimpleNamespace,
    silence: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(names, "resolve", silence.keep)
    report = look(engine, options, deadline=0.5)
    check = check_of(report, "hostname")
    assert not silence.broken.is_set() and report.ok
    assert not check.ok and check.severity == "warning" and "did not finish" in check.message


def test_what_the_system_refuses_is_a_failed_check(
    engine: LocalEngine, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_available_memory", Path("/proc/none").stat)
    check = check_of(look(engine, options), "memory")
    assert not check.ok and "No such file" in check.message


# --- Docker ------------------------------------------------------------------------------------------------
def test_the_engine_and_its_api_are_named(engine: LocalEngine, options: Options) -> None:
    message = check_of(look(engine, options), "docker").message
    assert "Docker Engine 20.10.24" in message and "API 1.41" in message


def test_an_engine_that_does_not_answer_is_an_error(engine: LocalEngine, options: Options) -> None:
    engine.unreachable = True
    report = look(engine, options)
    check = check_of(report, "docker")
    assert not report.ok and (check.ok, check.severity) == (False, "error")
    assert (check.message, check.hint) == (EngineUnreachable.message, EngineUnreachable.hint)


def test_without_docker_the_ports_of_this_machine_are_still_looked_at(
    engine: LocalEngine, options: Options
) -> None:
    engine.unreachable = True
    with socket.create_server(("127.0.0.1", 25 + options.port_offset)):
        report = look(engine, options)
    assert not check_of(report, "port_25").ok and check_of(report, "port_587").ok


@pytest.mark.parametrize(
    ("host", "local"), [("", True), ("unix:///x.sock", True), ("tcp://10.0.0.9:2376", False)]
)
def test_without_docker_its_address_tells_where_it_is(
    engine: LocalEngine, options: Options, monkeypatch: pytest.MonkeyPatch, host: str, local: bool
) -> None:
    engine.unreachable = True
    monkeypatch.setenv("DOCKER_HOST", host)
    assert machine.Machine("mail.example.org", engine, options, 5).is_local is local


def test_a_rootless_engine_is_a_warning_for_low_ports_only(engine: LocalEngine, options: Options) -> None:
    engine.rootless = True
    assert check_of(look(engine, options), "docker").ok
    check = check_of(look(engine, replace(options, port_offset=0)), "docker")
    assert not check.ok and check.severity == "warning" and "ip_unprivileged_port_start" in check.hint


# --- ports -------------------------------------------------------------------------------------------------
def test_a_taken_port_is_an_error_that_names_the_holder(engine: LocalEngine, options: Options) -> None:
    with socket.create_server(("127.0.0.1", 587 + options.port_offset)):
        report = look(engine, options)
    check = check_of(report, "port_587")
    assert not report.ok and (check.ok, check.severity) == (False, "error")
    assert (
        f"Port {587 + options.port_offset} is already taken by" in check.message
        and "process" in check.message
    )


def test_a_container_that_publishes_the_port_is_named(engine: LocalEngine, options: Options) -> None:
    engine.busy_ports = {465 + options.port_offset: "mailcow"}
    check = check_of(look(engine, options), "port_465")
    assert not check.ok and "the container mailcow" in check.message and "docker stop mailcow" in check.hint


@pytest.mark.parametrize(
    ("container", "ours"), [("qz-test-postfix", True), ("qz-test-2-postfix", False), ("qz-test-mysql", False)]
)
def test_only_our_own_containers_may_hold_a_port(
    engine: LocalEngine, options: Options, container: str, ours: bool
) -> None:
    engine.busy_ports = {25 + options.port_offset: container}
    assert check_of(look(engine, options), "port_25").ok is ours


def test_rspamds_port_is_looked_at_on_this_machine_alone(engine: LocalEngine, options: Options) -> None:
    with socket.create_server(("127.0.0.2", 11334 + options.port_offset)):
        assert check_of(look(engine, replace(options, bind="0.0.0.0")), "port_11334").ok
    with socket.create_server(("127.0.0.1", 11334 + options.port_offset)):
        assert not check_of(look(engine, replace(options, bind="127.0.0.2")), "port_11334").ok


def test_an_offset_beyond_all_ports_is_refused(engine: LocalEngine, options: Options) -> None:
    check = check_of(look(engine, replace(options, port_offset=60_000)), "port_11334")
    assert not check.ok and "The port 71334 does not exist" in check.message


def test_on_another_machine_a_bind_here_proves_nothing_and_it_says_so(options: Options) -> None:
    engine = FakeEngine(list(IMAGES.values()), busy_ports={465 + options.port_offset: "mailcow"})
    with socket.create_server(("127.0.0.1", 25 + options.port_offset)):
        report = look(engine, options)
    check = check_of(report, "port_25")
    assert check.ok and "cannot be checked from here" in check.message
    assert not check_of(report, "port_465").ok


# --- room --------------------------------------------------------------------------------------------------
def test_a_small_disk_is_a_warning_and_a_full_one_an_error(
    engine: LocalEngine, options: Options, roomy: SimpleNamespace
) -> None:
    for free, ok, severity in (
        (5 * GIB, True, "error"),
        (5 * GIB - 1, False, "warning"),
        (GIB, False, "warning"),
        (GIB - 1, False, "error"),
    ):
        with case(free, ok, severity):
            roomy.disk = free
            check = check_of(look(engine, options), "disk")
            assert (check.ok, check.severity) == (ok, severity) and " free on the disk of " in check.message


def test_little_memory_is_a_warning_and_none_an_error(
    engine: LocalEngine, options: Options, roomy: SimpleNamespace
) -> None:
    for free, ok, severity in (
        (GIB, True, "error"),
        (GIB - 1, False, "warning"),
        (GIB // 4, False, "warning"),
        (GIB // 4 - 1, False, "error"),
    ):
        with case(free, ok, severity):
            roomy.memory = free
            check = check_of(look(engine, options), "memory")
            assert (check.ok, check.severity) == (ok, severity)


def test_of_another_machine_only_the_memory_is_known(options: Options, roomy: SimpleNamespace) -> None:
    roomy.memory = roomy.disk = 0
    report = look(FakeEngine(list(IMAGES.values())), options)
    assert check_of(report, "memory").message.startswith("4 GiB of memory built into the Docker host. ")
    assert check_of(report, "disk").ok and "cannot be checked" in check_of(report, "disk").message


def test_the_memory_of_logins_is_what_dovecot_may_use(engine: LocalEngine, options: Options) -> None:
    dovecot = (Path(blueprint.__file__).parent / "files" / "dovecot.conf").read_text()
    assert f"service auth-worker {{\n  process_limit = {machine.LOGINS_AT_ONCE}\n" in dovecot
    message = check_of(look(engine, options), "memory").message
    assert "10 simultaneous sign-ins need 190 MiB to check their passwords, and up to 2.5 GiB if" in message


def test_this_machines_memory_can_be_read() -> None:
    assert machine._available_memory() > 1 << 20


# --- images ------------------------------------------------------------------------------------------------
def test_an_image_is_here_or_will_be_fetched_or_is_an_error(options: Options) -> None:
    engine = LocalEngine([IMAGES["postfix"]], registry={IMAGES["dovecot"]: 100})
    report = look(engine, options)
    assert "is already on the Docker host" in check_of(report, "image_postfix").message
    assert (
        check_of(report, "image_dovecot").ok
        and "will be fetched" in check_of(report, "image_dovecot").message
    )
    check = check_of(report, "image_rspamd")
    assert not report.ok and not check.ok and "QUAZZAR_IMAGE_RSPAMD" in check.hint


def test_an_image_that_nobody_can_tell_of_is_an_error(engine: LocalEngine, options: Options) -> None:
    engine.errors["image_id"] = EngineTimeout("Docker took too long.")
    wrong = [check for check in look(engine, options).checks if check.id.startswith("image") and not check.ok]
    assert len(wrong) == 1 and "Docker took too long." in wrong[0].message


# --- the real engine ---------------------------------------------------------------------------------------
@pytest.fixture
def docker(docker_daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from mailboxes.engine.client import Engine

    monkeypatch.setenv("DOCKER_HOST", docker_daemon.url)
    with Engine(timeout=5) as engine:
        yield engine


@pytest.mark.real
def test_the_real_engine_is_looked_at(docker: Any, options: Options) -> None:
    images = dict.fromkeys(IMAGES, "quazzar-no-such-image.invalid/none:none")
    report = look(docker, replace(options, images=images))
    assert check_of(report, "docker").ok and check_of(report, "port_25").ok
    assert not check_of(report, "image_postfix").ok


@pytest.mark.real
def test_a_real_container_that_publishes_the_port_is_named(
    docker: Any, docker_client: Any, stack_images: Any, stack_project: str, options: Options
) -> None:
    number = 25 + options.port_offset
    stranger = f"{stack_project}-stranger"
    with running(
        docker_client,
        stack_images.dovecot,
        name=stranger,
        command=["sleep", "infinity"],
        ports={"25/tcp": ("127.0.0.1", number)},
    ):
        check = check_of(look(docker, options), "port_25")
    assert check.message == f"Port {number} is already published by the container {stranger}."
