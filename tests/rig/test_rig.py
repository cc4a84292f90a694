"""The rig proves itself, with nothing but smtplib: what it offers, refuses, records and leaves behind."""

import contextlib
import os
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.rig import Missing, NotReady, free_port, group_members, listening, or_skip, wait_until
from tests.rig.ca import Certificate, CertificateAuthority
from tests.rig.faults import HANG_UP, RESET, SILENCE, BlackHole, FaultServer, Reply, Script, lines
from tests.rig.latency import ROOT, LatencyProxy
from tests.rig.postfix import RealPostfix, SmtpSink
from tests.rig.services import Postgres, Valkey, chromium_path

SENDER, INBOX = "node@quazzar.test", "ops@inbox.test"
real = pytest.mark.real


def mail(message_id: str = "<1@quazzar.test>", body: str = "92 %") -> str:
    return f"From: {SENDER}\r\nSubject: Disk\r\nMessage-ID: {message_id}\r\n\r\n{body}\r\n"


def trusting(authority: CertificateAuthority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.ca_file))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def provider() -> Iterator[RealPostfix]:
    with or_skip(RealPostfix) as running:
        yield running


@pytest.fixture
def postfix(provider: RealPostfix) -> RealPostfix:
    provider.start()
    provider.clear()
    return provider


@contextlib.contextmanager
def submission(postfix: RealPostfix) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(postfix.host, postfix.submission_port, timeout=10) as client:
        client.starttls(context=trusting(postfix.ca))
        yield client


@contextlib.contextmanager
def scripted(script: Script) -> Iterator[tuple[FaultServer, smtplib.SMTP]]:
    with FaultServer(script) as server, smtplib.SMTP(server.host, server.port, timeout=5) as client:
        yield server, client


# The real provider


@real
def test_the_provider_offers_auth_only_after_tls(postfix: RealPostfix) -> None:
    with smtplib.SMTP(postfix.host, postfix.submission_port, timeout=10) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        assert not client.has_extn("auth")
        client.starttls(context=trusting(postfix.ca))
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]


@real
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_the_right_password_is_accepted_and_the_mail_arrives(postfix: RealPostfix, mechanism: str) -> None:
    with submission(postfix) as client:
        client.ehlo()
        client.user, client.password = postfix.username, postfix.password  # type: ignore[attr-defined]
        client.auth(mechanism.upper(), getattr(client, f"auth_{mechanism}"))
        client.sendmail(SENDER, [INBOX], mail())
    message = postfix.wait_for(1)[0]
    assert (message["Subject"], message["Delivered-To"], message["Return-Path"]) == (
        "Disk",
        INBOX,
        f"<{SENDER}>",
    )


@real
def test_a_wrong_password_is_refused(postfix: RealPostfix) -> None:
    with submission(postfix) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        client.login(postfix.username, "wrong")
    assert refusal.value.smtp_code == 535


@real
def test_without_auth_nothing_is_accepted(postfix: RealPostfix) -> None:
    with submission(postfix) as client, pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
        client.sendmail(SENDER, [INBOX], mail())
    assert refusal.value.recipients[INBOX][0] == 554


@real
def test_the_implicit_tls_port_takes_mail(postfix: RealPostfix) -> None:
    with smtplib.SMTP_SSL(postfix.host, postfix.tls_port, context=trusting(postfix.ca)) as client:
        client.login(postfix.username, postfix.password)
        client.sendmail(SENDER, [INBOX], mail())
    assert postfix.wait_for(1)


@real
def test_each_recipient_gets_an_answer_of_its_own(postfix: RealPostfix) -> None:
    others = ["unknown@refused.test", "ops@greylisted.test", "ops@example.com"]
    with submission(postfix) as client:
        client.login(postfix.username, postfix.password)
        refused = client.sendmail(SENDER, [INBOX, *others], mail())
    assert {address: code for address, (code, _) in refused.items()} == dict(
        zip(others, (550, 450, 554), strict=True)
    )
    assert refused[others[0]][1].startswith(b"5.1.1")
    assert len(postfix.wait_for(1)) == 1


@real
def test_copies_of_a_message_are_counted(postfix: RealPostfix) -> None:
    with smtplib.SMTP(postfix.host, postfix.plain_port) as client:
        for message_id in ("<1@x>", "<2@x>", "<1@x>", "<1@x>"):
            client.sendmail(SENDER, [INBOX], mail(message_id))
        client.sendmail(SENDER, ["nobody@discard.test"], mail("<3@x>"))
    postfix.wait_for(4)
    postfix.wait_quiet()
    assert sorted(postfix.message_ids()) == ["<1@x>", "<1@x>", "<1@x>", "<2@x>"]
    assert postfix.duplicates() == {"<1@x>": 2}


@real
def test_connections_are_counted(postfix: RealPostfix) -> None:
    before = postfix.connections()
    with smtplib.SMTP(postfix.host, postfix.plain_port), smtplib.SMTP(postfix.host, postfix.plain_port):
        wait_until(lambda: postfix.connections() == before + 2)


@real
def test_accepted_mail_survives_a_kill(postfix: RealPostfix) -> None:
    with smtplib.SMTP(postfix.host, postfix.plain_port) as client:
        for number in range(20):
            client.sendmail(SENDER, [INBOX], mail(f"<{number}@x>"))
        postfix.kill()
    postfix.start()
    postfix.wait_for(20)
    assert set(postfix.message_ids()) == {f"<{number}@x>" for number in range(20)}


@real
def test_a_stopped_provider_is_gone_and_comes_back_on_the_same_ports(postfix: RealPostfix) -> None:
    pid, ports = postfix.pid, postfix.ports
    assert pid is not None and len(group_members(pid)) > 1
    postfix.stop()
    assert group_members(pid) == []
    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP(postfix.host, postfix.submission_port)
    postfix.start()
    assert postfix.ports == ports and all(map(listening, ports))


@real
def test_the_provider_can_show_a_bad_certificate_and_a_good_one_again(postfix: RealPostfix) -> None:
    postfix.use_certificate(postfix.ca.expired())
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"), submission(postfix):
        pass
    postfix.use_certificate(postfix.ca.issue())
    with submission(postfix) as client:
        assert client.noop()[0] == 250


@real
def test_mail_that_does_not_arrive_is_reported_with_the_log(postfix: RealPostfix) -> None:
    with pytest.raises(NotReady, match="arrival of 1 messages did not happen"):
        postfix.wait_for(1, timeout=0)


@real
def test_the_sink_takes_any_mail() -> None:
    with or_skip(SmtpSink) as sink, smtplib.SMTP(sink.host, sink.port) as client:
        assert client.sendmail(SENDER, ["anyone@example.com"], mail()) == {}


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
            smtplib.SMTP_SSL(server.host, server.port, context=trusting(authority))
        wait_until(lambda: server.sessions[0].ended)
    assert server.sessions[0].tls_error


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_client_accepts_the_good_certificate(authority: CertificateAuthority, host: str) -> None:
    script = Script(certificate=authority.issue(), implicit_tls=True)
    with (
        FaultServer(script) as server,
        smtplib.SMTP_SSL(host, server.port, context=trusting(authority)) as client,
    ):
        assert client.ehlo()[0] == 250


# Faults


def test_an_ordinary_script_takes_mail_and_records_it(authority: CertificateAuthority) -> None:
    script = Script(certificate=authority.issue(), users={"operator": "secret"})
    with scripted(script) as (server, client):
        client.starttls(context=trusting(authority))
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


@pytest.mark.parametrize("greeting", [SILENCE, HANG_UP, RESET, "421 4.3.2 Too busy", Reply(b"\x00?\r\n")])
def test_a_bad_greeting_ends_the_connection(greeting: str | Reply) -> None:
    with FaultServer(Script(greeting=greeting)) as server, pytest.raises((smtplib.SMTPException, OSError)):
        smtplib.SMTP(server.host, server.port, timeout=0.3).ehlo_or_helo_if_needed()


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


def test_a_round_trip_through_the_proxy_is_never_shorter_than_asked() -> None:
    with FaultServer() as server, LatencyProxy(server.port, rtt=0.05) as proxy:
        with smtplib.SMTP(proxy.host, proxy.port, timeout=10) as client:
            client.ehlo()
            begin = time.monotonic()
            client.noop()
            assert time.monotonic() - begin >= 0.05


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


def test_the_proxy_resets_a_client_whose_server_is_down() -> None:
    with LatencyProxy(free_port(), rtt=0) as proxy, pytest.raises((OSError, smtplib.SMTPException)):
        smtplib.SMTP(proxy.host, proxy.port, timeout=5)


# Other services


@real
def test_valkey_keeps_its_data_across_a_kill() -> None:
    with or_skip(Valkey) as server:
        redis.Redis.from_url(server.url).set("key", "value")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            redis.Redis.from_url(server.url).get("key")
        server.start()
        assert redis.Redis.from_url(server.url).get("key") == b"value"
    assert not server.dir.exists()


@real
def test_postgres_keeps_what_was_committed_across_a_kill() -> None:
    with or_skip(Postgres) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server.kill()
        server.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert not listening(server.port)


@real
def test_chromium_is_a_program() -> None:
    assert os.access(or_skip(chromium_path), os.X_OK)


# What is missing, and what is left


def test_a_missing_part_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(Missing, match="apt-get install -y postfix"):
        SmtpSink()
    with pytest.raises(Missing, match="apt-get install -y chromium"):
        chromium_path()


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("1", Missing)])
def test_a_missing_part_skips_at_home_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    def absent() -> None:
        raise Missing("Chromium", "chromium")

    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="chromium"):
        or_skip(absent)


def test_a_part_that_fails_to_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server = or_skip(Valkey)
    monkeypatch.setattr(server, "_binary", "/bin/false")
    with pytest.raises(NotReady, match="ended by itself"), server:
        pass
    assert not server.dir.exists()


OWNER = """
import time
from tests.rig.latency import LatencyProxy
from tests.rig.postfix import RealPostfix, SmtpSink
from tests.rig.services import Postgres, Valkey
with RealPostfix() as a, SmtpSink() as b, Postgres() as c, Valkey() as d, LatencyProxy(1) as e:
    print(*(part.pid for part in (a, b, c, d, e)), flush=True)
    print(*(part.dir for part in (a, b, c, d)), flush=True)
    time.sleep(600)
"""


@real
def test_nothing_outlives_an_owner_that_was_killed(provider: RealPostfix, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", OWNER]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        groups = [int(word) for word in owner.stdout.readline().split()]
        owner.kill()
    assert len(groups) == 5
    for group in groups:
        wait_until(lambda group=group: not group_members(group), what=f"the end of {group}")  # type: ignore[misc]
