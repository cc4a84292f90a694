"""The worker's tasks. They take ids or nothing, and are safe to run twice."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from mailboxes.models import ImageUpgrade, ImportJob, Stack


@shared_task(ignore_result=True)
def push_changes() -> None:
    """Pushes changes into the running stack; rung after each change."""
    from mailboxes.own import keeping
    from mailboxes.stack import reconcile

    keeping.keep()
    reconcile.converge(fast=True)
    _carry_on_upgrade()


@shared_task(ignore_result=True)
def sweep_stack() -> None:
    """Does what a lost ring, a dead worker, a stopped container or a full disk prevented; renews the certificate."""
    from mailboxes.own import keeping

    keeping.keep()
    if _idle():
        return
    from mailboxes import upkeep
    from mailboxes.stack import reconcile

    upkeep.watch_certificate()
    reconcile.converge(quiet=True)
    _carry_on_upgrade()
    for job in ImportJob.objects.filter(state=ImportJob.State.RUNNING).values_list("id", flat=True):
        import_mailboxes(job)


@shared_task(ignore_result=True)
def find_drift() -> None:
    """Compares the files in the containers with the rows."""
    if _idle():
        return
    from mailboxes.stack import reconcile

    reconcile.converge(quiet=True, deep=True)


@shared_task(ignore_result=True)
def look_for_images() -> None:
    """Stores whether there are newer images than those that run."""
    if Stack.load().phase not in (Stack.Phase.HEALTHY, Stack.Phase.DEGRADED):
        return
    from mailboxes import upkeep

    upkeep.look_for_images()


@shared_task(ignore_result=True)
def import_mailboxes(job_id: int) -> None:
    """Hashes the passwords of an import, and writes its mailboxes."""
    from mailboxes.csvfiles import importing
    from mailboxes.stack import lock

    with lock.single_writer("import") as acquired:
        if acquired:
            importing.run(job_id)


@shared_task(ignore_result=True)
def refresh_usage() -> None:
    """Stores how full the mailboxes are, and warns of those that fill up."""
    if Stack.load().phase != Stack.Phase.HEALTHY:
        return
    from mailboxes import upkeep

    upkeep.refresh_usage()


@shared_task(ignore_result=True)
def watch_mail_disk() -> None:
    """Stores how much room is left for mail."""
    if Stack.load().phase not in (Stack.Phase.HEALTHY, Stack.Phase.DEGRADED):
        return
    from mailboxes import upkeep

    upkeep.watch_disk()


@shared_task(ignore_result=True)
def watch_mail_queue() -> None:
    """Stores what waits in Postfix, and mails the operator about mail that waits too long."""
    if Stack.load().phase not in (Stack.Phase.HEALTHY, Stack.Phase.DEGRADED):
        return
    from mailboxes import upkeep

    upkeep.watch_queue()


@shared_task(ignore_result=True)
def follow_mail_log() -> None:
    """Starts the thread that follows the containers' logs, unless it runs here already."""
    if not Stack.load().enabled:
        return
    from mailboxes.maillog import following

    following.ensure()


@shared_task(ignore_result=True)
def clean_up_mail_log() -> None:
    """Removes what the logs said longer ago than it is kept."""
    from mailboxes.maillog import retention

    retention.purge()


@shared_task(ignore_result=True)
def purge_mailboxes() -> None:
    """Removes deleted mailboxes whose restore period is over, with their mail; checks the owner of all other mail."""
    from mailboxes import upkeep

    upkeep.purge()
    upkeep.own_mail()


def _idle() -> bool:
    stack = Stack.load()
    return not stack.enabled and stack.phase == Stack.Phase.DISABLED and not _importing() and not _upgrading()


def _carry_on_upgrade() -> None:
    """Takes up an upgrade of the images: one that was asked for, or whose worker has ended."""
    if _upgrading():
        from mailboxes.upgrades import steps

        steps.carry_on()


def _upgrading() -> bool:
    return ImageUpgrade.objects.open().exists()


def _importing() -> bool:
    return ImportJob.objects.filter(state=ImportJob.State.RUNNING).exists()


# Celery imports this module in the worker (autodiscover_tasks), so only the worker has this receiver.
@worker_shutting_down.connect
def _stop_following(**_: Any) -> None:
    """The next worker goes on where this one stopped."""
    from mailboxes.maillog import following

    following.stop()
