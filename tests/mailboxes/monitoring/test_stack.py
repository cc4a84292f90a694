"""What the node reports about the mailbox stack."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailboxes.certificates import pem
from mailboxes.models import Mailbox, Stack, error_value
from mailboxes.monitoring import metrics
from mailboxes.monitoring import stack as stack_check
from mailboxes.quota.room import Room
from quazzar.models import FindingChange
from quazzar.monitoring import doctor
from tests.mailboxes import factories
from tests.mailboxes.certificates.pairs import pair

pytestmark = pytest.mark.django_db
Phase = Stack.Phase


def healthy(**columns: Any) -> Stack:
    now = timezone.now()
    usual = {
        "enabled": True,
        "hostname": "mail.example.com",
        "phase": Phase.HEALTHY,
        "observed_at": now,
        "tls_expires_at": now + timedelta(days=60),
        "desired_generation": 7,
        "applied_generation": 7,
    }
    return factories.stack(**{**usual, **columns})


# --- metrics -----------------------------------------------------------------------------------------------
def scrape(client: Client) -> str:
    return client.get("/metrics").content.decode()


@pytest.mark.slow
def test_metrics_tell_of_a_healthy_stack(client: Client) -> None:
    healthy(desired_generation=9)
    text = scrape(client)
    assert "quazzar_stack_healthy 1.0" in text
    assert 'quazzar_stack_generation{kind="desired"} 9.0' in text
    assert 'quazzar_stack_generation{kind="applied"} 7.0' in text
    assert "quazzar_stack_certificate_expiry_timestamp_seconds 1." in text
    assert "quazzar_stack_certificate_lifetime_seconds" not in text


def test_metrics_tell_the_certificates_lifetime_for_an_alert_rule(client: Client) -> None:
    now = timezone.now()
    serve("mail.example.com", now, now + timedelta(days=6))
    assert "quazzar_stack_certificate_lifetime_seconds 518400.0" in scrape(client)


@pytest.mark.parametrize("columns", [{"enabled": False}, {"phase": Phase.DEGRADED}])
def test_a_stack_that_is_off_or_ill_is_not_healthy(client: Client, columns: dict[str, Any]) -> None:
    healthy(**columns)
    assert "quazzar_stack_healthy 0.0" in scrape(client)


def test_metrics_count_mailboxes_usage_and_what_has_not_arrived(client: Client) -> None:
    now = timezone.now()
    factories.mailbox("ada@example.com", usage_bytes=100, applied_at=now)
    factories.mailbox("bob@example.com", usage_bytes=50)
    factories.mailbox("cyn@example.com", usage_bytes=9, deleted_at=now)
    factories.alias()
    text = scrape(client)
    assert "quazzar_mailboxes 2.0" in text and "quazzar_mailbox_usage_bytes 150.0" in text
    for kind in ("domain", "mailbox", "alias"):
        assert f'quazzar_stack_unsynced{{kind="{kind}"}} 1.0' in text


def test_without_a_stack_there_are_figures_and_no_row_is_made(client: Client) -> None:
    text = scrape(client)
    assert "quazzar_stack_healthy 0.0" in text and "quazzar_mailbox_usage_bytes 0.0" in text
    assert "certificate_expiry" not in text and not Stack.objects.exists()


def test_metrics_take_few_queries(django_assert_num_queries: Any) -> None:
    for number in range(5):
        factories.mailbox(f"u{number}@example.com")
    with django_assert_num_queries(4):
        list(metrics.collect())


# --- doctor ------------------------------------------------------------------------------------------------
def test_the_doctor_is_content_without_a_stack_and_with_a_healthy_one() -> None:
    assert (stack_check.examine().level, Stack.objects.exists()) == ("ok", False)
    healthy()
    finding = stack_check.examine()
    assert finding.level == "ok" and "mail.example.com" in finding.sentence


def test_a_stack_that_does_not_stop_is_told() -> None:
    error = error_value("docker_unreachable", "The Docker Engine does not answer.", "Start Docker.")
    factories.stack(enabled=False, phase=Phase.STOPPING, last_error=error)
    finding = stack_check.examine()
    assert finding.level == "warning" and "does not answer" in finding.sentence
    assert finding.advice == "Start Docker."


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.DEGRADED, Phase.STARTING])
def test_what_stands_in_the_way_is_a_failure_with_its_hint(phase: Phase) -> None:
    healthy(phase=phase, last_error=error_value("port_taken", "Port 25 is taken.", "Stop Postfix."))
    finding = stack_check.examine()
    assert finding.level == "failed" and "Port 25 is taken." in finding.sentence
    assert finding.advice == "Stop Postfix."


def test_a_stack_on_its_way_is_a_warning() -> None:
    healthy(phase=Phase.PULLING, progress_message="Fetching rspamd")
    finding = stack_check.examine()
    assert finding.level == "warning" and "Fetching rspamd" in finding.sentence


@pytest.mark.parametrize(
    ("ago", "level"), [(timedelta(minutes=9), "ok"), (timedelta(minutes=11), "warning"), (None, "warning")]
)
def test_a_worker_that_does_not_look_is_told(ago: timedelta | None, level: str) -> None:
    healthy(observed_at=None if ago is None else timezone.now() - ago)
    finding = stack_check.examine()
    assert finding.level == level and ("worker" in finding.advice) == (level == "warning")


@pytest.mark.parametrize(
    ("lifetime", "left", "level"),
    [
        # Let's Encrypt's 6, 45 and 90 days, and the year of others: an ACME client renews at a third.
        (timedelta(days=6), timedelta(hours=49), "ok"),
        (timedelta(days=6), timedelta(hours=47), "warning"),
        (timedelta(days=45), timedelta(days=16), "ok"),
        (timedelta(days=45), timedelta(days=14), "warning"),
        (timedelta(days=90), timedelta(days=31), "ok"),
        (timedelta(days=90), timedelta(days=29), "warning"),
        (timedelta(days=366), timedelta(days=123), "ok"),
        (timedelta(days=366), timedelta(days=121), "warning"),
        (timedelta(days=6), timedelta(hours=-1), "failed"),
    ],
)
def test_the_end_of_the_certificate_is_told_in_time(lifetime: timedelta, left: timedelta, level: str) -> None:
    end = timezone.now() + left
    serve("mail.example.com", end - lifetime, end)
    finding = stack_check.certificate()
    assert finding.level == level and "certificate" in finding.sentence


def test_a_certificate_that_clients_do_not_accept_is_told() -> None:
    now, day = timezone.now(), timedelta(days=1)
    serve("other.example.com", now - 10 * day, now + 80 * day)
    finding = stack_check.certificate()
    assert finding.level == "failed" and "not valid for mail.example.com" in finding.sentence
    serve("mail.example.com", now + day, now + 80 * day)
    assert "not valid before" in stack_check.certificate().sentence


def test_a_self_signed_certificate_is_the_operators_choice() -> None:
    certificate, key = pem.self_signed("mail.example.com")
    healthy(tls_certificate=certificate, tls_key=key)
    assert stack_check.certificate().level == "ok"


def serve(name: str, start: datetime, end: datetime) -> None:
    certificate, key = pair(name, start, end)
    healthy(tls_certificate=certificate, tls_key=key, tls_expires_at=end)


def test_a_disk_of_mail_that_fills_is_told_with_its_size(client: Client) -> None:
    gib = 1024**3
    for free, free_files, level in (
        (50, 900, "ok"),
        (1, 900, "warning"),
        (0, 900, "failed"),
        (50, 40, "warning"),
    ):
        healthy(mail_disk=asdict(Room(100 * gib, free * gib, 1000, free_files)))
        finding = stack_check.disk()
        assert finding.level == level and "100 GiB" in finding.sentence, finding
    (line,) = [
        line
        for line in scrape(client).splitlines()
        if line.startswith("quazzar_stack_disk_bytes") and "free" in line
    ]
    assert float(line.split()[-1]) == 50 * gib


def test_secrets_that_cannot_be_read_are_counted(settings: Any, tmp_path: Path) -> None:
    healthy(controller_password="hunter2-secret", tls_key="key-secret")
    factories.domain(dkim_private_key="dkim-secret")
    for name in ("ada", "bob"):
        factories.mailbox(f"{name}@example.com", password_hash="{ARGON2ID}hash")
    assert stack_check.secrets().level == "ok"
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    finding = stack_check.secrets()
    assert finding.level == "failed" and "2 mailbox passwords, 1 DKIM keys, 1 keys of" in finding.sentence


def test_a_mailbox_without_a_password_has_no_secret_to_lose(settings: Any, tmp_path: Path) -> None:
    healthy()
    factories.mailbox()
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    assert stack_check.secrets().level == "ok" and Mailbox.objects.get().password_hash is None


def test_a_repair_that_waits_for_leave_is_told() -> None:
    healthy(pending=["qz-postfix was made with another image."])
    finding = stack_check.examine()
    assert finding.level == "warning" and "another image" in finding.sentence


def test_a_failure_goes_before_a_warning() -> None:
    error = error_value("container_dead", "Dovecot has stopped.", "Read its log.")
    healthy(phase=Phase.DEGRADED, last_error=error, pending=["Postfix has another image."])
    assert "Dovecot has stopped." in stack_check.examine().sentence


def test_what_was_mended_at_once_is_told_for_a_while() -> None:
    """A container that dies is started again within seconds: nobody would see it."""
    healthy()
    now = timezone.now()
    for ago, level in ((timedelta(seconds=5), "warning"), (timedelta(seconds=60), "ok")):
        FindingChange.objects.all().delete()
        FindingChange.objects.create(
            check_name="stack", level="failed", sentence="The container qz-rspamd has stopped.", at=now - ago
        )
        FindingChange.objects.create(check_name="stack", level="warning", sentence="Again.", at=now)
        finding = stack_check.examine()
        assert finding.level == level
        if level == "warning":
            assert finding.since == now - ago and "The container qz-rspamd has stopped." in finding.sentence


def test_while_the_mail_server_is_off_nothing_is_wrong_with_its_parts() -> None:
    end = timezone.now() - timedelta(days=1)
    serve("mail.example.com", end - timedelta(days=90), end)
    Stack.objects.update(enabled=False, guessed={"ada@example.com": {}})
    checks = (stack_check.certificate, stack_check.disk, stack_check.secrets, stack_check.guesses)
    assert {check() for check in checks} == {doctor.idle(stack_check.OFF)}
