"""The worker's periodic jobs for mailboxes: certificate, quota usage, Postfix's queue, purging deleted mailboxes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from mailboxes.certificates.settings import refresh_certificate
from mailboxes.engine import connect
from mailboxes.mailqueue import watch
from mailboxes.models import Mailbox, Stack
from mailboxes.provisioning import retention
from mailboxes.push import render
from mailboxes.quota import room, usage, warnings
from mailboxes.stack import clients, guessing, lock, versions
from quazzar.errors import StackError

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

logger = logging.getLogger(__name__)

#: Lines of Postfix's log to read; they hold some hundred connections.
_LOG_LINES = 2000


def watch_certificate() -> None:
    """Renews a self-signed certificate, or reads files again that an ACME client renewed, and stores problems."""
    problem = refresh_certificate().problem[:300]
    Stack.objects.filter(pk=1).exclude(tls_problem=problem).update(tls_problem=problem)


def refresh_usage() -> None:
    """Stores how full the mailboxes and their disk are, how clients appear, and who guesses; warns of what fills up."""
    try:
        with connect.to_docker() as engine:
            room.refresh(engine, container("dovecot"))
            usage.refresh(engine, container("dovecot"))
            versions.refresh(engine)
            _store_clients(engine)
            guessing.refresh(engine, container("rspamd"))
    except StackError as exc:
        logger.warning("usage: not refreshed: %s", exc.message)
        return
    warnings.warn()


def _store_clients(engine: Engine) -> None:
    """Stores which share of its clients Postfix sees under their own addresses."""
    network = engine.network(settings.QUAZZAR_STACK_PROJECT)
    if network is None:
        return
    if counted := clients.hidden(engine.logs(container("postfix"), _LOG_LINES), network.gateway):
        Stack.objects.filter(pk=1).update(clients=dict(zip(("seen", "hidden"), counted, strict=True)))


def watch_queue() -> None:
    """Stores what waits in Postfix, and tells the operator of mail that waits for too long."""
    try:
        with connect.to_docker() as engine:
            watch.refresh(engine)
            if not Stack.load().versions:
                versions.refresh(engine)
    except StackError as exc:
        logger.warning("mail queue: not looked at: %s", exc.message)


def purge() -> None:
    """Removes the mail, and then the row, of each deleted mailbox whose restore period is over."""
    due = list(retention.due(timezone.now()))
    if not due or not Stack.objects.filter(pk=1, enabled=True).exists():
        return
    with lock.single_writer("purge") as acquired:
        if not acquired:
            return
        try:
            with connect.to_docker() as engine:
                for mailbox in due:
                    if not render.HOME.fullmatch(mailbox.home):
                        logger.error(
                            "purge: %r is not the home of a mailbox; nothing was removed", mailbox.home
                        )
                        continue
                    _remove_mail(engine, mailbox)
                    # The row goes last: while the directory exists, its name must not be given away.
                    mailbox.delete()
                    logger.info("purged %s, deleted on %s", mailbox.address, mailbox.deleted_at)
        except StackError as exc:
            logger.warning("purge: not finished: %s", exc.message)


def _remove_mail(engine: Engine, mailbox: Mailbox) -> None:
    engine.check(
        container("dovecot"),
        ["rm", "-rf", "--", f"{render.MAIL_ROOT}/{mailbox.home}"],
        what="removing mail",
        timeout=300,
    )


def container(service: str) -> str:
    """The name of the container that runs this service."""
    return f"{settings.QUAZZAR_STACK_PROJECT}-{service}"
