"""The real parts work, seen by plain clients: what they accept, refuse, keep and leave behind."""

import contextlib
import os
import shutil
import signal
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
import redis

from tests.rig import Missing, NotReady, family, free_port, listening, or_skip, wait_until
from tests.rig.latency import ROOT
from tests.rig.postfix import RealPostfix, SmtpSink
from tests.rig.sample import INBOX, SENDER, mail
from tests.rig.services import Postgres, Valkey, chromium_path

real = pytest.mark.real


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
    with smtplib.SMTP(postfix.host, postfix.submission_port, "client.test", timeout=10) as client:
        client.starttls(context=postfix.ca.client_context())
        yield client


# The real provider


@real
def test_the_provider_offers_auth_only_after_tls(postfix: RealPostfix) -> None:
    with smtplib.SMTP(postfix.host, postfix.submission_port, "client.test", timeout=10) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        assert not client.has_extn("auth")
        client.starttls(context=postfix.ca.client_context())
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]


@real
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_the_right_password_is_accepted_and_the_mail_arrives(postfix: RealPostfix, mechanism: str) -> None:
    with submission(postfix) as client:
        client.ehlo()
        client.user, client.password = postfix.username, postfix.password
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
    with smtplib.SMTP_SSL(
        postfix.host, postfix.tls_port, "client.test", context=postfix.ca.client_context()
    ) as client:
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
    with smtplib.SMTP(postfix.host, postfix.plain_port, "client.test") as client:
        for message_id in ("<1@x>", "<2@x>", "<1@x>", "<1@x>"):
            client.sendmail(SENDER, [INBOX], mail(message_id))
        client.sendmail(SENDER, [INBOX, "two@inbox.test", "nobody@discard.test"], mail("<3@x>"))
    postfix.wait_for(6)
    postfix.wait_quiet()
    assert sorted(postfix.message_ids()) == ["<1@x>", "<1@x>", "<1@x>", "<2@x>", "<3@x>", "<3@x>"]
    assert postfix.duplicates() == {"<1@x>": 2}


@real
def test_connections_are_counted(postfix: RealPostfix) -> None:
    before = postfix.connections()
    with (
        smtplib.SMTP(postfix.host, postfix.plain_port, "client.test"),
        smtplib.SMTP(postfix.host, postfix.plain_port, "client.test"),
    ):
        wait_until(lambda: postfix.connections() == before + 2)


@real
def test_accepted_mail_survives_a_kill(postfix: RealPostfix) -> None:
    with smtplib.SMTP(postfix.host, postfix.plain_port, "client.test") as client:
        for number in range(20):
            client.sendmail(SENDER, [INBOX], mail(f"<{number}@x>"))
        postfix.kill()
    postfix.start()
    postfix.wait_for(20)
    assert set(postfix.message_ids()) == {f"<{number}@x>" for number in range(20)}


@real
def test_a_stopped_provider_is_gone_and_comes_back_on_the_same_ports(postfix: RealPostfix) -> None:
    pid, ports = postfix.pid, postfix.ports
    assert pid is not None and len(family(pid)) > 1
    postfix.stop()
    assert family(pid) == []
    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP(postfix.host, postfix.submission_port, "client.test")
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
    with or_skip(SmtpSink) as sink, smtplib.SMTP(sink.host, sink.port, "client.test") as client:
        assert client.sendmail(SENDER, ["anyone@example.com"], mail()) == {}


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


# What is missing, and what remains


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
def test_nothing_outlives_an_owner_that_was_killed(provider: RealPostfix) -> None:
    argv = [sys.executable, "-c", OWNER]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        groups = [int(word) for word in owner.stdout.readline().split()]
        directories = owner.stdout.readline().split()
        owner.kill()
    try:
        assert len(groups) == 5
        wait_until(lambda: not any(map(family, groups)), what="the end of every process")
    finally:
        for pid in (pid for group in groups for pid in family(group)):
            os.kill(pid, signal.SIGKILL)
        for directory in directories:
            shutil.rmtree(directory)


def test_a_port_that_another_run_was_given_is_not_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "from tests.rig import free_port; print(free_port(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs, ours = int(other.stdout.readline()), free_port()
        monkeypatch.setattr("random.sample", lambda *_: [theirs, ours])
        assert free_port() == ours
        other.communicate("\n")
    assert free_port() == theirs
