"""Celery's entry points: no arguments, safe to run twice."""

from __future__ import annotations

from celery import shared_task


@shared_task(ignore_result=True)
def check_due() -> None:
    """Checks the domains that are due, and mails the operator what broke or recovered."""
    from dnsrecords.checking import check

    check.check_due()


@shared_task(ignore_result=True)
def publish_due() -> None:
    """Publishes records that have changed or are wrong, where a name server is set up for the domain."""
    from dnsrecords.publishing import publish

    publish.publish_due()


@shared_task(ignore_result=True)
def watch() -> None:
    """Notices that a record on which mail depends has changed, so that its domain is checked now."""
    from dnsrecords.checking import tripwire

    tripwire.watch()
