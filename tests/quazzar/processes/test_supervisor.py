"""The supervisor over harmless programs: start, restart, stop, and no orphans."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from quazzar.processes import kernel
from quazzar.processes.child import Child, Spec, backoff
from quazzar.processes.output import Output
from quazzar.processes.ports import PortUnavailable, holder, listen
from quazzar.processes.supervisor import STOP_ORDER, main
from tests.quazzar.nodes import alive, descendants, fake_node, wait_until

SLEEP = "import time; print('up'); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
FOUR = f"specs = [program(name, {SLEEP!r}) for name in ('broker', 'web', 'worker', 'beat')]"
ONE = f"specs = [program('web', {SLEEP!r})]"


def test_the_wait_before_a_restart_doubles_up_to_half_a_minute() -> None:
    assert [backoff(failures) for failures in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.slow
def test_it_stops_beat_first_and_the_broker_last_and_exits_cleanly(tmp_path: Path) -> None:
    with fake_node(tmp_path, FOUR) as node:
        node.says("beat    | up")
        assert node.stop(signal.SIGINT) == 0
        ends = [line.split()[0] for line in node.lines if line.endswith("» stopped")]
        assert ends == [*STOP_ORDER, "quazzar"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_stops_cleanly_on_other_signals_too(tmp_path: Path, number: signal.Signals) -> None:
    with fake_node(tmp_path, ONE) as node:
        node.says("web     | up")
        assert node.stop(number) == 0
        assert not alive(node.pids("web")[0])


def test_a_program_that_does_not_stop_is_killed_at_the_second_request(tmp_path: Path) -> None:
    with fake_node(tmp_path, f"specs = [program('web', {STUBBORN!r})]") as node:
        node.says("web     | up")
        node.process.send_signal(signal.SIGINT)
        node.says("stopping")
        assert node.stop(signal.SIGINT) == 0
        assert "is killed" in node.text
        assert not alive(node.pids("web")[0])


@pytest.mark.slow
def test_a_program_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    with fake_node(tmp_path, f"s.STOP_GRACE = 0.1\nspecs = [program('web', {STUBBORN!r})]") as node:
        node.says("web     | up")
        assert node.stop() == 0
        assert "is killed" in node.text


@pytest.mark.slow
def test_a_killed_program_is_started_again_and_the_others_stay(tmp_path: Path) -> None:
    with fake_node(tmp_path, FOUR) as node:
        node.says("beat    | up")
        os.kill(node.pids("worker")[0], signal.SIGKILL)
        node.says("worker  | » ended unexpectedly (SIGKILL); next start in 1 s")
        wait_until(lambda: len(node.pids("worker")) == 2, "a second worker")
        assert alive(node.pids("worker")[1])
        assert len(node.pids("web")) == 1
        assert node.stop() == 0


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with fake_node(tmp_path, FOUR) as node:
        node.says("beat    | up")
        family = descendants(node.process.pid)
        assert len(family) == 4
        node.process.kill()
        wait_until(lambda: not any(map(alive, family)), "all children end")


@pytest.mark.slow
def test_what_a_dead_program_leaves_behind_is_ended_before_the_next_start(tmp_path: Path) -> None:
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); {SLEEP}"
    with fake_node(tmp_path, f"specs = [program('web', {parent!r})]") as node:
        wait_until(lambda: len(descendants(node.process.pid)) == 2, "parent and child")
        left_behind = descendants(node.pids("web")[0])
        os.kill(node.pids("web")[0], signal.SIGKILL)
        wait_until(lambda: len(node.pids("web")) == 2, "a second start")
        assert not any(map(alive, left_behind))


def test_the_others_wait_until_the_broker_answers(tmp_path: Path) -> None:
    answers = "answers=lambda: (here / 'go').exists()"
    programs = f"specs = [program('broker', {SLEEP!r}, {answers}), program('web', {SLEEP!r})]"
    with fake_node(tmp_path, programs) as node:
        node.says("broker  | up")
        assert not node.pids("web")
        (tmp_path / "go").touch()
        node.says("web     | up")
        assert node.text.index("broker  | » answers") < node.text.index("web     | » started")


@pytest.mark.slow
def test_a_broker_that_twice_ends_unanswered_drops_its_data_and_shows_its_words(tmp_path: Path) -> None:
    code = "print('Bad file format'); raise SystemExit(1)"
    more = "answers=lambda: False, drop_data=lambda: 'data dropped', quiet=True"
    with fake_node(tmp_path, f"specs = [program('broker', {code!r}, {more})]") as node:
        node.says("data dropped")
        assert node.text.count("broker  | Bad file format") == 2
        assert node.text.count("data dropped") == 1
        assert node.stop() == 0


@pytest.mark.slow
def test_a_program_that_is_not_there_is_named_and_tried_again(tmp_path: Path) -> None:
    with fake_node(tmp_path, "specs = [Spec('web', ('/nonexistent/program',))]") as node:
        node.says("cannot be started (No such file or directory: /nonexistent/program); next start in 2 s")
        assert node.stop() == 0


def test_a_program_that_closes_its_output_costs_no_time(tmp_path: Path) -> None:
    closed = str(tmp_path / "closed")
    code = f"import os, time; os.close(1); os.close(2); open({closed!r}, 'w'); time.sleep(600)"
    with fake_node(tmp_path, f"specs = [program('web', {code!r})]") as node:
        wait_until((tmp_path / "closed").exists, "the output closed")
        spent = Path(f"/proc/{node.process.pid}/schedstat").read_text
        assert int(spent().split()[2]) < 10_000  # times on a processor: a busy loop has a million
        assert node.stop() == 0


def child(code: str, form: str = "text") -> tuple[Child, io.StringIO]:
    stream = io.StringIO()
    return Child(Spec("web", (sys.executable, "-c", code)), Output(form, stream)), stream


def run_to_end(program: Child) -> int:
    assert program.start(0)
    wait_until(program.has_ended, "its end")
    return program.clear_away()


def test_a_last_line_without_its_end_is_shown() -> None:
    program, stream = child("print('one\\ntwo', end='')")
    assert run_to_end(program) == 0
    assert stream.getvalue().splitlines()[1:] == ["web     | one", "web     | two"]


def test_secrets_that_a_program_prints_are_masked() -> None:
    program, stream = child("print('password=hunter2 for redis://:hunter3@host')")
    run_to_end(program)
    assert "hunter" not in stream.getvalue()


def test_as_json_every_line_is_an_object() -> None:
    program, stream = child('print(\'{"level": "info"}\\nplain\'); raise SystemExit(3)', "json")
    program.plan_restart(0, run_to_end(program))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    messages = [line.get("message") for line in lines][1:]
    assert messages == [None, "plain", "ended unexpectedly (exit code 3); next start in 1 s"]
    assert lines[0]["process"] == "web"


def test_as_json_a_traceback_is_one_object() -> None:
    program, stream = child("raise ValueError('password=hunter2')", "json")
    run_to_end(program)
    _, failure = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert failure.startswith("Traceback")
    assert failure.endswith("ValueError: password=[redacted]")


def test_a_reader_who_went_away_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    output = Output("text", os.fdopen(write, "w"))
    output.state("web", "started")
    output.state("web", "stopped")


def test_after_a_steady_time_earlier_failures_are_forgotten() -> None:
    program, stream = child("pass")
    run_to_end(program)
    for ended_at in (1.0, 2.0, 100.0):
        program.plan_restart(ended_at, 1)
    waits = [line.rpartition("next start in ")[2] for line in stream.getvalue().splitlines()[1:]]
    assert waits == ["1 s", "2 s", "1 s"]


def test_a_second_supervisor_on_the_same_data_dir_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with kernel.exclusive(tmp_path / "up.lock"):
        assert main(["--host", "127.0.0.1", "--port", "0", "--data-dir", str(tmp_path)]) == 1
    assert f"Quazzar is already running on {tmp_path} (process {os.getpid()})." in capsys.readouterr().err
    with kernel.exclusive(tmp_path / "up.lock"):
        pass


def test_a_busy_port_is_refused_and_its_holder_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with listen("127.0.0.1", 0) as busy:
        port = busy.getsockname()[1]
        assert main(["--host", "127.0.0.1", "--port", str(port), "--data-dir", str(tmp_path)]) == 1
        sentence = capsys.readouterr().err
        assert f"Port {port} on 127.0.0.1 is already taken by " in sentence
        assert f"(process {os.getpid()})" in sentence
    assert holder(port) == ""


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(PortUnavailable):
        listen(host, 0)


def test_ipv6_can_be_listened_on() -> None:
    with listen("::1", 0) as listener:
        assert listener.getsockname()[1] > 0
