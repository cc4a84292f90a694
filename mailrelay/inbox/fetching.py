"""Reads what is new in the inboxes, and offers each mail to the readers. Loses nothing, and may read a mail twice.

How far it got is stored after each mail, as UIDVALIDITY and UID. If it is killed in between, the mail is read again,
which changes nothing: readers store a mail once.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from mailrelay.inbox import owned, readers
from mailrelay.inbox.imap import Account, Mailbox
from mailrelay.models import Inbox
from quazzar.errors import QuazzarError
from quazzar.machines import locks

logger = logging.getLogger(__name__)

#: Where the mail server files spam.
_JUNK = "Junk"
#: How far back the first look goes, and one after the server has given its mails new numbers.
_FIRST = timedelta(days=7)
#: For how many seconds one look reads; the next one goes on.
_SECONDS = 40.0
#: A mail at which reading stopped so often is skipped.
_MOST_TRIES = 3


def look_at_all() -> int:
    """Read what is new in every inbox that is switched on; returns how many mails were stored.

    Only one thread looks at a time: servers that do not answer must not take all of a worker's.
    """
    if not Inbox.objects.filter(enabled=True).exists():
        return 0
    with locks.single("inboxes") as acquired:
        if not acquired:
            return 0
        return sum(look(row) for row in Inbox.objects.filter(enabled=True))


def look(row: Inbox) -> int:
    """Read what is new in one inbox; returns how many mails were stored. What went wrong is stored in the row."""
    number, error = 0, None
    try:
        number = _read_new(row)
    except QuazzarError as exc:
        since = (row.last_error or {}).get("since") or timezone.now().isoformat()
        error = {"message": exc.message, "hint": exc.hint, "since": since}
        if row.last_error is None:
            logger.warning("inbox %s cannot be read: %s", row.pk, exc.message)
    Inbox.objects.filter(pk=row.pk).update(looked_at=timezone.now(), last_error=error)
    return number


def account_of(row: Inbox) -> Account:
    """Where to sign in.

    Raises:
        Unreadable: the password was sealed with a key that is gone.
    """
    password = str(row.password.reveal()) if row.password is not None else ""
    host, *others = owned.hosts(row) if row.owned else (row.host,)
    certificates = tuple(row.certificates)
    return Account(host, row.port, row.security, row.username, password, tuple(others), certificates)


def _read_new(row: Inbox) -> int:
    stored, until = 0, time.monotonic() + _SECONDS
    with Mailbox(account_of(row)) as mailbox:
        if row.owned:
            _tidy(row, mailbox)
        validity, next_uid = mailbox.select(row.folder)
        if row.uid_validity != validity:
            recent = mailbox.since((timezone.now() - _FIRST).date())
            _begin(row, validity, (recent[0] if recent else max(next_uid, 1)) - 1)
        found = mailbox.after(row.last_uid)
        for uid in found:
            if time.monotonic() > until:
                break
            stored += _read_one(row, mailbox, uid)
    return stored


def _tidy(row: Inbox, mailbox: Mailbox) -> None:
    """What only the owner of a mailbox may do: read what was taken for spam, too, and remove what is old."""
    if mailbox.host != row.host:
        row.host = mailbox.host
        row.save(update_fields=["host"])
    # Bounces contain what was sent, so that filters like them as little as the original.
    mailbox.move_all(_JUNK, row.folder)
    now = timezone.now()
    if row.looked_at is None or row.looked_at.hour != now.hour:
        mailbox.select(row.folder)
        mailbox.remove_before((now - timedelta(days=settings.QUAZZAR_OWN_MAILBOX_DAYS)).date())


def _begin(row: Inbox, validity: int, last_uid: int) -> None:
    """Go on after this UID, because the server numbers its mails for the first time, or in another way than before.
    Somebody else who looks at the same time may have begun already, and got further."""
    others = Inbox.objects.filter(pk=row.pk).exclude(uid_validity=validity)
    others.update(uid_validity=validity, last_uid=last_uid, trying_uid=0, tries=0)
    row.refresh_from_db(fields=["uid_validity", "last_uid", "trying_uid", "tries"])


def _read_one(row: Inbox, mailbox: Mailbox, uid: int) -> bool:
    rows = Inbox.objects.filter(pk=row.pk)
    if uid != row.trying_uid:
        row.trying_uid, row.tries = uid, 0
    row.tries += 1
    rows.update(trying_uid=uid, tries=row.tries)
    by: list[str] = []
    if row.tries > _MOST_TRIES:
        logger.error(
            "inbox %s: mail with UID %s skipped, because reading it failed %s times", row.pk, uid, _MOST_TRIES
        )
    elif (raw := mailbox.fetch(uid)) is not None:
        try:
            by = readers.read(raw)
        except QuazzarError:  # not the mail's fault: the key file is missing, say
            rows.update(tries=0)
            raise
        if by:
            _put_away(row, mailbox, uid)
            logger.info("inbox %s: UID %s read as %s", row.pk, uid, ", ".join(by))
    row.last_uid = uid
    news = {"read_at": timezone.now(), "number_read": F("number_read") + 1} if by else {}
    # Somebody else may look at the same time, as when an operator presses a button: the first one counts.
    return bool(rows.filter(last_uid__lt=uid).update(last_uid=uid, **news) and by)


def _put_away(row: Inbox, mailbox: Mailbox, uid: int) -> None:
    if row.after == Inbox.After.SEEN:
        mailbox.mark_seen(uid)
    elif row.after == Inbox.After.MOVE:
        mailbox.move(uid, row.processed_folder)
