"""Celery's entry point: no arguments, safe to run twice."""

from __future__ import annotations

from celery import shared_task


@shared_task(ignore_result=True)
def check_due() -> None:
    """Publishes what changed where that is done by machine, and looks up the domains whose time has come."""
    from dnsrecords import checking, publishing

    publishing.publish_due()
    checking.check_due()
