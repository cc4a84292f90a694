"""What the node reports about the queue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailrelay import monitoring
from mailrelay.models import Message, RelaySettings

pytestmark = pytest.mark.django_db


def test_metrics_count_messages_by_status(client: Client, queued: Callable[..., Message]) -> None:
    queued()
    text = client.get("/metrics").content.decode()
    assert 'quazzar_messages{status="queued"} 1.0' in text
    assert 'quazzar_messages{status="failed"} 0.0' in text


def test_metrics_take_few_queries(queued: Callable[..., Message], django_assert_num_queries: Any) -> None:
    for _ in range(5):
        queued()
    with django_assert_num_queries(11):
        list(monitoring.collect())


def test_the_doctor_warns_without_a_relay_and_until_mail_has_left(queued: Callable[..., Message]) -> None:
    assert "No mail has been sent" in monitoring.examine().sentence
    Message.objects.filter(pk=queued().pk).update(status="sent", sent_at=timezone.now())
    assert monitoring.examine().level == "ok"
    RelaySettings.objects.all().delete()
    finding = monitoring.examine()
    assert finding.level == "warning"
    assert "No relay is set up" in finding.sentence


def test_the_doctor_sees_an_unreadable_password(relay: RelaySettings, settings: Any, tmp_path: Path) -> None:
    relay.password = "hunter2-secret"
    relay.save()
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    assert monitoring.examine().level == "failed"


def test_the_doctor_sees_mail_that_waits_too_long(queued: Callable[..., Message]) -> None:
    queued()
    Message.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert "60 min" in monitoring.examine().sentence
