"""The Celery app: JSON only, no result backend, a static beat schedule."""

from __future__ import annotations

import logging.config
import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from celery import Celery, signals
from celery.loaders.app import AppLoader
from celery.schedules import crontab
from django.conf import settings  # noqa: F401  (before Celery() imports it from a longer path: see Loader)

from quazzar.monitoring import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quazzar.settings")

#: The tasks of the mailbox stack wait here.
STACK_QUEUE = "quazzar-stack"

#: Task → seconds between two runs. One that has waited for a worker for that long, or for a minute, is dropped: the
#: next one does the same.
EVERY = {
    "quazzar.tasks.heartbeat": 15,
    "dnsrecords.tasks.carry_on_proofs": 20,
    "dnsrecords.tasks.send_proofs": 20,
    "dnsrecords.tasks.watch": 20,
    "mailboxes.tasks.follow_mail_log": 20,
    "mailboxes.tasks.sweep_stack": 20,
    "mailboxes.tasks.watch_mail_queue": 20,
    "mailrelay.tasks.sweep_expected": 20,
    "mailrelay.tasks.sweep_outbox": 20,
    "quazzar.tasks.look": 20,
    "mailrelay.tasks.read_inboxes": 30,
    "mailboxes.tasks.watch_mail_disk": 40,
    "dnsrecords.tasks.check_due": 60,
    "dnsrecords.tasks.publish_due": 60,
    "mailrelay.tasks.watch_licence": 60,
    "mailrelay.tasks.watch_node": 60,
    "mailboxes.tasks.find_drift": 120,
    "dnsrecords.tasks.check_blocklists": 300,
    "dnsrecords.tasks.name_senders": 300,
    "mailboxes.tasks.refresh_usage": 300,
}
#: Task → when it runs.
AT = {
    "mailboxes.tasks.clean_up_mail_log": crontab(minute="27"),
    "mailboxes.tasks.look_for_images": crontab(minute="7", hour="4"),
    "mailboxes.tasks.purge_mailboxes": crontab(minute="37"),
    "dnsrecords.tasks.clean_up": crontab(minute="27"),
    "mailrelay.tasks.clean_up": crontab(minute="17"),
    "quazzar.tasks.purge": crontab(minute="47"),
}


class Loader(AppLoader):
    """Imports as Python does.

    Celery's own loader puts the current directory first on the path while it imports, and its Django fixup leaves it
    there (celery/loaders/base.py, celery/fixups/django.py). Anyone who can write to that directory could then make us
    load a module of any name (CWE-427).
    """

    def import_from_cwd(self, module: str, imp: Any = None, package: str | None = None) -> ModuleType:
        """The module, from the path that the process was started with."""
        return import_module(module, package)


_path = [*sys.path]
app = Celery("quazzar", loader="quazzar.celery:Loader")
sys.path[:] = _path
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_default_queue="quazzar",
    # A queue of its own, which only workers that reach the Docker Engine listen to.
    task_routes={
        "mailboxes.tasks.*": {"queue": STACK_QUEUE},
        "dnsrecords.tasks.send_proofs": {"queue": STACK_QUEUE},
    },
    # Do not wait for a doorbell that cannot ring now: the row is saved, and a sweep finds it.
    task_publish_retry=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "global_keyprefix": "quazzar:",
        "visibility_timeout": 600,
        "socket_connect_timeout": 1,
        "socket_timeout": 2,
        "max_retries": 0,
        "connect_retries_timeout": 2,
    },
    worker_prefetch_multiplier=1,
    # Concerns late acknowledgement, which is not used; left unset, each lost connection logs a page about it.
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    beat_schedule={
        **{
            task: {"task": task, "schedule": seconds, "options": {"expires": min(seconds, 60)}}
            for task, seconds in EVERY.items()
        },
        **{task: {"task": task, "schedule": moment} for task, moment in AT.items()},
    },
)
app.autodiscover_tasks()


@signals.setup_logging.connect(weak=False)
def _log_as_django_does(**_: Any) -> None:
    logging.config.dictConfig(logs.LOGGING)


@signals.task_prerun.connect(weak=False)
def _enter_task(task_id: str, **_: Any) -> None:
    logs.task_id.set(task_id)


@signals.task_postrun.connect(weak=False)
def _leave_task(**_: Any) -> None:
    logs.task_id.set("")


@signals.worker_ready.connect(weak=False)
def _begin(**_: Any) -> None:
    """Report at once that the worker is up, rather than wait for the clock."""
    app.send_task("quazzar.tasks.heartbeat")
    app.send_task("quazzar.tasks.look")
