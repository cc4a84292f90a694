"""The whole product through what happens to a node: killed parts, lost keys, lapsed licences, busy disks."""

from __future__ import annotations

import base64
import hashlib
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.live.console import OPERATOR, OPERATOR_PASSWORD, Browser, Console, own
from tests.quazzar.nodes import wait_until
from tests.rig import or_skip
from tests.rig.faults import FaultServer
from tests.rig.postfix import RealPostfix
from tests.rig.script import Script
from tests.torture.ledger import FAR

pytestmark = pytest.mark.real

#: The first wait after a temporary failure, its jitter, and a sweep: 72 + 20 s; the rest is for a busy machine.
RETRIED = 240.0
#: Mails that are queued while the provider is down.
MANY = 500
LOCK = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
database.execute("ROLLBACK")
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[RealPostfix]:
    with or_skip(RealPostfix) as postfix:
        yield postfix


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, provider: RealPostfix) -> Iterator[Console]:
    with Console(tmp_path_factory.mktemp("node"), SSL_CERT_FILE=str(provider.ca_file)) as console:
        yield console


@pytest.fixture
def console(running: Console, provider: RealPostfix) -> Console:
    """The console with nothing in its queue, and the provider with an empty inbox."""
    provider.start()
    use_provider(running, provider)
    running.wait_empty()
    provider.wait_quiet()
    provider.clear()
    return running


def use_provider(console: Console, provider: RealPostfix) -> None:
    console.use_relay(provider.submission_port, security="starttls", username=provider.username,
                      password=provider.password)  # fmt: skip


def subjects(provider: RealPostfix) -> list[str]:
    provider.wait_quiet()  # what it accepted may still be on its way to the mailbox
    return sorted(own(mail["Subject"] for mail in provider.messages()))


# --- what is accepted arrives ------------------------------------------------------------------------------
def test_an_alert_reaches_the_mailbox(console: Console, provider: RealPostfix) -> None:
    alert = {"version": "4", "groupKey": "{}:{}", "status": "firing", "alerts": [
        {"status": "firing", "labels": {"alertname": "DiskFull", "severity": "critical"},
         "annotations": {"summary": "92 % used"}, "startsAt": "2026-11-22T10:00:00Z"}]}  # fmt: skip
    status, answer = console.call("POST", "/api/mail/alerts", alert)
    assert (status, answer["delivery"]) == (202, "queued")
    (mail,) = provider.wait_for(1)
    assert "DiskFull" in mail["Subject"]
    assert mail["To"] == "ops@inbox.test"


def test_cron_mail_reaches_the_mailbox(console: Console, provider: RealPostfix) -> None:
    console.manage(
        "sendmail", "-t", "-i", stdin=b"From: root\nTo: root\nSubject: Cron job\n\n.\nstill here\n"
    )
    (mail,) = provider.wait_for(1)
    assert (mail["Subject"], mail["To"]) == ("Cron job", "root <ops@inbox.test>")
    assert "still here" in mail.get_content()


@pytest.mark.thorough
def test_nothing_is_lost_when_the_provider_stops_and_the_worker_is_killed_twice(
    console: Console, provider: RealPostfix
) -> None:
    provider.stop()
    for number in range(MANY):
        body = {"to": [f"box{number}@inbox.test"], "subject": f"message {number}", "text": "hello"}
        assert console.call("POST", "/api/mail/messages", body)[0] == 202
    console.kill("worker")
    provider.start()
    wait_until(lambda: provider.count() >= 40, "the queue drains", 120)
    console.kill("worker")
    console.wait_empty(240)
    provider.wait_quiet()
    arrived = provider.message_ids()
    extra = len(arrived) - MANY
    assert len(set(arrived)) == MANY
    assert 0 <= extra <= 20, provider.duplicates()


# --- parts that die ----------------------------------------------------------------------------------------
def test_mail_posted_while_the_broker_is_dead_is_taken_and_leaves_once_it_is_back(
    console: Console, provider: RealPostfix
) -> None:
    console.kill("broker")
    numbers = [console.send("box@inbox.test", subject=f"no broker {number}", text="x") for number in range(5)]
    console.wait_ready()
    provider.wait_for(5, 120)
    console.wait_empty()
    assert subjects(provider) == [f"no broker {number}" for number in range(5)]
    assert {console.message(number)["attempts"] for number in numbers} == {1}


def test_mail_waits_out_a_stop_of_the_whole_product(console: Console, provider: RealPostfix) -> None:
    provider.stop()
    for number in range(20):
        console.send("box@inbox.test", subject=f"restart {number:02}", text="x")
    console.stop()
    provider.start()
    assert provider.count() == 0
    console.start()
    console.wait_empty()
    provider.wait_quiet()
    assert subjects(provider) == [f"restart {number:02}" for number in range(20)]


def test_three_clients_lose_nothing_while_the_worker_is_killed(
    console: Console, provider: RealPostfix
) -> None:
    accepted: list[int] = []

    def post(client: int) -> None:
        for number in range(50):
            accepted.append(
                console.send("box@inbox.test", subject=f"client {client} mail {number}", text="x")
            )

    clients = [threading.Thread(target=post, args=(client,)) for client in range(3)]
    for client in clients:
        client.start()
    wait_until(lambda: provider.count() >= 20, "mail arrives", 120)
    console.kill("worker")
    for client in clients:
        client.join()
    console.wait_empty()
    provider.wait_quiet()
    duplicates = sum(provider.duplicates().values())
    print(f"150 messages, {len(set(provider.message_ids()))} arrived, {duplicates} twice")
    assert len(set(accepted)) == 150
    assert len(set(provider.message_ids())) == 150
    assert duplicates <= FAR, provider.duplicates()


# --- a provider that is not well ---------------------------------------------------------------------------
@pytest.mark.thorough
def test_a_provider_that_says_later_gets_the_mail_later(console: Console) -> None:
    busy, closing = "451 4.3.0 Try again later", "421 4.3.2 Service shutting down"
    script = Script(recipients={"one@inbox.test": busy, "two@inbox.test": closing}, commands={".": [busy]})
    with FaultServer(script) as server:
        console.use_relay(server.port)
        for name in ("one", "two", "three"):
            console.send(f"{name}@inbox.test", subject=name, text="x")
        wait_until(lambda: console.statuses()["retrying"] == 3, "all three wait", 120)
        assert not server.accepted
        errors = [
            one["last_error"] for one in console.get("/api/mail/messages?status=retrying")[1]["results"]
        ]
        assert sorted(error["code"] for error in errors) == [421, 451, 451]
        script.recipients.clear()
        console.wait_empty(RETRIED)
        assert sorted(own(one.message["Subject"] for one in server.accepted)) == ["one", "three", "two"]


@pytest.mark.thorough
def test_a_provider_that_greets_with_421_gets_the_mail_soon_after_it_recovers(console: Console) -> None:
    script = Script(greeting="421 4.3.2 Too busy")
    with FaultServer(script) as server:
        console.use_relay(server.port)
        number = console.send("box@inbox.test", subject="greeting", text="x")
        wait_until(lambda: console.message(number)["status"] == "retrying", "it waits", 120)
        assert console.message(number)["last_error"]["code"] == 421
        script.greeting = "220 fault.test ESMTP"
        console.wait_empty(RETRIED)
        assert own(one.message["Subject"] for one in server.accepted) == ["greeting"]


# --- keys and plans ----------------------------------------------------------------------------------------
@pytest.mark.thorough
def test_a_replaced_key_stops_the_mail_with_a_sentence_and_the_old_one_lets_it_go(
    console: Console, provider: RealPostfix
) -> None:
    provider.stop()
    numbers = [console.send("box@inbox.test", subject=f"sealed {number}", text="x") for number in range(3)]
    wait_until(lambda: console.statuses()["retrying"] == 3, "all three wait for the provider", 120)
    old_key = console.key_file.read_bytes()
    console.key_file.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    try:
        provider.start()
        assert console.get("/api/mail/relay")[1]["password_state"] == "unreadable"
        for number in numbers:
            console.call("POST", f"/api/mail/messages/{number}/retry")
        wait_until(lambda: all("key" in sentence(console, number) for number in numbers), "they say why", 120)
        failing = {path: status for path, status in pages(console).items() if status >= 500}
        assert not failing.keys() - OF_DOCKER, failing
        assert provider.count() == 0
    finally:
        console.key_file.write_bytes(old_key)
    assert console.get("/api/mail/relay")[1]["password_state"] == "saved"
    console.wait_empty(RETRIED)
    assert subjects(provider) == [f"sealed {number}" for number in range(3)]


#: What only a Docker Engine can answer; here there may be none.
OF_DOCKER = {"/api/mail/stack/logs", "/api/mail/stack/queue"}


def sentence(console: Console, number: int) -> str:
    """Why it waits."""
    message = console.message(number)
    assert message["status"] not in ("sent", "failed"), message
    return str((message["last_error"] or {}).get("message", ""))


def pages(console: Console) -> dict[str, int]:
    """Every GET of the API and the console's pages, with the status of each."""
    browser = Browser(console)
    assert browser.sign_in(OPERATOR, OPERATOR_PASSWORD)
    found = {
        path: console.exchange("GET", path)[0] for path in [*console.get_paths(), "/healthz", "/metrics"]
    }
    return found | {path: browser.get(path)[0] for path in PAGES}


PAGES = (
    "/admin/", "/admin/mail-relay/", "/admin/mail-relay/figures/", "/admin/mailrelay/message/",
    "/admin/quazzar/apikey/", "/admin/quazzar/auditentry/", "/api/docs", "/api/mail/relay", "/api/mail/messages",
)  # fmt: skip


@pytest.mark.thorough
def test_a_licence_that_ends_closes_the_surface_and_not_the_queue(
    console: Console, provider: RealPostfix
) -> None:
    provider.stop()
    for number in range(5):
        console.send("box@inbox.test", subject=f"lapsed {number}", text="x")
    console.manage("license", "remove")
    status, answer = console.get("/api/mail/messages")
    assert (status, answer["error"], answer["current_plan"]) == (402, "upgrade_required", "community")
    assert console.call("POST", "/api/mail/messages", {"to": ["box@inbox.test"]})[0] == 402
    provider.start()
    provider.wait_for(5, 120)
    console.manage("license", "trial")
    assert console.get("/api/mail/messages")[0] == 200
    console.wait_empty()
    # The node's own mail about the licence may be among them.
    others = [subject for subject in subjects(provider) if not subject.startswith("[Licence]")]
    assert others == [f"lapsed {number}" for number in range(5)]


# --- a busy database, a large mail -------------------------------------------------------------------------
@pytest.mark.thorough
def test_a_locked_database_delays_and_loses_nothing(console: Console, provider: RealPostfix) -> None:
    argv = [sys.executable, "-c", LOCK, str(console.data / "quazzar.sqlite3"), "3"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as locker:
        assert locker.stdout is not None and locker.stdout.readline() == "locked\n"
        answers = [console.call("POST", "/api/mail/messages", {"to": ["box@inbox.test"], "subject": "locked",
                                                               "text": "x"}) for _ in range(3)]  # fmt: skip
        assert console.get("/api/mail/messages")[0] == 200
    assert {status for status, _ in answers} <= {202, 503}
    taken = sum(status == 202 for status, _ in answers)
    assert taken
    console.wait_empty()
    provider.wait_quiet()
    # The node may have mailed that its database was locked.
    arrived = [mail["Message-ID"] for mail in provider.messages() if mail["Subject"] == "locked"]
    assert len(arrived) == len(set(arrived)) == taken


@pytest.mark.thorough
def test_a_mail_of_20_mib_arrives_as_it_was(console: Console, provider: RealPostfix) -> None:
    content = secrets.token_bytes(20 << 20)
    attachment = {"filename": "large.bin", "content_base64": base64.b64encode(content).decode()}
    console.send("box@inbox.test", subject="large", text="with a file", attachments=[attachment])
    # On a busy machine the node may mail about itself meanwhile.
    wait_until(lambda: "large" in subjects(provider), "the large mail arrives", 300)
    console.wait_empty()
    (mail,) = (mail for mail in provider.messages() if mail["Subject"] == "large")
    (file,) = mail.iter_attachments()
    received = file.get_payload(decode=True)
    assert isinstance(received, bytes)
    assert hashlib.sha256(received).digest() == hashlib.sha256(content).digest()
