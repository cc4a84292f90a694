"""Celery's entry points: no arguments, safe to run twice."""

from __future__ import annotations

from celery import shared_task


@shared_task(ignore_result=True)
def check_due() -> None:
    """Looks up the domains whose time has come; the operator hears what broke."""
    from dnsrecords.checking import check

    check.check_due()


@shared_task(ignore_result=True)
def publish_due() -> None:
    """Publishes by machine, where that is set up, what has changed or was found wrong."""
    from dnsrecords.publishing import publish

    publish.publish_due()
