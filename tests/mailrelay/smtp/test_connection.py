"""One connection to a scripted server: what is said, and how each failure is reported."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from mailrelay.smtp import channel
from mailrelay.smtp import opening as module
from mailrelay.smtp.channel import Channel
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Envelope, Target, Trace
from quazzar import hostnames
from quazzar.errors import DeliveryError
from tests.rig.faults import HANG_UP, SILENCE, BlackHole, FaultServer, Reply, Script

MAIL = Envelope("node@example.org", ("ops@example.com",), b"Subject: hello\r\n\r\n.dots\r\n..\r\n")
Serve = Callable[..., FaultServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[FaultServer] = []

    def start(script: Script | None = None, **fields: object) -> FaultServer:
        servers.append(FaultServer(script or Script(**fields)))  # type: ignore[arg-type]
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def target(server: FaultServer | BlackHole, **more: str) -> Target:
    return Target("127.0.0.1", server.port, more.pop("security", "none"), **more)


def connect(server: FaultServer | BlackHole, trace: Trace | None = None, **more: str) -> Connection:
    return Connection(target(server, **more), deadline=time.monotonic() + 5, trace=trace).open()


def failure(server: FaultServer | BlackHole, **more: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        connect(server, None, **more)
    return caught.value


def test_a_mail_arrives_with_its_dots(serve: Serve) -> None:
    server = serve()
    outcome = connect(server).send(MAIL)
    assert outcome.error is None
    assert server.accepted[0].content == MAIL.data


def test_no_connection_waits_until_this_hosts_own_name_is_looked_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a host whose name is in no DNS that takes seconds.
    def getfqdn(name: str = "") -> NoReturn:
        pytest.fail("this host's name is looked up")

    monkeypatch.setattr(socket, "getfqdn", getfqdn)
    assert connect(serve()).send(MAIL).error is None


@pytest.mark.parametrize(
    ("full", "said"), [((), "[127.0.0.1]"), (("node7.lan.example",), "node7.lan.example")]
)
def test_the_node_calls_itself_by_its_full_name(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, full: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr(hostnames, "current", lambda: hostnames.HostNames(("node7",), full))
    server = serve(helo_only=True)
    connect(server)
    assert server.sessions[0].commands[:2] == [f"EHLO {said}", f"HELO {said}"]


@pytest.mark.slow
@pytest.mark.parametrize(("extensions", "most"), [(("PIPELINING",), 3), ((), 1)])
def test_commands_go_in_one_flight_only_where_the_server_offers_it(
    serve: Serve, extensions: tuple[str, ...], most: int
) -> None:
    server = serve(extensions=extensions, latency=0.05)
    assert connect(server).send(MAIL).error is None
    assert server.max_in_flight == most
    assert server.sessions[0].early == []


@pytest.mark.slow
def test_the_next_mail_is_announced_with_the_body_of_this_one(serve: Serve) -> None:
    server = serve(latency=0.05)
    connection = connect(server)
    assert connection.wait(connection.begin(MAIL)) is None
    outcome, announced = connection.wait(connection.finish(MAIL, MAIL))
    assert (outcome.error, announced) == (None, True)
    assert connection.wait(connection.announced(MAIL)) is None
    assert connection.wait(connection.finish(MAIL, None))[0].error is None
    assert len(server.accepted) == 2
    assert server.sessions[0].early == []


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
def test_one_refused_recipient_does_not_block_the_others(serve: Serve, extensions: tuple[str, ...]) -> None:
    server = serve(extensions=extensions, recipients={"bad@example.com": "550 5.1.1 No such user"})
    outcome = connect(server).send(Envelope(MAIL.sender, ("bad@example.com", "ops@example.com"), MAIL.data))
    assert outcome.error is None
    assert outcome.refused["bad@example.com"].smtp_code == 550
    assert outcome.refused["bad@example.com"].permanent
    assert server.accepted[0].recipients == ["ops@example.com"]


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
@pytest.mark.parametrize("careless", [False, True])
def test_when_all_recipients_are_refused_the_connection_still_works(
    serve: Serve, extensions: tuple[str, ...], careless: bool
) -> None:
    server = serve(
        extensions=extensions,
        data_without_recipient=careless,
        recipients={"bad@example.com": "450 4.2.1 Later"},
    )
    connection = connect(server)
    outcome = connection.send(Envelope(MAIL.sender, ("bad@example.com",), MAIL.data))
    assert [error.permanent for error in outcome.refused.values()] == [False]
    assert connection.send(MAIL).error is None
    assert [mail.recipients for mail in server.accepted] == [["ops@example.com"]]


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
@pytest.mark.parametrize(
    ("verb", "answer", "stage", "permanent"),
    [
        ("MAIL", "553 5.7.1 Not your address", "sender", True),
        ("DATA", "451 4.3.0 Later", "data", False),
        (".", "554 5.7.1 Spam", "data", True),
    ],
)
def test_a_refusal_names_its_stage_and_the_next_mail_goes_through(
    serve: Serve, extensions: tuple[str, ...], verb: str, answer: str, stage: str, permanent: bool
) -> None:
    connection = connect(serve(extensions=extensions, commands={verb: [answer]}))
    error = connection.send(MAIL).error
    assert error is not None
    assert (error.stage, error.permanent) == (stage, permanent)
    assert connection.send(MAIL).error is None


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [
        (HANG_UP, "closed"),
        ("421 4.3.2 Busy", "rejected"),
        ("554 5.7.1 Go away", "rejected"),
        (Reply(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "bad_greeting"),
    ],
)
def test_a_bad_greeting_is_the_connect_stage(serve: Serve, greeting: object, kind: str) -> None:
    error = failure(serve(greeting=greeting))
    assert (error.stage, error.kind) == ("connect", kind)


def test_a_greeting_that_never_comes(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONNECT_SECONDS", 0.2)
    assert failure(serve(greeting=SILENCE)).kind == "timeout_greeting"


def test_a_port_behind_a_firewall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONNECT_SECONDS", 0.2)
    with BlackHole() as hole:
        assert failure(hole).kind == "timeout_connect"


def test_a_port_where_nobody_listens(serve: Serve) -> None:
    server = serve()
    server.stop()
    assert (failure(server).stage, failure(server).kind) == ("connect", "refused")


def test_starttls_is_never_skipped(serve: Serve) -> None:
    server = serve()
    error = failure(server, security="starttls")
    assert (error.stage, error.kind, error.permanent) == ("tls", "tls_not_offered", True)
    assert not any(command.startswith(("MAIL", "AUTH")) for command in server.sessions[0].commands)


def test_implicit_tls_against_a_plain_server(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure(serve(), security="tls")
    assert (error.stage, error.kind) == ("tls", "tls_wrong_version")


@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN"])
def test_signing_in_works_with_letters_beyond_ascii(serve: Serve, mechanisms: str) -> None:
    server = serve(users={"op": "pässwörd"}, mechanisms=mechanisms)
    assert connect(server, username="op", password="pässwörd").send(MAIL).error is None


def test_a_wrong_password_is_the_auth_stage_and_stays_out_of_everything(serve: Serve) -> None:
    server = serve(users={"op": "right"}, commands={"AUTH": "535 5.7.8 hunter2-secret is wrong"})
    trace = Trace(lines=[])
    with pytest.raises(DeliveryError) as caught:
        connect(server, trace, username="op", password="hunter2-secret")
    assert (caught.value.stage, caught.value.kind, caught.value.smtp_code) == ("auth", "auth_rejected", 535)
    assert "hunter2" not in "\n".join(trace.lines or []) + caught.value.message + repr(
        target(server, password="hunter2-secret")
    )


def test_a_server_without_a_way_to_sign_in(serve: Serve) -> None:
    error = failure(serve(), username="op", password="x")
    assert (error.stage, error.kind) == ("auth", "auth_not_offered")


def test_a_lost_connection_after_the_body_is_temporary(serve: Serve) -> None:
    connection = connect(serve(commands={".": HANG_UP}))
    with pytest.raises(DeliveryError) as caught:
        connection.send(MAIL)
    assert (caught.value.stage, caught.value.kind, caught.value.permanent) == ("data", "closed", False)


def test_a_mail_over_the_servers_limit_is_not_sent(serve: Serve) -> None:
    server = serve(size_limit=10)
    error = connect(server).send(MAIL).error
    assert error is not None
    assert (error.permanent, error.smtp_code, server.envelopes) == (True, 552, [])


@pytest.mark.parametrize("offered", [True, False])
def test_addresses_beyond_ascii_need_the_servers_consent(serve: Serve, offered: bool) -> None:
    server = serve(extensions=("PIPELINING", *(("SMTPUTF8",) if offered else ())))
    outcome = connect(server).send(Envelope(MAIL.sender, ("jörg@example.com",), MAIL.data, utf8=True))
    assert (outcome.error is None) is offered


def test_an_old_server_without_ehlo(serve: Serve) -> None:
    assert connect(serve(helo_only=True)).send(MAIL).error is None


@pytest.mark.slow
def test_a_slow_answer_counts_and_an_endless_one_does_not(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A byte every tenth of a second: less than the silence that is allowed.
    slow = Reply("250 2.1.0 Ok", pace=0.1)
    monkeypatch.setattr(Channel._reading, "__defaults__", (1.0,))
    assert connect(serve(commands={"MAIL": slow})).send(MAIL).error is None
    monkeypatch.setattr(channel, "_WHOLE_REPLY_SECONDS", 0.5)
    with pytest.raises(DeliveryError) as caught:
        connect(serve(commands={"MAIL": slow})).send(MAIL)
    assert caught.value.kind == "timeout"


@pytest.mark.slow
def test_the_deadline_covers_every_step(serve: Serve) -> None:
    connection = Connection(target(serve(commands={"MAIL": SILENCE})), deadline=time.monotonic() + 0.3).open()
    with pytest.raises(DeliveryError) as caught:
        connection.send(MAIL)
    assert caught.value.kind == "timeout"


def test_stages_are_reported_in_their_order(serve: Serve) -> None:
    seen: list[str] = []
    server = serve(users={"op": "password"})
    connect(server, Trace(on_stage=seen.append), username="op", password="password").send(MAIL)
    assert seen == ["resolve", "connect", "auth", "sender", "recipient", "data"]
