"""The scripted server, its certificates and the distance to it, seen by nothing but smtplib."""

import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.rig import free_port, wait_until
from tests.rig.ca import Certificate, CertificateAuthority
from tests.rig.faults import HANG_UP, RESET, SILENCE, BlackHole, FaultServer, Reply, Script, lines
from tests.rig.latency import LatencyProxy
from tests.rig.sample import INBOX, SENDER, mail


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("ca"))


@contextlib.contextmanager
def scripted(script: Script) -> Iterator[tuple[FaultServer, smtplib.SMTP]]:
    with (
        FaultServer(script) as server,
        smtplib.SMTP(server.host, server.port, "client.test", timeout=5) as client,
    ):
        yield server, client


# Certificates


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (CertificateAuthority.expired, "certificate has expired"),
        (CertificateAuthority.wrong_name, "not valid for 'localhost'"),
        (CertificateAuthority.self_signed, "self-signed certificate"),
    ],
)
def test_a_client_refuses_a_bad_certificate(
    authority: CertificateAuthority, make: Callable[[CertificateAuthority], Certificate], complaint: str
) -> None:
    with FaultServer(Script(certificate=make(authority), implicit_tls=True)) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match=complaint):
            smtplib.SMTP_SSL(server.host, server.port, "client.test", context=authority.client_context())
        wait_until(lambda: server.sessions[0].ended)
    assert server.sessions[0].tls_error


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_client_accepts_the_good_certificate(authority: CertificateAuthority, host: str) -> None:
    script = Script(certificate=authority.issue(), implicit_tls=True)
    with (
        FaultServer(script) as server,
        smtplib.SMTP_SSL(host, server.port, "client.test", context=authority.client_context()) as client,
    ):
        assert client.ehlo()[0] == 250


# Faults


def test_an_ordinary_script_takes_mail_and_records_it(authority: CertificateAuthority) -> None:
    script = Script(certificate=authority.issue(), users={"operator": "secret"})
    with scripted(script) as (server, client):
        client.starttls(context=authority.client_context())
        client.login("operator", "secret")
        client.sendmail(SENDER, [INBOX], mail(body=".hidden\r\nlast"))
    envelope, session = server.accepted[0], server.sessions[0]
    assert (envelope.sender, envelope.recipients, envelope.message_id) == (
        SENDER,
        [INBOX],
        "<1@quazzar.test>",
    )
    assert b"\r\n..hidden\r\n" in envelope.wire and b"\r\n.hidden\r\n" in envelope.content
    assert (session.encrypted, session.user, session.max_in_flight) == (True, "operator", 1)


def test_with_users_mail_needs_auth_and_a_wrong_password_is_refused() -> None:
    with scripted(Script(users={"operator": "secret"})) as (_, client):
        with pytest.raises(smtplib.SMTPSenderRefused, match="Authentication required"):
            client.sendmail(SENDER, [INBOX], mail())
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("operator", "wrong")


@pytest.mark.slow
@pytest.mark.parametrize("greeting", [SILENCE, HANG_UP, RESET, "421 4.3.2 Too busy", Reply(b"\x00?\r\n")])
def test_a_bad_greeting_ends_the_connection(greeting: str | Reply) -> None:
    with FaultServer(Script(greeting=greeting)) as server, pytest.raises((smtplib.SMTPException, OSError)):
        smtplib.SMTP(server.host, server.port, "client.test", timeout=0.3).ehlo_or_helo_if_needed()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script(senders={SENDER: "553 5.7.1 Sender not verified"}), 553),
        (Script(commands={"DATA": "554 5.7.0 Not today"}), 554),
        (Script(commands={".": "451 4.3.0 Try later"}), 451),
        (Script(recipients={INBOX: "550 5.1.1 Unknown"}), 550),
        (Script(size_limit=10), 552),
        (Script(extensions=(), commands={"MAIL": Reply("452 4.3.1 Disk full", delay=0.01, pace=0.001)}), 452),
        (Script(commands={"MAIL": lines(554, *["a long story"] * 2000)}), 554),
    ],
)
def test_a_refusal_reaches_the_client(script: Script, code: int) -> None:
    with scripted(script) as (server, client), pytest.raises(smtplib.SMTPException) as refusal:
        client.sendmail(SENDER, [INBOX], mail())
    assert str(code) in str(refusal.value)
    assert server.accepted == []


def test_the_outcome_is_unknown_when_the_reply_to_the_content_is_lost() -> None:
    with scripted(Script(commands={".": [HANG_UP]})) as (server, client):
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.sendmail(SENDER, [INBOX], mail())
        client.connect(server.host, server.port)
        client.sendmail(SENDER, [INBOX], mail())
    assert [envelope.accepted for envelope in server.envelopes] == [False, True]
    assert len({envelope.message_id for envelope in server.envelopes}) == 1


def test_a_session_can_be_ended_after_some_messages() -> None:
    goodbye = Reply("421 4.7.0 Enough for one connection", close=True)
    with scripted(Script(after_messages=(2, goodbye))) as (server, client):
        for _ in range(2):
            client.sendmail(SENDER, [INBOX], mail())
        with pytest.raises(smtplib.SMTPException, match="Enough"):
            client.sendmail(SENDER, [INBOX], mail())
    assert len(server.accepted) == 2


@pytest.mark.parametrize(("anyway", "code"), [(True, 354), (False, 554)])
def test_data_without_a_recipient_is_answered_as_scripted(anyway: bool, code: int) -> None:
    script = Script(recipients={INBOX: "550 5.1.1 Unknown"}, data_without_recipient=anyway)
    with scripted(script) as (server, client):
        client.ehlo()
        client.mail(SENDER)
        client.rcpt(INBOX)
        assert client.docmd("DATA")[0] == code
        if anyway:
            assert client.docmd(".")[0] == 554
    assert server.accepted == []


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        (Script(), "starttls"),
        (Script(), "auth"),
        (Script(extensions=()), "pipelining"),
        (Script(extensions=("PIPELINING",)), "smtputf8"),
        (Script(helo_only=True), "pipelining"),
    ],
)
def test_an_extension_can_be_left_out(script: Script, missing: str) -> None:
    with scripted(script) as (server, client):
        client.ehlo_or_helo_if_needed()
        assert not client.has_extn(missing)
        client.sendmail(SENDER, [INBOX], mail())
    assert len(server.accepted) == 1


def test_commands_sent_together_are_counted_and_commands_sent_too_early_are_noted() -> None:
    flight = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{INBOX}>\r\nDATA\r\n"
    with scripted(Script()) as (server, client):
        client.ehlo()
        client.send(flight)
        assert [client.getreply()[0] for _ in range(3)] == [250, 250, 354]
        client.send(mail() + ".\r\n" + flight + "too early")
        assert [client.getreply()[0] for _ in range(4)] == [250, 250, 250, 354]
        client.close()
    assert server.max_in_flight == 4
    assert server.sessions[0].early == [("DATA", b"too early")]


def test_a_black_hole_neither_accepts_nor_refuses() -> None:
    with BlackHole() as hole, pytest.raises(TimeoutError):
        socket.create_connection((hole.host, hole.port), timeout=0.2)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((hole.host, hole.port), timeout=0.2)


def test_stopping_ends_every_session() -> None:
    server = FaultServer(Script(greeting=SILENCE))
    before = threading.active_count()
    with server:
        clients = [socket.create_connection((server.host, server.port)) for _ in range(5)]
        wait_until(lambda: len(server.sessions) == 5)
    assert threading.active_count() == before
    for client in clients:
        assert client.recv(1) == b""
        client.close()


# Distance


@pytest.mark.slow
def test_a_round_trip_through_the_proxy_is_never_shorter_than_asked() -> None:
    with (
        FaultServer() as server,
        LatencyProxy(server.port, rtt=0.05) as proxy,
        smtplib.SMTP(proxy.host, proxy.port, timeout=10) as client,
    ):
        begin = time.monotonic()
        client.noop()
        assert time.monotonic() - begin >= 0.05


@pytest.mark.slow
def test_the_proxy_changes_no_byte_and_carries_fifty_at_once() -> None:
    body = "\r\n".join(str(number) * 10 for number in range(2000))

    def send(port: int) -> None:
        with smtplib.SMTP("localhost", port, timeout=30) as client:
            client.sendmail(SENDER, [INBOX], mail(body=body))

    with FaultServer() as server, LatencyProxy(server.port, rtt=0.01) as proxy:
        threads = [threading.Thread(target=send, args=(proxy.port,)) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {envelope.content for envelope in server.accepted} == {mail(body=body).encode()}
    assert len(server.accepted) == 50


@pytest.mark.slow
def test_the_proxy_resets_a_client_whose_server_is_down() -> None:
    with LatencyProxy(free_port(), rtt=0) as proxy, pytest.raises((OSError, smtplib.SMTPException)):
        smtplib.SMTP(proxy.host, proxy.port, timeout=5)
