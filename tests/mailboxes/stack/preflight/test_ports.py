"""Whether a port can be published, and which program holds it: real listeners on this machine."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mailboxes.stack.preflight import ports
from tests.mailboxes.trials import case

LISTENER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def listening(address: str = "127.0.0.1", greeting: bytes = b"") -> Iterator[int]:
    """A listener of this process, which greets everybody who connects."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        threading.Thread(target=_greet, args=(listener, greeting), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _greet(listener: socket.socket, greeting: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.sendall(greeting)
        connection.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# --- free or not -------------------------------------------------------------------------------------------
def test_nothing_is_in_the_way_of_a_free_port() -> None:
    for bind in ("127.0.0.1", "0.0.0.0"):
        with case(bind):
            assert ports.obstacle(free_port(), bind, 25) is None


@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0"])
def test_the_process_that_holds_a_port_is_named(bind: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        obstacle = ports.obstacle(port, bind, 25)
        process.kill()
    assert obstacle and f"Port {port} is already taken by python" in obstacle.message
    assert f"(process {process.pid})" in obstacle.message


def test_a_program_that_listens_on_ipv6_alone_is_not_in_the_way() -> None:
    with listening("::1") as port:
        assert ports.obstacle(port, "0.0.0.0", 25) is None
        assert ports.obstacle(port, "127.0.0.1", 25) is None


def test_who_listens_on_another_address_is_not_in_the_way() -> None:
    with listening("127.0.0.2") as port:
        assert ports.obstacle(port, "127.0.0.1", 25) is None


def test_a_connection_that_has_just_ended_does_not_keep_the_port() -> None:
    with listening(greeting=b"bye") as port, socket.create_connection(("127.0.0.1", port)) as talk:
        while talk.recv(100):
            pass
    assert ports.obstacle(port, "127.0.0.1", 25) is None


def test_an_address_of_another_machine_cannot_be_published_on() -> None:
    obstacle = ports.obstacle(free_port(), "192.0.2.7", 25)
    assert obstacle and "192.0.2.7" in obstacle.message and "QUAZZAR_STACK_BIND" in obstacle.hint


# --- without root's rights -----------------------------------------------------------------------------------
@pytest.fixture
def _no_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Binding is forbidden, and other users' processes are hidden, as for a user without privileges."""

    def refuse(address: str, port: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(ports, "_try", refuse)
    monkeypatch.setattr(ports, "holder", lambda port: "")


@pytest.mark.usefixtures("_no_rights")
def test_without_the_right_to_bind_a_port_is_free_when_nobody_answers() -> None:
    assert ports.obstacle(free_port(), "0.0.0.0", 25) is None


@pytest.mark.usefixtures("_no_rights")
def test_without_rights_a_mail_server_is_known_by_its_greeting() -> None:
    with listening(greeting=b"220 node.example.org ESMTP Postfix (Debian)\r\n250 more\r\n") as port:
        obstacle = ports.obstacle(port, "127.0.0.1", 25)
    assert obstacle and "greets with “220 node.example.org ESMTP Postfix (Debian)”" in obstacle.message
    assert "systemctl disable --now postfix" in obstacle.hint


@pytest.mark.usefixtures("_no_rights")
def test_without_rights_a_silent_program_is_another_program() -> None:
    with listening() as port:
        obstacle = ports.obstacle(port, "127.0.0.1", 25)
    assert obstacle and "already taken by another program." in obstacle.message
    assert f"ss -ltnp 'sport = :{port}'" in obstacle.hint


@pytest.mark.usefixtures("_no_rights")
def test_a_greeting_with_control_characters_is_shown_without_them() -> None:
    with listening(greeting=b"220 \x1b[31mevil\x00\xff" + b"x" * 500) as port:
        obstacle = ports.obstacle(port, "127.0.0.1", 25)
    assert obstacle and "\x1b" not in obstacle.message and len(obstacle.message) < 200


# --- what to do --------------------------------------------------------------------------------------------
def test_the_unit_behind_a_program_is_known() -> None:
    for program, standard, unit in (
        ("master (process 812)", 25, "postfix"),
        ("master (process 812)", 587, "postfix"),
        ("master (process 812)", 143, ""),
        ("exim4 (process 9)", 25, "exim4"),
        ("sendmail-mta (process 9)", 25, "sendmail"),
        ("smtpd (process 9)", 25, "opensmtpd"),
        ("dovecot (process 9)", 993, "dovecot"),
        ("cyrmaster (process 9)", 143, "cyrus-imapd"),
        ("a program that greets with “* OK Dovecot ready.”", 143, "dovecot"),
        ("nginx (process 9)", 25, ""),
        ("", 25, ""),
    ):
        with case(program, standard, unit):
            assert ports.unit_of(program, standard) == unit


@pytest.fixture
def holding(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], ports.Obstacle]:
    """``holding("exim4 (process 9)", 25)``: the obstacle of a port that this program holds."""

    def obstacle(program: str, standard: int) -> ports.Obstacle:
        monkeypatch.setattr(ports, "holder", lambda port: program)
        return ports.port_taken(standard, "127.0.0.1", standard)

    return obstacle


def test_a_host_postfix_on_25_gets_the_way_to_stop_it(holding: Callable[[str, int], ports.Obstacle]) -> None:
    obstacle = holding("master (process 812)", 25)
    assert obstacle.message == "Port 25 is already taken by master (process 812)."
    assert "systemctl disable --now postfix" in obstacle.hint and "bin/quazzar-sendmail" in obstacle.hint


def test_only_on_25_a_word_about_local_mail_is_said(holding: Callable[[str, int], ports.Obstacle]) -> None:
    assert "quazzar-sendmail" not in holding("dovecot (process 9)", 143).hint


def test_another_program_can_stay_where_the_stack_moves(
    holding: Callable[[str, int], ports.Obstacle],
) -> None:
    assert "QUAZZAR_STACK_PORT_OFFSET" in holding("nginx (process 9)", 25).hint
