"""The embedded broker: found, configured, answering, and never wedged by old files."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quazzar.processes import broker
from quazzar.processes.broker import BrokerUnavailable
from quazzar.processes.supervisor import broker_spec
from tests.quazzar.nodes import fake_node, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sock() -> Iterator[Path]:
    """Not in tmp_path, which may be too long: a socket's path has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="qz-") as directory:
        yield Path(directory) / "a folder" / 'with "quotes" and é' / "valkey.sock"


@contextmanager
def running(sock: Path, program: str = "") -> Iterator[None]:
    process = subprocess.Popen(
        [program or broker.executable(), str(broker.prepare(sock))], stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: broker.ping(sock), "the broker answers")
        yield
    finally:
        process.kill()
        process.wait()


def say(sock: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(sock))
        client.sendall(command.encode() + b"\r\n")
        return client.recv(65536).decode()


def bundled() -> str:
    return broker._bundled()


def test_a_server_on_the_path_goes_before_the_bundled_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "redis-server"
    own.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert broker.executable() == str(own)
    own.unlink()
    assert broker.executable() == bundled()
    assert os.access(bundled(), os.X_OK)


def test_without_any_server_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BrokerUnavailable) as caught:
        broker.executable()
    assert "REDIS_URL" in caught.value.hint


def test_nobody_else_can_reach_its_folder(sock: Path) -> None:
    sock.parent.mkdir(parents=True, mode=0o755)
    broker.prepare(sock)
    assert stat.S_IMODE(sock.parent.stat().st_mode) == 0o700


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(BrokerUnavailable, match="belongs to another user"):
        broker.prepare(tmp_path / "link" / "valkey.sock")


def test_no_answer_is_no_error(sock: Path) -> None:
    assert broker.ping(sock) is False


def test_one_that_takes_the_connection_and_says_nothing_does_not_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        assert broker.ping(tmp_path / "s", timeout=0.05) is False


@pytest.mark.real
def test_it_listens_on_its_socket_alone_and_keeps_its_data(sock: Path) -> None:
    with running(sock):
        assert say(sock, "CONFIG GET port").split()[-1] == "0"
        assert say(sock, "CONFIG GET maxmemory-policy").split()[-1] == "noeviction"
        assert stat.S_IMODE(sock.stat().st_mode) == 0o700
        say(sock, "SET doorbell rung")
        wait_until(lambda: "aof_pending_bio_fsync:0" in say(sock, "INFO persistence"), "written")
    with running(sock):
        assert "rung" in say(sock, "GET doorbell")


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
def test_an_older_server_reads_what_a_newer_one_wrote_even_after_a_rewrite(sock: Path) -> None:
    with running(sock, bundled()):
        say(sock, "SET doorbell rung")
        say(sock, "BGREWRITEAOF")
        wait_until(lambda: "aof_rewrite_in_progress:0" in say(sock, "INFO persistence"), "rewritten")
    with running(sock, "redis-server"):
        assert "rung" in say(sock, "GET doorbell")


@pytest.mark.real
def test_files_that_it_cannot_load_are_moved_aside_and_it_starts(tmp_path: Path) -> None:
    sock = tmp_path / "broker" / "valkey.sock"
    (sock.parent / "appendonlydir").mkdir(parents=True)
    (sock.parent / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    code = f"specs = [s.broker_spec(pathlib.Path({str(sock)!r}))]"
    with fake_node(tmp_path, code) as node:
        node.says("cannot load its old data, so it was moved aside: ")
        node.says("broker  | » answers")
        assert node.stop() == 0
    assert list(sock.parent.glob("appendonlydir.unreadable-*"))


def test_its_command_line_is_the_server_and_its_configuration(sock: Path) -> None:
    assert broker_spec(sock).argv == (broker.executable(), str(sock.parent / "valkey.conf"))


def test_nothing_to_move_aside_is_no_error(sock: Path) -> None:
    assert broker.set_aside(sock) == []
