"""Celery's entry points: no arguments, safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from dnsrecords.models import Proof, ProofSchedule


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
def send_proofs() -> None:
    """Hands proofs to the mail server; runs where the Docker Engine can be reached."""
    if not Proof.objects.filter(state=Proof.State.SENDING).exists():
        return
    from dnsrecords.proof import running

    running.send_waiting()


@shared_task(ignore_result=True)
def carry_on_proofs() -> None:
    """Starts the scheduled proof, follows those that are on their way, and judges those that arrived."""
    is_due = ProofSchedule.objects.filter(due_at__lte=timezone.now()).exists()
    if not is_due and not Proof.objects.filter(state__in=Proof.OPEN).exists():
        return
    from dnsrecords.proof import running

    running.carry_on()


@shared_task(ignore_result=True)
def clean_up() -> None:
    """Removes what reports said, and proofs found, so long ago that it is kept no longer."""
    from dnsrecords.proof import schedule
    from dnsrecords.reports import retention

    retention.purge()
    schedule.purge()


@shared_task(ignore_result=True)
def watch() -> None:
    """Notices that a record on which mail depends has changed, so that its domain is checked now."""
    from dnsrecords.checking import tripwire

    tripwire.watch()
