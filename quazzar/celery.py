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
        "sweep-outbox": {"task": "mailrelay.tasks.sweep_outbox", "schedule": 20, "options": {"expires": 20}},
        "sweep-expected": {
            "task": "mailrelay.tasks.sweep_expected",
            "schedule": 20,
            "options": {"expires": 20},
        },
        "read-inboxes": {"task": "mailrelay.tasks.read_inboxes", "schedule": 30, "options": {"expires": 30}},
        "watch-licence": {
            "task": "mailrelay.tasks.watch_licence",
            "schedule": 60,
            "options": {"expires": 60},
        },
        "look": {"task": "quazzar.tasks.look", "schedule": 20, "options": {"expires": 20}},
        "watch-node": {"task": "mailrelay.tasks.watch_node", "schedule": 60, "options": {"expires": 60}},
        "sweep-stack": {"task": "mailboxes.tasks.sweep_stack", "schedule": 20, "options": {"expires": 20}},
        "find-drift": {"task": "mailboxes.tasks.find_drift", "schedule": 120, "options": {"expires": 60}},
        "refresh-usage": {
            "task": "mailboxes.tasks.refresh_usage",
            "schedule": 300,
            "options": {"expires": 60},
        },
        "watch-mail-disk": {
            "task": "mailboxes.tasks.watch_mail_disk",
            "schedule": 40,
            "options": {"expires": 40},
        },
        "watch-mail-queue": {
            "task": "mailboxes.tasks.watch_mail_queue",
            "schedule": 20,
            "options": {"expires": 20},
        },
        "follow-mail-log": {
            "task": "mailboxes.tasks.follow_mail_log",
            "schedule": 20,
            "options": {"expires": 20},
        },
        "clean-up-mail-log": {"task": "mailboxes.tasks.clean_up_mail_log", "schedule": crontab(minute="27")},
        "look-for-images": {
            "task": "mailboxes.tasks.look_for_images",
            "schedule": crontab(minute="7", hour="4"),
        },
        "purge-mailboxes": {"task": "mailboxes.tasks.purge_mailboxes", "schedule": crontab(minute="37")},
        "check-dns": {"task": "dnsrecords.tasks.check_due", "schedule": 60, "options": {"expires": 60}},
        "watch-dns": {"task": "dnsrecords.tasks.watch", "schedule": 20, "options": {"expires": 20}},
        "publish-dns": {"task": "dnsrecords.tasks.publish_due", "schedule": 60, "options": {"expires": 60}},
        "check-blocklists": {
            "task": "dnsrecords.tasks.check_blocklists",
            "schedule": 300,
            "options": {"expires": 60},
        },
        "send-proofs": {
            "task": "dnsrecords.tasks.send_proofs",
            "schedule": 20,
            "options": {"expires": 20},
        },
        "carry-on-proofs": {
            "task": "dnsrecords.tasks.carry_on_proofs",
            "schedule": 20,
            "options": {"expires": 20},
        },
        "name-senders": {
            "task": "dnsrecords.tasks.name_senders",
            "schedule": 300,
            "options": {"expires": 60},
        },
        "clean-up-reports": {"task": "dnsrecords.tasks.clean_up", "schedule": crontab(minute="27")},
        "heartbeat": {"task": "quazzar.tasks.heartbeat", "schedule": 15, "options": {"expires": 15}},
        "clean-up-mail": {"task": "mailrelay.tasks.clean_up", "schedule": crontab(minute="17")},
        "purge": {"task": "quazzar.tasks.purge", "schedule": crontab(minute="47")},
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
