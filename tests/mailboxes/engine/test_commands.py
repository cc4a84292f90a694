"""Commands in a real container: input, output, time, and a connection that breaks; by unix socket, TCP and TLS."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from mailboxes.engine.client import Engine
from quazzar.errors import EngineTimeout, EngineUnreachable, NotRunning, StackError
from tests.cutting import CuttingEngine
from tests.mailboxes.engine.forwarding import Forwarder
from tests.rig import wait_until
from tests.rig.ca import Certificate, CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mailboxes.engine.worlds import RealWorld

pytestmark = pytest.mark.real
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for DOCKER_CERT_PATH, whose certificate serves the other side too."""
    directory: Path = tmp_path_factory.mktemp("certificates")
    authority = CertificateAuthority(directory)
    issued = authority.issue()
    issued.cert_file.rename(directory / "cert.pem")
    issued.key_file.rename(directory / "key.pem")
    return directory


@pytest.fixture(params=["unix", "tcp", "tls"])
def engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, docker_socket: str, certificates: Path
) -> Iterator[Engine]:
    """An edge that reaches the same Engine in one of three ways."""
    if request.param == "unix":
        with Engine() as made:
            yield made
        return
    keys = _issued(certificates) if request.param == "tls" else None
    with Forwarder(docker_socket, keys) as forwarder, Engine() as made:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{forwarder.port}")
        if keys:
            monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
            monkeypatch.setenv("DOCKER_CERT_PATH", str(certificates))
        yield made
        assert forwarder.connections


def _issued(directory: Path) -> Certificate:
    return Certificate(directory / "cert.pem", directory / "key.pem")


# --- input and output --------------------------------------------------------------------------------------
def test_both_streams_come_back_apart(engine: Engine, box: str) -> None:
    result = engine.run(box, ["sh", "-c", "printf out; printf err >&2; exit 3"])
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"out", b"err")


def test_the_input_arrives_whole(engine: Engine, box: str) -> None:
    result = engine.run(box, ["head", "-c", "7"], stdin=b"a\x00b\xff\r\nc")
    assert (result.exit_code, result.stdout) == (0, b"a\x00b\xff\r\nc")


def test_much_goes_in_while_much_comes_out(engine: Engine, box: str) -> None:
    data = os.urandom(MEGABYTE) * 20
    script = f"head -c {len(data)} | tee /dev/stderr"
    result = engine.run(box, ["sh", "-c", script], stdin=data, timeout=120)
    assert result.exit_code == 0
    assert result.stdout == data
    assert result.stderr == data


def test_a_command_that_reads_nothing_ends_all_the_same(engine: Engine, box: str) -> None:
    result = engine.run(box, ["sh", "-c", "echo no; exit 76"], stdin=bytes(20 * MEGABYTE))
    assert (result.exit_code, result.stdout) == (76, b"no\n")


def test_a_command_that_says_much_before_it_reads(engine: Engine, box: str) -> None:
    script = f"head -c {5 * MEGABYTE} /dev/zero; head -c {5 * MEGABYTE} | wc -c"
    result = engine.run(box, ["sh", "-c", script], stdin=bytes(5 * MEGABYTE))
    assert result.stdout[5 * MEGABYTE :] == b"5000000\n"


def test_nobody_waits_for_what_comes_after_the_last_words(engine: Engine, box: str) -> None:
    engine.run(box, ["rm", "-f", "/tmp/over"])
    script = "echo; echo over; until [ -e /tmp/over ]; do sleep 0.05; done; echo more"
    result = engine.run(box, ["sh", "-c", script], stdin=b"x", last_words=b"over\n")
    assert (result.exit_code, result.stdout) == (0, b"\nover\n")
    engine.run(box, ["touch", "/tmp/over"])


def test_without_its_last_words_a_command_has_an_exit_code(engine: Engine, box: str) -> None:
    for code in (0, 3):
        result = engine.run(box, ["sh", "-c", f"echo ove; exit {code}"], stdin=b"x", last_words=b"over\n")
        assert (result.exit_code, result.stdout) == (code, b"ove\n")


def test_without_input_a_command_that_reads_sees_the_end(engine: Engine, box: str) -> None:
    assert engine.run(box, ["cat"]).stdout == b""


def test_a_program_that_is_not_there_is_an_exit_code(engine: Engine, box: str) -> None:
    for program in ("quazzar-no-such-program", "/etc/passwd", "/no/such/place"):
        assert engine.run(box, [program]).exit_code in {126, 127}, program


def test_a_command_can_run_as_somebody_else(engine: Engine, box: str) -> None:
    assert engine.run(box, ["id", "-un"], user="nobody").stdout == b"nobody\n"
    assert engine.run(box, ["id", "-un"]).stdout == b"root\n"


def test_the_input_may_be_made_while_the_command_starts(engine: Engine, box: str) -> None:
    def data() -> bytes:
        wait_until(lambda: engine.run(box, ["test", "-s", "/tmp/begun"]).exit_code == 0)
        return b"1234"

    engine.run(box, ["rm", "-f", "/tmp/begun"])
    assert engine.run(box, ["sh", "-c", "echo 1 >/tmp/begun; head -c 4"], stdin=data).stdout == b"1234"


def test_an_input_that_cannot_be_made_is_none(engine: Engine, box: str) -> None:
    def data() -> bytes:
        raise ValueError("It cannot be rendered.")

    engine.run(box, ["rm", "-f", "/tmp/unmade", "/tmp/unmade.done"])
    with pytest.raises(ValueError, match="cannot be rendered"):
        engine.run(box, ["sh", "-c", "head -c 4 >/tmp/unmade; echo $? >/tmp/unmade.done"], stdin=data)
    wait_until(lambda: engine.run(box, ["test", "-s", "/tmp/unmade.done"]).exit_code == 0)
    assert engine.run(box, ["wc", "-c", "/tmp/unmade"]).stdout == b"0 /tmp/unmade\n"


def test_commands_run_side_by_side(engine: Engine, box: str) -> None:
    outputs: dict[int, bytes] = {}

    def run(number: int) -> None:
        outputs[number] = engine.run(box, ["head", "-c", "1"], stdin=str(number).encode()).stdout

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {number: str(number).encode() for number in range(8)}


# --- time --------------------------------------------------------------------------------------------------
def test_a_command_that_takes_too_long_is_given_up(engine: Engine, box: str) -> None:
    with pytest.raises(EngineTimeout, match=r"sleep in .* took longer than 1 seconds") as caught:
        engine.run(box, ["sleep", "20"], timeout=1)
    assert caught.value.hint


def test_the_time_limit_is_for_all_of_it_not_for_each_word(engine: Engine, box: str) -> None:
    with pytest.raises(EngineTimeout):
        engine.run(box, ["sh", "-c", "for i in $(seq 100); do echo $i; sleep 0.1; done"], timeout=1)


def test_a_command_that_does_not_read_its_input_in_time_is_given_up(engine: Engine, box: str) -> None:
    with pytest.raises(EngineTimeout):
        engine.run(box, ["sleep", "20"], stdin=bytes(20 * MEGABYTE), timeout=1)


def test_a_command_whose_output_ends_before_it_does_is_waited_for(engine: Engine, box: str) -> None:
    result = engine.run(box, ["sh", "-c", "echo said; exec >&- 2>&-; sleep 1; exit 5"])
    assert (result.exit_code, result.stdout) == (5, b"said\n")


# --- what breaks -------------------------------------------------------------------------------------------
def test_a_cut_input_is_an_error_and_the_command_sees_its_end(box: str) -> None:
    with CuttingEngine(after=1000) as engine:
        with pytest.raises(EngineUnreachable, match=f"lost while a command ran in {box}"):
            engine.run(box, ["sh", "-c", "head -c 5000 >/tmp/cut; echo $? >/tmp/cut.done"], stdin=bytes(5000))
        wait_until(lambda: engine.run(box, ["test", "-s", "/tmp/cut.done"]).exit_code == 0)
        # That is why length and digest are sent before the data: head treated it as a success.
        assert engine.run(box, ["cat", "/tmp/cut.done"]).stdout == b"0\n"
        assert engine.run(box, ["wc", "-c", "/tmp/cut"]).stdout == b"1000 /tmp/cut\n"


def test_after_the_cut_the_next_one_is_whole(box: str) -> None:
    with CuttingEngine(after=2, cuts=1) as engine:
        with pytest.raises(EngineUnreachable):
            engine.run(box, ["head", "-c", "4"], stdin=b"1234")
        assert engine.run(box, ["head", "-c", "4"], stdin=b"1234").stdout == b"1234"


def test_a_connection_that_breaks_is_one_of_our_errors(box: str, front: Forwarder) -> None:
    with Engine() as engine:
        engine.run(box, ["true"])
        cutting = threading.Timer(0.5, front.sever)
        cutting.start()
        with pytest.raises(StackError):
            engine.run(box, ["sh", "-c", "echo begun; sleep 20"], timeout=3)
        cutting.join()
        # The next command makes a new connection.
        assert engine.run(box, ["true"]).exit_code == 0


def test_a_container_that_is_stopped_takes_its_commands_with_it(real_world: RealWorld) -> None:
    name, engine = real_world.running(), real_world.engine
    stopping = threading.Timer(0.5, engine.stop, (name, 1))
    stopping.start()
    assert engine.run(name, ["sleep", "60"], timeout=40).exit_code != 0
    stopping.join()
    with pytest.raises(NotRunning):
        engine.run(name, ["true"])


# --- logs --------------------------------------------------------------------------------------------------
def test_logs_are_the_last_lines_of_both_streams(real_world: RealWorld) -> None:
    script = "for i in 1 2 3; do echo out $i; done; echo é err >&2; printf '\\377\\n'; exec sleep infinity"
    name = real_world.running(real_world.spec(command=("sh", "-c", script)))
    wait_until(lambda: real_world.engine.logs(name, 100).count("\n") == 5)
    lines = real_world.engine.logs(name, 100).splitlines()
    assert {"out 1", "out 2", "out 3", "é err", "\N{REPLACEMENT CHARACTER}"} == set(lines)
    assert len(real_world.engine.logs(name, 2).splitlines()) == 2
