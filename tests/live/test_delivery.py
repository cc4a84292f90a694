"""The whole product with a real Postfix as the provider: what is accepted arrives, whatever is killed meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.console import Console
from tests.quazzar.nodes import wait_until
from tests.rig import or_skip
from tests.rig.postfix import RealPostfix

pytestmark = pytest.mark.real


@pytest.fixture
def provider() -> Iterator[RealPostfix]:
    with or_skip(RealPostfix) as postfix:
        yield postfix


@pytest.fixture
def console(tmp_path: Path, provider: RealPostfix) -> Iterator[Console]:
    with Console(tmp_path, SSL_CERT_FILE=str(provider.ca_file)) as console:
        status, answer = console.call("PUT", "/api/mail/relay", {
            "provider": "custom", "host": "localhost", "port": provider.submission_port, "security": "starttls",
            "username": provider.username, "password": provider.password, "from_address": "node@provider.test",
            "alert_recipients": ["ops@inbox.test"],
        })  # fmt: skip
        assert status == 200, answer
        yield console


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


def test_nothing_is_lost_when_the_provider_stops_and_the_worker_is_killed_twice(
    console: Console, provider: RealPostfix
) -> None:
    provider.stop()
    for number in range(500):
        body = {"to": [f"box{number}@inbox.test"], "subject": f"message {number}", "text": "hello"}
        assert console.call("POST", "/api/mail/messages", body)[0] == 202
    kill_worker(console)
    provider.start()
    wait_until(lambda: provider.count() >= 40, "the queue drains", 120)
    kill_worker(console)
    wait_until(lambda: console.statuses()["sent"] == 500, f"500 sent: {console.statuses()}", 240)
    provider.wait_quiet()
    arrived = provider.message_ids()
    extra = len(arrived) - 500
    assert len(set(arrived)) == 500
    assert 0 <= extra <= 20, provider.duplicates()


def kill_worker(console: Console) -> None:
    """kill -9, as the kernel does when memory runs out; the supervisor starts another."""
    victim = console.worker()
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: console.worker() != victim, "a new worker")
