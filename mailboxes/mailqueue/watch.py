"""Reads Postfix's queue, stores a summary, and mails the operator when mail waits too long."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mailboxes.engine import connect
from mailboxes.mailqueue import listing
from mailboxes.mailqueue.listing import Reason, Summary, Waiting
from mailboxes.models import Stack
from mailrelay.notices.notify import notify_operator
from quazzar import words
from quazzar.errors import NotRunning, NotThere

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

#: Seconds for the command.
TIMEOUT = 20.0
#: Mails whose reasons are read; the rest is counted.
MOST_READ = 5000
# The last line is the number of all lines.
_COMMAND = ["bash", "-o", "pipefail", "-c", f"postqueue -j | sed -n '1,{MOST_READ}p;$='"]
#: Mail that has waited for longer is a problem. Greylisting takes 5 to 15 minutes.
LATE = timedelta(minutes=20)
#: How often the operator is notified of the same problem.
_AGAIN = timedelta(days=1)
#: A problem that has not been seen for this long is over.
_FORGET = timedelta(hours=1)
_MOST_REASONS = 5
MOST_LISTED = 500


def ask(engine: Engine) -> tuple[list[Waiting], int]:
    """The mails in the queue, up to 5000 of them, and how many there are.

    Raises:
        StackError: Postfix did not answer.
    """
    result = engine.check(container(), _COMMAND, timeout=TIMEOUT, what="reading the mail queue")
    return listing.read(result.stdout.decode(errors="replace"))


def container() -> str:
    """The name of Postfix's container."""
    return f"{settings.QUAZZAR_STACK_PROJECT}-postfix"


def refresh(engine: Engine) -> None:
    """Stores what waits, and mails the alert recipients if it waits for too long.

    Raises:
        StackError: as ``ask``; what was stored stays.
    """
    summary = listing.summarise(*ask(engine))
    now = timezone.now()
    with transaction.atomic():
        Stack.objects.filter(pk=1).update(mail_queue=_stored(summary, now))
        _tell(summary, now)


def listing_of(engine: Engine) -> dict[str, Any]:
    """``count``, and ``messages``: the mails in the queue, the oldest first, 500 at most.

    Raises:
        StackError: as ``ask``.
    """
    mails, count = ask(engine)
    return {"count": count, "messages": sorted(mails, key=lambda mail: mail.arrived_at)[:MOST_LISTED]}


def waiting() -> dict[str, Any] | None:
    """As ``listing_of``; None while the mail server is off or has no containers, whatever Docker does.

    Raises:
        StackError: as ``ask``.
    """
    if not Stack.load().enabled:
        return None
    try:
        with connect.to_docker() as engine:
            return listing_of(engine)
    except (NotThere, NotRunning):
        return None


def read(stack: Stack) -> Summary | None:
    """What waited at the last check; None before the first check."""
    found = stack.mail_queue
    if found is None:
        return None
    oldest = found["oldest_at"]
    return Summary(
        count=found["count"],
        oldest_at=datetime.fromisoformat(oldest) if oldest else None,
        reasons=tuple(Reason(**reason) for reason in found["reasons"]),
    )


def troubles(summary: Summary, now: datetime) -> set[str]:
    """Problems for the operator to solve: mail waits too long ("late"), or this server itself holds it ("ours")."""
    late = summary.oldest_at is not None and now - summary.oldest_at >= LATE
    ours = any(reason.ours for reason in summary.reasons)
    return {name for name, found in (("late", late), ("ours", ours)) if found}


def sentence(summary: Summary, now: datetime) -> str:
    """How much mail waits, for how long, and why."""
    if not summary.count or summary.oldest_at is None:
        return "No mail is waiting in Postfix."
    waits = "mail waits" if summary.count == 1 else "mails wait"
    age = words.span(max(now - summary.oldest_at, timedelta()))
    return " ".join(
        [f"{summary.count} {waits} in Postfix, the oldest for {age}.", *map(line, summary.reasons[:3])]
    )


def line(reason: Reason) -> str:
    """A reason in a line: "12 × 450 4.2.0 Try later (mx.example.org)"."""
    return f"{reason.count} × {reason.text}{f' ({reason.host})' if reason.host else ''}."


def _stored(summary: Summary, now: datetime) -> dict[str, Any]:
    return {
        "count": summary.count,
        "oldest_at": summary.oldest_at.isoformat() if summary.oldest_at else None,
        "reasons": [
            {"text": reason.text, "host": reason.host, "count": reason.count, "ours": reason.ours}
            for reason in summary.reasons[:_MOST_REASONS]
        ],
        "checked_at": now.isoformat(),
    }


def _tell(summary: Summary, now: datetime) -> None:
    """Mails when a problem begins, and once a day while it lasts."""
    row = Stack.objects.select_for_update().only("mail_queue_told").get(pk=1)
    told = {name: datetime.fromisoformat(at) for name, at in row.mail_queue_told.items()}
    present = troubles(summary, now)
    due = {name for name in present if name not in told or now - told[name] >= _AGAIN}
    # While mail is tried again, its reason is gone for a moment. That does not end a problem.
    kept = {name: at for name, at in told.items() if name in present or now - at < _FORGET}
    if after := {name: at.isoformat() for name, at in (kept | dict.fromkeys(due, now)).items()}:
        Stack.objects.filter(pk=1).update(mail_queue_told=after)
    elif told:
        Stack.objects.filter(pk=1).update(mail_queue_told={})
    if due:
        notify_operator(*operator_mail(summary, now))


def operator_mail(summary: Summary, now: datetime) -> tuple[str, str]:
    """Subject and text of the mail to the alert recipients."""
    how_many = words.count(summary.count, "mail waits", "mails wait")
    lines = [
        sentence(Summary(summary.count, summary.oldest_at, ()), now),
        "",
        "What the servers answered:",
        *(f"  {line(reason)}" for reason in summary.reasons[:_MOST_REASONS]),
        "",
        "Postfix keeps trying for five days, and then returns the mail to its sender. If mail is sent through the",
        "relay, send a test mail in the Relay settings. The page Postfix's queue lists the waiting mail.",
    ]
    return f"[Mail queue] {how_many} in Postfix", "\n".join(lines) + "\n"
