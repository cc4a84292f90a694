"""The suppression list: addresses that get no more mail from here, because mail to them came back or annoyed them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connections, router
from django.db.models import F

from mailrelay.mail import addresses
from mailrelay.models import Feedback, Suppression
from quazzar import validation, words
from quazzar.access import audit
from quazzar.errors import AlreadyExists, InvalidFields, NotFound

Reason = Suppression.Reason
#: Addresses of one query.
_AT_ONCE = 500


def among(people: Iterable[str]) -> dict[str, str]:
    """Those of these addresses that are suppressed, in lower case → why, in a sentence."""
    if not _anybody():
        return {}
    wanted = list(dict.fromkeys(person.lower() for person in people))
    found: dict[str, str] = {}
    for first in range(0, len(wanted), _AT_ONCE):
        rows = Suppression.objects.filter(address__in=wanted[first : first + _AT_ONCE])
        found |= {row.address: sentence(row) for row in rows}
    return found


def _anybody() -> bool:
    """Plain SQL, because this runs for every portion of mail that is sent."""
    connection = connections[router.db_for_read(Suppression)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM mailrelay_suppression LIMIT 1")
        return cursor.fetchone() is not None


def sentence(row: Suppression) -> str:
    """Why nothing is sent to this address."""
    day = words.day(row.created_at)
    match row.reason:
        case Reason.BOUNCED:
            why = f"mail to it bounced on {day}"
        case Reason.COMPLAINED:
            why = f"somebody there complained about mail from here on {day}"
        case _:
            why = f"an operator added it on {day}"
    return f"Not sent: this address is on the suppression list, because {why}."


def skipped(people: Iterable[str]) -> None:
    """Count mails that were not sent to these addresses."""
    for person in people:
        Suppression.objects.filter(address=person.lower()).update(skipped=F("skipped") + 1)


def consider(row: Feedback) -> Suppression | None:
    """Suppress the recipient of a hard bounce or a complaint, if they are not suppressed already."""
    if row.kind == Feedback.Kind.COMPLAINED:
        reason = Reason.COMPLAINED
    elif row.kind == Feedback.Kind.BOUNCED and row.hard:
        reason = Reason.BOUNCED
    else:
        return None
    suppressed, created = Suppression.objects.get_or_create(
        address=row.recipient, defaults={"reason": reason, "said": row.said, "feedback": row}
    )
    return suppressed if created else None


def add(address: str, note: str = "") -> Suppression:
    """Suppress an address by hand.

    Raises:
        InvalidFields: it is not an address.
        AlreadyExists: it is suppressed already.
    """
    try:
        plain = addresses.split(address.strip())[1].lower()
    except ValueError as exc:
        raise InvalidFields({"address": [str(exc)]}) from exc
    if problem := validation.name_problem(note, "The note"):
        raise InvalidFields({"said": [problem]})
    row, created = Suppression.objects.get_or_create(
        address=plain, defaults={"reason": Reason.MANUAL, "said": note.strip()[:500]}
    )
    if not created:
        raise AlreadyExists(f"{plain} is on the suppression list already.")
    audit.record("suppression.added", plain)
    return row


def remove(pk: int) -> None:
    """Send mail to this address again; what bounced before is not sent again.

    Raises:
        NotFound: it is not on the list.
    """
    row = Suppression.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound
    row.delete()
    audit.record("suppression.removed", row.address)
