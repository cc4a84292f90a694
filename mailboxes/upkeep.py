"""What the worker does for mailboxes now and then: quota usage, and the end of deleted ones."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from mailboxes.engine import connect
from mailboxes.models import Mailbox, Stack
from mailboxes.provisioning import retention
from mailboxes.push import render
from mailboxes.quota import usage
from mailboxes.quota import warnings as quotawarnings
from mailboxes.stack import clients, lock
from mailboxes.stack import settings as stacksettings
from quazzar.errors import StackError

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

logger = logging.getLogger(__name__)

#: Of Postfix's log, enough for some hundred connections.
_LOG_LINES = 2000


def watch_certificate() -> None:
    """Renews a self-signed certificate, and reads files again that an ACME client renewed."""
    found = stacksettings.refresh_certificate()
    Stack.objects.filter(pk=1).exclude(tls_problem=found.problem[:300]).update(
        tls_problem=found.problem[:300]
    )


def refresh_usage() -> None:
    """Asks Dovecot how full the mailboxes are, and warns where it gets tight."""
    try:
        with connect.to_docker() as engine:
            usage.refresh(engine, container("dovecot"))
            _look_for_clients(engine)
    except StackError as exc:
        logger.warning("usage: not refreshed: %s", exc.message)
        return
    quotawarnings.warn()


def _look_for_clients(engine: Engine) -> None:
    """Whether clients' own addresses reach Postfix, which Rspamd and the operator need to know."""
    network = engine.network(settings.QUAZZAR_STACK_PROJECT)
    if network is None:
        return
    found = clients.gateway_only(engine.logs(container("postfix"), _LOG_LINES), network.gateway)
    if found is not None:
        Stack.objects.filter(pk=1).update(gateway_only=found)


def purge() -> None:
    """Removes the mail, then the row, of each deleted mailbox whose restore period is over."""
    due = list(retention.due(timezone.now()))
    if not due or not Stack.objects.filter(pk=1, enabled=True).exists():
        return
    with lock.single_writer("purge") as mine:
        if not mine:
            return
        try:
            with connect.to_docker() as engine:
                for mailbox in due:
                    if not render.HOME.fullmatch(mailbox.home):
                        logger.error("purge: %r is no place of a mailbox; nothing was removed", mailbox.home)
                        continue
                    _remove_mail(engine, mailbox)
                    # Only now: a row whose directory still lies there must not free its name.
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
    """The container's name."""
    return f"{settings.QUAZZAR_STACK_PROJECT}-{service}"
