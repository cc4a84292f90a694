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
def name_senders() -> None:
    """Looks up whose the addresses are that new reports name."""
    from dnsrecords.reports import networks

    networks.look_up_unknown()


@shared_task(ignore_result=True)
def check_blocklists() -> None:
    """Asks the blocklists, a few times a day, whether they have what mail leaves from."""
    from dnsrecords.blocklists import check

    check.check_due()


@shared_task(ignore_result=True)
def clean_up() -> None:
    """Removes what reports said so long ago that its retention is over."""
    from dnsrecords.reports import retention

    retention.purge()


@shared_task(ignore_result=True)
def watch() -> None:
    """Notices that a record on which mail depends has changed, so that its domain is checked now."""
    from dnsrecords.checking import tripwire

    tripwire.watch()
