"""Celery's entry points: no arguments but ids, safe to run twice."""

from __future__ import annotations

from celery import shared_task

from mailboxes.models import ImportJob, Stack


@shared_task(ignore_result=True)
def push_changes() -> None:
    """Brings what changed into the running stack; the doorbell's task."""
    from mailboxes.stack import reconcile

    reconcile.converge(fast=True)


@shared_task(ignore_result=True)
def sweep_stack() -> None:
    """Finds what a lost ring, a dead worker, a stopped container or a full disk left behind."""
    if _idle():
        return
    from mailboxes.stack import reconcile

    reconcile.converge(quiet=True)
    for job in ImportJob.objects.filter(state=ImportJob.State.RUNNING).values_list("id", flat=True):
        import_mailboxes(job)


@shared_task(ignore_result=True)
def find_drift() -> None:
    """Compares the files in the containers with the rows, and looks at the certificate's files."""
    if _idle():
        return
    from mailboxes import upkeep as housekeeping
    from mailboxes.stack import reconcile

    housekeeping.watch_certificate()
    reconcile.converge(quiet=True, deep=True)


@shared_task(ignore_result=True)
def import_mailboxes(job_id: int) -> None:
    """Hashes and writes what a CSV brought."""
    from mailboxes.csvfiles import importing
    from mailboxes.stack import lock

    with lock.single_writer("import") as mine:
        if mine:
            importing.run(job_id)


@shared_task(ignore_result=True)
def refresh_usage() -> None:
    """Quota used per mailbox, and a warning where it gets tight."""
    if Stack.load().phase != Stack.Phase.HEALTHY:
        return
    from mailboxes import upkeep as housekeeping

    housekeeping.refresh_usage()


@shared_task(ignore_result=True)
def purge_mailboxes() -> None:
    """Removes deleted mailboxes, with their mail, whose restore period is over."""
    from mailboxes import upkeep as housekeeping

    housekeeping.purge()


def _idle() -> bool:
    stack = Stack.load()
    return not stack.enabled and stack.phase == Stack.Phase.DISABLED and not _importing()


def _importing() -> bool:
    return ImportJob.objects.filter(state=ImportJob.State.RUNNING).exists()
