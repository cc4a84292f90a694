"""Finds mailboxes whose password is being guessed, and clients that guess at many, in Rspamd's log."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from mailboxes.models import Mailbox, Stack
from mailrelay.notices.notify import notify_operator

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

logger = logging.getLogger(__name__)

#: A client that guesses at many mailboxes is named by this prefix and its address.
MANY = "many mailboxes, from "
#: For this long, a mailbox stays on the page and causes no second mail.
KEPT = timedelta(days=1)
#: Lines of Rspamd's log to read; a line about a mailbox comes every five minutes.
_LOG_LINES = 5000
# As rspamd/controller.lua writes it; the container's clock is in UTC.
_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) .*quazzar-guessing (\S{3,320}) (\d{1,9})")


def refresh(engine: Engine, container: str) -> None:
    """Stores the mailboxes whose password is being guessed, and mails the operator about new ones.

    Args:
        container: Rspamd's.

    Raises:
        StackError: the Docker Engine does not answer.
    """
    now = timezone.now()
    found = {
        name: (at, count)
        for name, (at, count) in parse(engine.logs(container, _LOG_LINES)).items()
        if now - at < KEPT
    }
    # Names that do not exist were made up by the attacker, and do not matter.
    real = set(Mailbox.objects.live().filter(address__in=found).values_list("address", flat=True))
    real |= {name for name in found if name.startswith(MANY)}
    with transaction.atomic():
        stack = Stack.objects.select_for_update().get_or_create(pk=1)[0]
        kept = {
            name: entry
            for name, entry in stack.guessed.items()
            if now - datetime.fromisoformat(entry["since"]) < KEPT
        }
        new = sorted(real - kept.keys())
        for name in real:
            at, count = found[name]
            since = kept.get(name, {}).get("since", at.isoformat())
            kept[name] = {"since": since, "count": count}
        if kept != stack.guessed:
            Stack.objects.filter(pk=1).update(guessed=kept)
        if new:
            logger.warning("stack: someone is guessing the password of %s", ", ".join(new))
            notify_operator(*operator_mail(new))


def parse(log: str) -> dict[str, tuple[datetime, int]]:
    """Mailbox or client → when its last line was written, and how many different passwords had been tried. Pure."""
    return {
        _named(match[2]): (datetime.fromisoformat(match[1]).replace(tzinfo=UTC), int(match[3]))
        for match in _LINE.finditer(log)
    }


def _named(who: str) -> str:
    """A mailbox by its address, and a client by a description: it has tried many of them."""
    return who if "@" in who else f"{MANY}{who}"


def operator_mail(addresses: list[str]) -> tuple[str, str]:
    """Subject and text of the mail about these mailboxes. Pure."""
    first, others = addresses[0], len(addresses) - 1
    subject = f"Someone is guessing the password of {first}" + (f" and {others} more" if others else "")
    lines = [
        "Someone tried ten or more different wrong passwords at:",
        "",
        *addresses,
        "",
        "Further guesses are delayed by up to ten minutes each. The owner's correct password is still "
        "accepted at once.",
        "If the owner has a new device or a new password, ignore this mail. Otherwise, give the mailbox a "
        "long password",
        "and check Dovecot's log in the Mailboxes tab to see where the guesses come from.",
    ]
    return f"[Logins] {subject}", "\n".join(lines) + "\n"
