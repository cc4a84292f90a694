"""Texts of engines old and new → errors; the wording differs between versions of Docker."""

from __future__ import annotations

import http.client
import json
import socket
import ssl

import pytest

from mailboxes.engine import failures
from mailboxes.engine.failures import Refused
from mailboxes.engine.values import Result
from quazzar.errors import EngineTimeout, EngineUnreachable, NotThere, StackError
from tests.mailboxes.trials import case

DRIVER = "driver failed programming external connectivity on endpoint qz-postfix (0f1e2d3c): "


def test_the_port_that_is_taken() -> None:
    for text, port in (
        (
            DRIVER
            + "Error starting userland proxy: listen tcp4 127.0.0.1:20025: bind: address already in use",
            20025,
        ),
        (DRIVER + "Error starting userland proxy: listen tcp 0.0.0.0:25: bind: address already in use", 25),
        (DRIVER + "Error starting userland proxy: listen tcp6 [::]:993: bind: address already in use", 993),
        (DRIVER + "Bind for 0.0.0.0:587 failed: port is already allocated", 587),
        (DRIVER + "Bind for :::465 failed: port is already allocated", 465),
        (
            "failed to set up networking: "
            + DRIVER
            + "Bind for 0.0.0.0:25 failed: port is already allocated",
            25,
        ),
        (DRIVER + "failed to bind host port for 0.0.0.0:143:172.17.0.2:143/tcp: address already in use", 143),
        (DRIVER + "failed to bind host port 0.0.0.0:143/tcp: address already in use", 143),
        ("cannot start: address already in use", 0),
        ("OCI runtime create failed", None),
        (DRIVER + "listen tcp4 0.0.0.0:25: bind: permission denied", None),
    ):
        with case(text, port):
            assert failures.port_in_use(text) == port


def test_what_to_do_about_a_port_depends_on_who_has_it() -> None:
    assert "ss -ltnp 'sport = :25'" in failures.port_taken(25, "qz-postfix", "").hint
    assert "docker stop other" in failures.port_taken(25, "qz-postfix", "other").hint
    assert failures.port_taken(0, "qz-postfix", "").message.startswith("A port is already in use")


def test_why_an_image_cannot_be_fetched() -> None:
    for text, hint in (
        ("manifest for boky/postfix:v0 not found: manifest unknown", "QUAZZAR_IMAGE_"),
        ("pull access denied for boky/postfx, repository does not exist", "QUAZZAR_IMAGE_"),
        ("toomanyrequests: You have reached your pull rate limit.", "limit"),
        ("write /var/lib/docker/tmp/x: no space left on device", "disk space"),
        ("dial tcp: lookup registry on 127.0.0.53:53: no such host", "docker load"),
        ("net/http: request canceled while waiting for connection", "docker load"),
    ):
        with case(text, hint):
            error = failures.image_unavailable("boky/postfix:v0", text)
            assert error.message.startswith("The image boky/postfix:v0 cannot be fetched: ")
            assert not error.message.endswith("..")
            assert hint in error.hint


def wrapped(inner: Exception) -> Exception:
    """As the libraries do it: the system's error lies in the arguments, or in ``reason``."""
    middle = RuntimeError("Connection aborted.", inner)
    outer = ValueError("Error while fetching server API version")
    outer.__cause__ = middle
    return outer


def test_the_systems_error_is_found_under_what_the_libraries_raise() -> None:
    for inner, kind, word in (
        (PermissionError(13, "Permission denied"), EngineUnreachable, "may not open"),
        (FileNotFoundError(2, "No such file"), EngineUnreachable, "no Docker Engine at"),
        (ConnectionRefusedError(111, "refused"), EngineUnreachable, "does not answer"),
        (ConnectionResetError(104, "reset"), EngineUnreachable, "was lost"),
        (BrokenPipeError(32, "pipe"), EngineUnreachable, "was lost"),
        (socket.gaierror(-2, "Name or service not known"), EngineUnreachable, "does not resolve"),
        (TimeoutError("timed out"), EngineTimeout, "took too long"),
        (OSError(113, "No route to host"), EngineUnreachable, "cannot be used: No route to host."),
        (http.client.IncompleteRead(b"{", 9), EngineUnreachable, "was lost"),
        (http.client.BadStatusLine("220 mx ESMTP"), EngineUnreachable, "is not a Docker Engine"),
        (json.JSONDecodeError("Expecting value", "<html>", 0), EngineUnreachable, "is not a Docker Engine"),
        (
            ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF) (_ssl.c:992)"),
            EngineUnreachable,
            "failed: the server closed the connection during the TLS handshake.",
        ),
        (
            ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:1006)"),
            EngineUnreachable,
            "failed: the server closed the connection during the TLS handshake.",
        ),
    ):
        with case(inner, kind, word):
            error = failures.no_answer(wrapped(inner), "unix:///x.sock")
            assert type(error) is kind
            assert word in error.message
            assert "unix:///x.sock" in error.message
            assert error.hint
            assert not error.permanent


def test_exceptions_that_go_in_a_circle_are_no_trouble() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    assert set(failures.causes(first)) == {first, second}


def test_a_helper_for_signing_in_that_fails_is_not_taken_for_an_engine_that_is_gone() -> None:
    broken = ValueError("Credentials store error: docker-credential-desktop not installed")
    broken.__cause__ = FileNotFoundError(2, "No such file")
    error = failures.no_answer(broken, "unix:///x.sock")
    assert type(error) is StackError
    assert "credsStore" in error.hint


def test_a_long_text_is_cut_and_put_on_one_line() -> None:
    assert str(Refused("do it", 500, "one\n two " + "x" * 1000)).startswith(
        "Docker refused to do it: one two xxx"
    )
    assert len(Refused("do it", 500, "x" * 1000).message) < 350


def test_of_404_the_container_and_what_it_lacks_are_told_apart() -> None:
    with pytest.raises(NotThere, match="There is no container qz-a"), failures.absent_is_an_error("qz-a"):
        raise Refused("start qz-a", 404, "No such container: qz-a")
    with pytest.raises(NotThere, match="network qz not found"), failures.absent_is_an_error("qz-a"):
        raise Refused("start qz-a", 404, "network qz not found")


def test_other_refusals_stay_what_they_are() -> None:
    for guard in (failures.absent_is_fine(), failures.absent_is_an_error("a"), failures.must_run("a")):
        with pytest.raises(Refused), guard:
            raise Refused("do it", 500, "broken")


def test_a_failed_command_shows_its_last_words_and_never_more() -> None:
    error = failures.command_failed("doveadm", "qz-dovecot", Result(65, b"out\n", b"first\nlast words\n"))
    assert error.message == "doveadm in qz-dovecot failed (exit 65): last words."
    assert "no message" in failures.command_failed("x", "y", Result(1)).message
    assert "out" in failures.command_failed("x", "y", Result(1, b"out\n")).message


def test_results_and_files_do_not_show_what_is_in_them() -> None:
    from mailboxes.engine.values import PutFile

    assert "secret" not in repr(Result(0, b"secret", b"secret"))
    assert "secret" not in repr(PutFile("/x", b"secret"))
