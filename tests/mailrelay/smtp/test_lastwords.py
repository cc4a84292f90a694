"""A server that says why and hangs up: its code and words are in the failure, at whatever point that happens."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mailrelay.smtp import opening
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Envelope, Outcome, Target, Trace
from quazzar.errors import DeliveryError
from tests.rig.ca import CertificateAuthority
from tests.rig.faults import HANG_UP, FaultServer, Reply, Script, lines

MAIL = Envelope("node@example.org", ("ops@example.com",), b"Subject: hello\r\n\r\nx\r\n")
BUSY = "421 4.7.0 Try again later, closing connection. (EHLO) abc - gsmtp"
DENIED = "550 5.7.1 Access denied for this client"
Serve = Callable[..., FaultServer]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    authority = CertificateAuthority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    opening._tls_context.cache_clear()
    certificate = authority.issue()
    servers: list[FaultServer] = []

    def start(*, tls: bool = False, **fields: object) -> FaultServer:
        fields |= {"certificate": certificate} if tls else {}
        servers.append(FaultServer(Script(**fields)))  # type: ignore[arg-type]
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
    opening._tls_context.cache_clear()


def attempt(
    server: FaultServer, security: str = "none", *, login: bool = False, mail: Envelope = MAIL
) -> Outcome:
    """Open a connection and send one mail."""
    credentials = ("op", "password") if login else ()
    target = Target("localhost", server.port, security, *credentials)
    try:
        connection = Connection(target, deadline=time.monotonic() + 10).open()
        return connection.send(mail)
    except DeliveryError as exc:
        return Outcome(error=exc)


def failure(outcome: Outcome) -> DeliveryError:
    error = outcome.error or next(iter(outcome.refused.values()), None)
    assert error is not None
    return error


ENDS = {"hangs up": {"close": True}, "resets": {"reset": True}}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
def test_its_words_are_told_wherever_it_says_them(
    serve: Serve, subtests: pytest.Subtests, end: str, extensions: tuple[str, ...]
) -> None:
    for verb, answer, stage in [
        ("greeting", "554 5.7.1 203.0.113.9 is blocked", "connect"),
        ("greeting", lines(554, "5.7.1 You are blocked", "5.7.1 see https://example.com/"), "connect"),
        ("EHLO", BUSY, "connect"),
        ("EHLO", DENIED, "connect"),
        ("EHLO", "501 5.5.4 Invalid domain name", "connect"),
        ("HELO", DENIED, "connect"),
        ("AUTH", "421 4.7.0 Too many failed logins", "auth"),
        ("AUTH", "535 5.7.8 No such user", "auth"),
        ("MAIL", BUSY, "sender"),
        ("MAIL", "553 5.7.1 Not your address", "sender"),
        ("RCPT", "421 4.7.1 Too many errors", "recipient"),
        ("RCPT", "554 5.7.1 Relay access denied", "recipient"),
        ("DATA", "421 4.3.2 Shutting down", "data"),
        ("DATA", "554 5.5.1 No", "data"),
        (".", "421 4.3.2 Shutting down", "data"),
        (".", "554 5.7.1 Spam", "data"),
    ]:
        with subtests.test(verb=verb, answer=answer):
            commands = {"EHLO": Reply("502 5.5.1 What?")} if verb == "HELO" else {}
            said = Reply(answer, **ENDS[end])
            script: dict[str, object] = {"commands": {**commands, verb: said}}
            server = serve(**({"greeting": said} if verb == "greeting" else script), extensions=extensions,
                           users={"op": "password"})  # fmt: skip
            error = failure(attempt(server, login=True))
            assert (error.stage, error.smtp_code) == (stage, int(answer[:3]))
            assert answer.splitlines()[0][4:] in error.message
            assert answer.splitlines()[-1][4:] in error.message


def test_its_words_are_told_around_tls(serve: Serve, subtests: pytest.Subtests) -> None:
    refused = Reply("454 4.7.0 TLS is not available: no certificate", close=True)
    for verb, answers, stage, words in [
        ("STARTTLS", [refused], "tls", "no certificate"),
        (
            "STARTTLS",
            [Reply("220 Go ahead\n454 4.3.0 TLS library problem", close=True)],
            "tls",
            "library problem",
        ),
        ("EHLO", [None, Reply(BUSY, close=True)], "connect", "Try again later"),
        ("EHLO", [None, Reply(DENIED, reset=True)], "connect", "Access denied"),
        ("MAIL", [Reply(BUSY, close=True)], "sender", "Try again later"),
        (".", [Reply("554 5.7.1 Spam", reset=True)], "data", "Spam"),
    ]:
        with subtests.test(verb=verb, words=words):
            error = failure(attempt(serve(tls=True, commands={verb: answers}), "starttls"))
            assert (error.stage, words in error.message, bool(error.smtp_code)) == (stage, True, True)


def test_plain_words_in_place_of_implicit_tls(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine the words of this server take longer than those of a real one.
    monkeypatch.setattr(opening, "_PLAIN_SECONDS", 10.0)
    error = failure(attempt(serve(greeting=Reply("554 5.7.1 Blocked", close=True)), "tls"))
    assert (error.stage, error.smtp_code, "Blocked" in error.message) == ("connect", 554, True)
    error = failure(attempt(serve(), "tls"))  # it greets: that is no refusal, but the wrong port
    assert (error.stage, error.kind, error.smtp_code) == ("tls", "tls_wrong_version", None)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (Reply(b"554-5.7.1 Your network is blocked\r\n554-5.7.1 see", close=True), "rejected", "network is blocked"),
        (Reply(b"421 Too busy", close=True), "rejected", "Too busy"),
        (Reply(b"554 " + b"x" * 9000 + b"\r\n"), "rejected", "xxx"),
        (Reply(b"SSH-2.0-OpenSSH_9.2\r\n", close=True), "bad_greeting", "SSH-2.0-OpenSSH"),
        (Reply(b"220-Welcome\r\n", close=True), "closed", "closed the connection"),
        (HANG_UP, "closed", "closed the connection before greeting"),
    ],
)  # fmt: skip
def test_an_answer_that_is_cut_off_or_no_answer(serve: Serve, said: Reply, kind: str, words: str) -> None:
    error = failure(attempt(serve(greeting=said)))
    assert (error.stage, error.kind, words in error.message) == ("connect", kind, True)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("said", ["600 what", "999 9.9.9 what", "25503 half", "250-well\n5500 then"])
def test_a_number_that_is_no_code_of_smtp_is_neither_a_yes_nor_a_refusal_for_good(
    serve: Serve, verb: str, said: str
) -> None:
    error = failure(attempt(serve(commands={verb: said})))
    assert (error.permanent, error.smtp_code, "not SMTP" in error.message) == (False, None, True)


@pytest.mark.parametrize(("code", "commands"), [(500, 2), (502, 2), (421, 1), (501, 1), (550, 1), (554, 1)])
def test_helo_follows_only_where_ehlo_is_not_known(serve: Serve, code: int, commands: int) -> None:
    server = serve(commands={"EHLO": f"{code} no", "HELO": f"{code} no"})
    assert failure(attempt(server)).smtp_code == code
    verbs = [command[:4] for command in server.sessions[0].commands]
    assert [verb for verb in verbs if verb != "QUIT"] == ["EHLO", "HELO"][:commands]


def test_a_login_that_is_cut_off_half_way(serve: Serve) -> None:
    server = serve(users={"op": "password"}, mechanisms="LOGIN")
    server.script.commands["AUTH"] = Reply("454 4.7.0 Temporary failure", close=True)
    assert failure(attempt(server, login=True)).smtp_code == 454


def test_a_dead_connection_says_what_it_said_to_the_reset_before_the_next_mail(serve: Serve) -> None:
    server = serve(
        commands={"RCPT": ["550 5.1.1 No such user"], "RSET": Reply("421 4.4.2 Timeout", close=True)}
    )
    connection = Connection(Target("localhost", server.port, "none")).open()
    assert connection.send(MAIL).refused
    with pytest.raises(DeliveryError) as caught:
        connection.send(MAIL)
    assert (caught.value.smtp_code, caught.value.kind, caught.value.permanent) == (421, "closed", False)


@pytest.mark.parametrize("said", ["421 4.4.2 Idle for too long", "451 4.4.2 Timeout"])
def test_a_connection_that_timed_out_while_nobody_used_it(serve: Serve, said: str) -> None:
    server = serve(commands={"MAIL": Reply(said, reset=True)})
    connection = Connection(Target("localhost", server.port, "none")).open()
    error = None
    with suppress(DeliveryError):
        error = connection.send(MAIL).error
    assert error is None or error.smtp_code == int(said[:3])


def test_recipients_that_were_not_answered_are_tried_again(serve: Serve) -> None:
    server = serve(recipients={"b@example.com": Reply("554 5.7.1 Enough", close=True)})
    everybody = ("a@example.com", "b@example.com", "c@example.com")
    outcome = attempt(server, mail=Envelope(MAIL.sender, everybody, MAIL.data))
    assert {who: error.permanent for who, error in outcome.refused.items()} == {
        "a@example.com": False,
        "b@example.com": True,
        "c@example.com": False,
    }
    assert {error.smtp_code for error in outcome.refused.values()} == {554}


class Impatient:
    """A server that answers while the mail is still on its way, and goes."""

    def __init__(self, said: bytes) -> None:
        self._said = said
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Impatient:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with self._listener.accept()[0] as client:
            client.sendall(b"220 hi\r\n")
            for answer in (b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
                client.recv(65536)
                client.sendall(answer)
            client.recv(65536)
            client.sendall(self._said)


@pytest.mark.slow
@pytest.mark.parametrize("said", ["552 5.3.4 Too big", "421 4.3.2 Out of time"])
def test_an_answer_in_the_middle_of_the_body_is_heard(said: str) -> None:
    with Impatient(f"{said}\r\n".encode()) as server:
        connection = Connection(Target("127.0.0.1", server.port, "none"), trace=Trace(lines=[])).open()
        error = connection.send(Envelope(MAIL.sender, MAIL.recipients, b"x" * 70 + b"\r\n" * 8_000_000)).error
    assert error is not None
    assert (error.stage, error.smtp_code, error.permanent) == ("data", int(said[:3]), said.startswith("5"))


def test_a_server_that_takes_a_mail_it_cannot_have_is_not_believed() -> None:
    with Impatient(b"250 2.0.0 Ok\r\n") as server:
        connection = Connection(Target("127.0.0.1", server.port, "none")).open()
        with pytest.raises(DeliveryError) as caught:
            connection.send(Envelope(MAIL.sender, MAIL.recipients, b"x" * 70 + b"\r\n" * 8_000_000))
    assert (caught.value.kind, caught.value.permanent) == ("closed", False)
