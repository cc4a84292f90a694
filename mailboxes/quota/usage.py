"""How full the mailboxes are: asked of Dovecot for all of them at once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.utils import timezone

from mailboxes.models import Mailbox, Stack
from quazzar.errors import CommandFailed

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

logger = logging.getLogger(__name__)

#: One command walks over all users; a mailbox that nobody opened yet costs it a millisecond or two.
TIMEOUT = 300.0
_COMMAND = ["doveadm", "-f", "tab", "quota", "get", "-A"]
_KIB = 1024
_BATCH = 500


def refresh(engine: Engine, container: str) -> int:
    """Stores the quota used of every mailbox, and returns how many changed.

    No generation is bumped: nothing of it is configuration.

    Args:
        container: Dovecot's.

    Raises:
        StackError: Dovecot could not be asked.
    """
    result = engine.run(container, _COMMAND, timeout=TIMEOUT)
    used = parse(result.stdout.decode(errors="replace"))
    if result.exit_code and not used:
        reason = _last_line(result.stderr)
        raise CommandFailed(
            f"Dovecot did not tell how full the mailboxes are: {reason}", exit_code=result.exit_code
        )
    if result.exit_code:
        logger.warning("usage: some mailboxes could not be asked: %s", _last_line(result.stderr))
    changed = store(used)
    Stack.objects.filter(pk=1).update(usage_at=timezone.now())
    return changed


def parse(output: str) -> dict[str, int]:
    """Address → bytes, of what ``doveadm -f tab quota get -A`` prints; lines that cannot be read are left out."""
    header, *lines = [line.split("\t") for line in output.splitlines()] or [[]]
    if not {"Username", "Type", "Value"} <= {*header}:
        return {}
    rows = [dict(zip(header, line, strict=False)) for line in lines if len(line) == len(header)]
    return {
        row["Username"]: int(row["Value"]) * _KIB  # doveadm counts storage in KiB
        for row in rows
        if row["Type"] == "STORAGE" and row["Value"].isascii() and row["Value"].isdigit()
    }


def store(used: dict[str, int]) -> int:
    """Writes what differs; says how many rows did."""
    changed = []
    for row in Mailbox.objects.filter(deleted_at=None).only("id", "address", "usage_bytes").iterator():
        found = used.get(row.address, row.usage_bytes)
        if found != row.usage_bytes:
            row.usage_bytes = found
            changed.append(row)
    Mailbox.objects.bulk_update(changed, ["usage_bytes"], batch_size=_BATCH)
    return len(changed)


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "no message."
