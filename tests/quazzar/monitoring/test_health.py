"""/healthz, /readyz and /metrics."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily

from quazzar.models import Heartbeat
from quazzar.monitoring import metrics
from quazzar.tasks import heartbeat
from tests.rig.services import Valkey

SECRET = "hunter2-hunter2"


@pytest.fixture(scope="module")
def valkey() -> Any:
    with Valkey() as server:
        yield server


@pytest.fixture
def well(valkey: Valkey, settings: Any, db: None) -> None:
    """A node where everything is as it should be."""
    settings.CELERY_BROKER_URL = valkey.celery_url
    heartbeat()


def failing(client: Client) -> dict[str, str]:
    """The failing parts in /readyz."""
    response = client.get("/readyz")
    body = response.json()
    wrong = {name: check["message"] for name, check in body["checks"].items() if not check["ok"]}
    assert response.status_code == (503 if wrong else 200)
    assert body["status"] == ("failing" if wrong else "ok")
    assert body["checks"].keys() == {"database", "broker", "key_file", "worker"}
    assert SECRET not in response.content.decode()
    return wrong


def test_alive_asks_nothing(client: Client, django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response["Cache-Control"]


def test_ready_when_all_parts_are_well(client: Client, well: None) -> None:
    assert failing(client) == {}


def test_a_part_that_fails_is_not_logged_at_every_probe(client: Client, db: None, caplog: Any) -> None:
    assert failing(client)
    assert "Service Unavailable" not in caplog.text


def test_a_probe_is_read_only(client: Client) -> None:
    for address in ("/healthz", "/readyz"):
        assert client.post(address).status_code == 405


@pytest.mark.parametrize(("age", "alive"), [(0, True), (44, True), (46, False), (7200, False)])
def test_a_worker_is_alive_for_45_seconds_after_its_last_word(
    client: Client, well: None, age: int, alive: bool
) -> None:
    Heartbeat.objects.update(at=timezone.now() - timedelta(seconds=age))
    assert ("worker" not in failing(client)) is alive


@pytest.mark.parametrize(("ahead", "alive"), [(60, True), (3600, False)])
def test_a_worker_that_reported_before_the_clock_was_set_back_is_not_believed_for_long(
    client: Client, well: None, ahead: int, alive: bool
) -> None:
    Heartbeat.objects.update(at=timezone.now() + timedelta(seconds=ahead))
    assert ("worker" not in failing(client)) is alive


def test_a_worker_that_never_ran_is_named(client: Client, well: None) -> None:
    Heartbeat.objects.all().delete()
    assert failing(client) == {"worker": "The worker has not run yet."}


def silent_server() -> socket.socket:
    """Takes connections and never answers."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    return server


@pytest.mark.slow
def test_a_broker_that_is_away_or_silent_is_named(client: Client, well: None, settings: Any) -> None:
    with silent_server() as server:
        port = server.getsockname()[1]
        settings.CELERY_BROKER_URL = f"redis://:{SECRET}@127.0.0.1:{port}/0"
        assert "does not answer" in failing(client)["broker"]
    assert "does not answer" in failing(client)["broker"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "url",
    [
        f"amqp://u:{SECRET}@host/",
        f"redis://:{SECRET}@host:port/",
        f"redis://:{SECRET}@[::1",
        f"{SECRET}",
        "redis+socket:///x",
    ],
)
def test_a_broker_address_that_is_none_shows_no_password(
    client: Client, well: None, settings: Any, url: str
) -> None:
    settings.CELERY_BROKER_URL = url
    assert list(failing(client)) == ["broker"]


def test_a_key_file_that_others_can_read_is_named(
    client: Client, well: None, settings: Any, tmp_path: Path
) -> None:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "k"
    assert failing(client) == {}
    (tmp_path / "k").chmod(0o644)
    assert "Other users can read or write" in failing(client)["key_file"]


def test_a_database_that_does_not_answer_is_named(
    client: Client, well: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError(f"could not connect: password={SECRET}")

    with monkeypatch.context() as broken_database:
        broken_database.setattr(connection, "cursor", fail)
        assert failing(client).keys() == {"database", "worker"}


@pytest.fixture
def collectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics._collectors, "functions", {})


def figures() -> list[GaugeMetricFamily]:
    gauge = GaugeMetricFamily("quazzar_probe", "A figure of a test.", labels=["status"])
    gauge.add_metric(["queued"], 3)
    return [gauge]


def broken() -> list[GaugeMetricFamily]:
    raise OperationalError


def test_figures_of_apps_are_on_the_page_once(client: Client, db: None, collectors: None) -> None:
    for function in (broken, figures, figures):
        metrics.register_collector(function)
    page = client.get("/metrics")
    assert page["Content-Type"].startswith("text/plain")
    assert page.content.decode().count('quazzar_probe{status="queued"} 3.0') == 1
    assert "django_http_requests_total" in page.content.decode()


def test_an_app_whose_figures_fail_is_logged(client: Client, db: None, collectors: None, caplog: Any) -> None:
    metrics.register_collector(broken)
    assert client.get("/metrics").status_code == 200
    assert "no metrics from" in caplog.text
