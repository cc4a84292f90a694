"""Asks Dovecot how full the mailboxes are, for all of them at once, and stores it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.utils import timezone

from mailboxes.models import Mailbox, Stack
from quazzar.errors import CommandFailed

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

logger = logging.getLogger(__name__)

#: Seconds. One command checks all mailboxes; each that was never opened takes it a millisecond or two.
TIMEOUT = 300.0
# With -A it would take the names in the users file for addresses, and there a name may be escaped. The addresses come
# on standard input, after their length, because the Engine cannot close that.
_READ_THEM = 'read -r length && head -c "$length" | doveadm -f tab quota get -F -'
_COMMAND = ["bash", "-c", _READ_THEM, "usage"]
_KIB = 1024
_BATCH = 500


def refresh(engine: Engine, container: str) -> int:
    """Stores how many bytes each mailbox holds, and returns for how many that changed.

    It raises no generation, because usage is not part of the configuration.

    Args:
        container: Dovecot's.

    Raises:
        StackError: Dovecot did not answer.
    """
    addresses = Mailbox.objects.live().filter(live_at__isnull=False).values_list("address", flat=True)
    asked = "".join(f"{address}\n" for address in addresses.order_by("address")).encode("ascii")
    result = engine.run(container, _COMMAND, stdin=b"%d\n%s" % (len(asked), asked), timeout=TIMEOUT)
    used = parse(result.stdout.decode(errors="replace"))
    if result.exit_code and not used:
        reason = _last_line(result.stderr)
        raise CommandFailed(
            f"Dovecot did not report how full the mailboxes are: {reason}", exit_code=result.exit_code
        )
    if result.exit_code:
        logger.warning("usage: doveadm failed for some mailboxes: %s", _last_line(result.stderr))
    changed = store(used)
    Stack.objects.filter(pk=1).update(usage_at=timezone.now())
    return changed


def parse(output: str) -> dict[str, int]:
    """Address → bytes, from the output of ``doveadm -f tab quota get``; skips lines that cannot be read. Pure."""
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
    """Stores address → bytes where it differs, and returns the number of changed rows."""
    changed = []
    for row in Mailbox.objects.live().only("id", "address", "usage_bytes").iterator():
        usage = used.get(row.address, row.usage_bytes)
        if usage != row.usage_bytes:
            row.usage_bytes = usage
            changed.append(row)
    Mailbox.objects.bulk_update(changed, ["usage_bytes"], batch_size=_BATCH)
    return len(changed)


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "no message."
