"""The worker's periodic jobs for mailboxes: certificate, quota usage, Postfix's queue, purging deleted mailboxes."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from mailboxes.certificates.settings import refresh_certificate
from mailboxes.engine import connect
from mailboxes.mailqueue import watch
from mailboxes.models import Stack
from mailboxes.provisioning import retention
from mailboxes.push import render
from mailboxes.quota import room, usage, warnings
from mailboxes.stack import clients, drift, guessing, lock, versions
from mailboxes.upgrades import newer
from quazzar.errors import StackError
from quazzar.monitoring import findings

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

logger = logging.getLogger(__name__)

#: The program with which Docker forwards connections that no kernel rule handles.
_PROXY = "docker-proxy"
#: Seconds to check all mail.
_LONG = 900.0
#: Lines of Postfix's log to read; they hold some hundred connections.
_LOG_LINES = 2000


def watch_certificate() -> None:
    """Renews a self-signed certificate, or reads files that an ACME client renewed, and stores problems."""
    problem = refresh_certificate().problem[:300]
    is_news = Stack.objects.filter(pk=1).exclude(tls_problem=problem).update(tls_problem=problem)
    if problem and is_news:
        logger.warning("certificate not renewed: %s", problem)


def watch_disk() -> None:
    """Stores how much room is left for mail; a disk can fill within a minute."""
    try:
        with connect.to_docker() as engine:
            room.refresh(engine, container("dovecot"))
    except StackError as exc:
        logger.warning("disk of the mail: not checked: %s", exc.message)
        return
    findings.look({"mail disk"})


def refresh_usage() -> None:
    """Stores and warns about the usage of mailboxes; stores disk usage, how clients appear, and password guessing."""
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
    """Stores what share of its clients Postfix sees under their own addresses, and how the others connected."""
    network = engine.network(settings.QUAZZAR_STACK_PROJECT)
    if network is None:
        return
    if not (counted := clients.hidden(engine.logs(container("postfix"), _LOG_LINES), network.gateway)):
        return
    seen, hidden = counted
    values: dict[str, object] = {"seen": seen, "hidden": hidden}
    if hidden:
        state, info = engine.containers(settings.QUAZZAR_STACK_PROJECT).get("postfix"), engine.info()
        proxied = info.is_local and _runs(_PROXY)
        values["ways"] = clients.ways(
            state.published if state else (), rootless=info.rootless, proxied=proxied, every=hidden == seen
        )
    Stack.objects.filter(pk=1).update(clients=values)


def _runs(program: str) -> bool:
    """Whether a process of this name runs on this machine, under any user: proc_pid_comm(5)."""
    for process in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):  # it has ended
            if process.read_text().strip() == program:
                return True
    return False


def look_for_images() -> None:
    """Stores whether there are newer images than those that run; asks their registries."""
    try:
        newer.look()
    except StackError as exc:
        logger.warning("newer images: not looked for: %s", exc.message)


def watch_queue() -> None:
    """Stores what waits in Postfix, and mails the operator about mail that waits too long."""
    try:
        with connect.to_docker() as engine:
            watch.refresh(engine)
            if not Stack.load().versions:
                versions.refresh(engine)
    except StackError as exc:
        logger.warning("mail queue: not checked: %s", exc.message)


def purge() -> None:
    """Removes the mail, and then the row, of each deleted mailbox whose restore period is over; also Quazzar's own mail
    once it has no mailbox any more."""
    due = list(retention.due(timezone.now()))
    own = Stack.objects.filter(pk=1, own_mailbox=False, own_address="").exclude(own_home="")
    if not (due or own.exists()) or not Stack.objects.filter(pk=1, enabled=True).exists():
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
                    _remove_mail(engine, mailbox.home)
                    # The row goes last: while the directory exists, its name must not be given away.
                    mailbox.delete()
                    logger.info("purged %s, deleted on %s", mailbox.address, mailbox.deleted_at)
                for home in own.values_list("own_home", flat=True):
                    if render.HOME.fullmatch(home):
                        _remove_mail(engine, home)
                    own.filter(own_home=home).update(own_home="")
        except StackError as exc:
            logger.warning("purge: not finished: %s", exc.message)


def _remove_mail(engine: Engine, home: str) -> None:
    engine.check(
        container("dovecot"),
        ["rm", "-rf", "--", f"{render.MAIL_ROOT}/{home}"],
        what="removing mail",
        timeout=300,
    )


def container(service: str) -> str:
    """The name of the container that runs this service."""
    return f"{settings.QUAZZAR_STACK_PROJECT}-{service}"


def own_mail() -> None:
    """Gives mail that Dovecot cannot read back to it, wherever it is: `drift` only checks what changed lately."""
    if Stack.load().phase != Stack.Phase.HEALTHY:
        return
    try:
        with connect.to_docker() as engine:
            argv = ["bash", "-c", drift.OWN_ALL]
            result = engine.check(
                container("dovecot"), argv, what="giving mail its owner back", timeout=_LONG
            )
    except StackError as exc:
        logger.warning("mail with another owner: not looked for: %s", exc.message)
        return
    if found := int(result.stdout.decode(errors="replace").strip() or 0):
        logger.warning("stack: %d files of mail had another owner, and were given back to Dovecot", found)
