"""The Celery app: what is sent, what is due when, and what a dead broker costs."""

from __future__ import annotations

import importlib
import logging
import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import signals
from django.utils import timezone
from kombu.exceptions import OperationalError

from quazzar import celery, tasks
from quazzar.models import Heartbeat, IdempotentRequest
from quazzar.monitoring import logs
from quazzar.processes import broker, worker
from tests.quazzar.nodes import ROOT, wait_until


def test_json_is_all_that_travels_and_no_result_is_kept() -> None:
    assert celery.app.conf.accept_content == ["json"]
    assert celery.app.conf.task_serializer == "json"
    assert celery.app.conf.result_backend is None
    assert celery.app.conf.task_ignore_result is True


def test_every_task_of_the_schedule_exists() -> None:
    for entry in celery.app.conf.beat_schedule.values():
        importlib.import_module(entry["task"].rpartition(".")[0])
        assert entry["task"] in celery.app.tasks


def test_the_mail_servers_tasks_wait_where_only_workers_that_reach_the_engine_listen(
    settings: Any,
) -> None:
    router = celery.app.amqp.router
    assert router.route({}, "mailboxes.tasks.push_changes")["queue"].name == "quazzar-stack"
    assert router.route({}, "mailrelay.tasks.deliver_outbox")["queue"].name == "quazzar"
    assert worker.queues() == ["quazzar", "quazzar-stack"]
    settings.QUAZZAR_STACK_WORKER = False
    assert worker.queues() == ["quazzar"]


def test_the_outbox_is_swept_often_and_a_late_sweep_is_dropped() -> None:
    sweep = celery.app.conf.beat_schedule["mailrelay.tasks.sweep_outbox"]
    assert 15 <= sweep["schedule"] <= 30
    assert sweep["options"]["expires"] == sweep["schedule"]


def publish(url: str) -> subprocess.CompletedProcess[str]:
    code = "from quazzar.celery import app\napp.send_task('x')"
    env = {**os.environ, "REDIS_URL": url, "DJANGO_SETTINGS_MODULE": "quazzar.settings"}
    argv = [sys.executable, "-c", code]
    return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_ringing_without_a_broker_fails_with_the_error_that_callers_catch(tmp_path: Path) -> None:
    done = publish(f"redis+socket://{tmp_path}/none")
    assert done.returncode == 1
    assert f"{OperationalError.__module__}.OperationalError" in done.stderr


@pytest.mark.slow
def test_ringing_a_broker_that_hangs_ends(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        done = publish(f"redis+socket://{tmp_path}/s")
    assert "OperationalError: Timeout" in done.stderr


@pytest.mark.real
def test_ringing_a_real_broker_puts_json_into_the_queue(tmp_path: Path) -> None:
    sock = tmp_path / "b" / "valkey.sock"
    server = subprocess.Popen([broker.executable(), str(broker.prepare(sock))], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: broker.ping(sock), "the broker answers")
        done = publish(f"redis+socket://{sock}")
        assert done.returncode == 0, done.stderr
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(sock))
            client.sendall(b"LRANGE quazzar:quazzar 0 0\r\n")
            assert b'"content-type": "application/json"' in client.recv(65536)
    finally:
        server.kill()
        server.wait()


def test_lines_of_a_task_carry_its_id() -> None:
    signals.task_prerun.send(sender=None, task_id="task-1")
    assert logs.task_id.get() == "task-1"
    signals.task_postrun.send(sender=None, task_id="task-1")
    assert logs.task_id.get() == ""


def test_celery_leaves_logging_as_django_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, object]] = []
    monkeypatch.setattr("logging.config.dictConfig", seen.append)
    signals.setup_logging.send(sender=None)
    assert seen == [logs.LOGGING]


@pytest.mark.slow
def test_the_clock_loads_no_app() -> None:
    code = (
        "import sys, quazzar.processes.beat as b, celery.beat\n"
        "celery.beat.Service(b.app, scheduler_cls='celery.beat:Scheduler').get_scheduler()\n"
        "print([m for m in sys.modules if m in ('mailrelay', 'unfold', 'rest_framework')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_modules_that_are_run_as_programs_import() -> None:
    for name in ("quazzar.processes.beat", "quazzar.processes.worker", "quazzar.processes.web"):
        assert importlib.import_module(name)
    assert logging.getLogger("celery").level == logging.WARNING


@pytest.mark.slow
def test_tasks_go_through_this_app_in_every_process_that_loads_django() -> None:
    code = "from mailrelay.tasks import deliver_outbox; print(deliver_outbox.app.main)"
    argv = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "quazzar"


@pytest.mark.slow
def test_a_worker_sweeps_when_it_is_up_and_stops_claiming_when_it_ends() -> None:
    code = (
        "from celery.signals import worker_ready, worker_shutting_down\n"
        "from quazzar.celery import app\n"
        "app.loader.import_default_modules()\n"
        "for signal in worker_ready, worker_shutting_down:\n"
        "    print(signal.receivers)\n"
    )
    argv = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    ready, ending = done.stdout.splitlines()
    assert "_sweep_at_start" in ready
    assert "_finish_what_is_on_the_wire" in ending


@pytest.mark.django_db
def test_a_heartbeat_moves_the_one_row_of_the_worker() -> None:
    tasks.heartbeat()
    first = Heartbeat.objects.get(name="worker").at
    tasks.heartbeat()
    assert Heartbeat.objects.get(name="worker").at > first


@pytest.mark.django_db
def test_a_purge_forgets_what_is_older_than_a_day_and_nothing_else() -> None:
    for hours in (23, 25):
        claimed_at = timezone.now() - timedelta(hours=hours)
        IdempotentRequest.objects.create(key=f"{hours} h", claimed_at=claimed_at)
    tasks.purge()
    assert [row.key for row in IdempotentRequest.objects.all()] == ["23 h"]
