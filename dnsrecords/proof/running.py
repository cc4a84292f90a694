"""Carries proofs on: sends, looks how far the mail is, judges what arrived, and ends what will not arrive.

Each step is one conditional UPDATE, so that two workers may do this at the same time.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from dnsrecords.lookup.resolver import Resolver
from dnsrecords.models import Proof, Way
from dnsrecords.proof import evidence, schedule, starting, ways
from dnsrecords.proof.judging import arrived, before, judge
from dnsrecords.proof.judging.judge import Sent
from dnsrecords.proof.judging.verdict import At, Check, Mark, Station, Verdict
from mailboxes import submitting
from mailboxes.engine.connect import to_docker
from quazzar import words
from quazzar.errors import QuazzarError

if TYPE_CHECKING:
    from dnsrecords.answers import Lookup
    from dnsrecords.proof.judging.before import Left

logger = logging.getLogger(__name__)

#: How long a mail to an inbox may take: greylisting takes up to half an hour.
PATIENCE = timedelta(minutes=40)
#: How long a person has to paste the header or to answer.
PERSONS_PATIENCE = timedelta(days=7)
#: A worker that takes longer to hand the mail over has ended.
_HANDING_OVER = timedelta(minutes=3)
_DEADLINE = 25.0
#: How far the mail server's log may be behind an inbox that was just read.
_LOG_BEHIND = timedelta(minutes=1)
State = Proof.State


# --- sending through the mail server -------------------------------------------------------------------------
def send_waiting() -> int:
    """Hand the mails to the mail server that wait for it; returns how many there were. Needs the Docker Engine."""
    rows = Proof.objects.filter(state=State.SENDING, way=Way.SERVER, sent_at=None).order_by("pk")
    sent = 0
    for row in rows[: starting.MOST_OPEN]:
        now = timezone.now()
        if Proof.objects.filter(pk=row.pk, state=State.SENDING, sent_at=None).update(sent_at=now):
            row.sent_at = now
            _send(row)
            sent += 1
    return sent


def _send(row: Proof) -> None:
    login = ways.login_for(row.from_address)
    try:
        if login is None or login.password is None:
            raise submitting.NotAccepted("Quazzar has no address of the mail server to send from.")
        with to_docker() as engine:
            submitting.submit(
                engine,
                submitting.Login(login.username, str(login.password.reveal())),
                sender=row.from_address,
                recipient=row.to,
                mail=starting.bytes_of(row),
            )
    except QuazzarError as exc:
        logger.warning("proof %s was not taken by the mail server: %s", row.pk, exc.message)
        check = Check("accepted", Mark.BAD, exc.message, exc.hint, "admin:mail_boxes_server")
        stations = (
            before.node(row.sent_at, "The mail was written."),
            Station(At.SENDER, "Mail server", checks=(check,)),
        )
        end(row, judge.ended(stations))
        return
    Proof.objects.filter(pk=row.pk, state=State.SENDING).update(state=State.UNDERWAY)


# --- looking on ----------------------------------------------------------------------------------------------
def carry_on() -> None:
    """Start what is due, and take every open proof as far as it gets now."""
    schedule.start_due()
    for row in Proof.objects.filter(state__in=Proof.OPEN).select_related("inbox", "queued").order_by("pk"):
        if row.state == State.ARRIVED:
            judge_arrived(row)
        else:
            _look(row)


def _look(row: Proof) -> None:
    now = timezone.now()
    if row.state == State.SENDING:
        if row.sent_at and now - row.sent_at > _HANDING_OVER:
            check = Check(
                "accepted", Mark.BAD, "The worker ended while it handed the mail over.", "Send another proof."
            )
            start = before.node(row.sent_at, "The mail was written.")
            end(row, judge.ended((start, Station(At.SENDER, "Mail server", checks=(check,)))))
        elif now - row.created_at > PATIENCE:
            remedy = "Doctor shows whether the worker runs, and whether it reaches the Docker Engine."
            check = Check(
                "queued", Mark.BAD, "No worker that reaches the Docker Engine took the mail.", remedy
            )
            end(row, judge.ended((Station(At.NODE, "This node", checks=(check,)),)))
        return
    left = evidence.left(row)
    if left.at is not None and row.sent_at is None:
        Proof.objects.filter(pk=row.pk).update(sent_at=left.at)
    if left.failed:
        evidence.cancel(row)
        end(row, judge.ended(left.stations))
    elif bounce := evidence.bounce(row):
        end(row, judge.ended((*left.stations, before.refused_at(*bounce, row.to.rpartition("@")[2]))))
    elif now - row.created_at > (PATIENCE if row.inbox_id else PERSONS_PATIENCE):
        evidence.cancel(row)
        end(row, judge.ended((*left.stations, _missing(row, left))))


def _missing(row: Proof, left: Left) -> Station:
    """The last station of a mail that did not come."""
    if left.at is None:
        check = Check(
            "arrived", Mark.BAD, f"The mail had not left after {words.span(PATIENCE)}.", "Try again later."
        )
    elif row.inbox is None:
        check = Check(
            "arrived",
            Mark.UNKNOWN,
            "Nobody pasted the header or answered.",
            "Ask the recipient, and send another proof.",
        )
    elif row.inbox.last_error:
        error = row.inbox.last_error
        check = Check(
            "arrived",
            Mark.BAD,
            f"The inbox cannot be read: {error['message']}",
            error["hint"],
            "admin:returned_mail",
        )
    else:
        check = Check(
            "arrived",
            Mark.BAD,
            f"The mail did not come to {row.to} within {words.span(PATIENCE)}, although it was taken.",
            "Look for it in the spam folder there. If it is there, paste its header here; it says why.",
        )
    return Station(At.MAILBOX, "Mailbox", checks=(check,))


# --- judging -------------------------------------------------------------------------------------------------
def judge_arrived(row: Proof) -> None:
    """Judge a mail that was found, by DNS as it is now."""
    left = evidence.left(row)
    if left.at is None:
        if _log_is_behind(row):
            return
        left = before.came_through(left)
    if row.found == Proof.Found.REPLY or row.mail is None:
        end(row, judge.conclude((*left.stations, _answered())))
        return
    if not row.mail.readable:
        check = Check(
            "arrived", Mark.BAD, "The mail was sealed with a key that is gone.", "Send another proof."
        )
        end(row, judge.ended((*left.stations, Station(At.MAILBOX, "Mailbox", checks=(check,)))))
        return
    raw = bytes(row.mail.reveal())
    if row.found == Proof.Found.PASTED:
        mail = arrived.pasted(raw.decode("utf-8", "replace"), starting.body_of(row))
    else:
        mail = arrived.read(raw)
    with Resolver(servers=tuple(settings.QUAZZAR_DNS_RESOLVERS), deadline=_DEADLINE) as resolver:
        lookup = evidence.remembering(resolver)
        verdict = judge.judge(mail, _sent(row, left, lookup), lookup, evidence.ask_blocklists)
    end(row, verdict)


def _log_is_behind(row: Proof) -> bool:
    """The mail was found before its log was read: the next look will know when it left."""
    recent = row.arrived_at is not None and timezone.now() - row.arrived_at < _LOG_BEHIND
    return row.way == Way.SERVER and bool(settings.QUAZZAR_MAIL_LOG_DAYS) and recent


def _sent(row: Proof, left: Left, lookup: Lookup) -> Sent:
    domain = row.to.rpartition("@")[2].lower()
    exchangers = [value.partition(" ")[2].rstrip(".") for value in lookup(domain, "MX").values]
    is_copy = row.found == Proof.Found.INBOX
    return Sent(
        at=left.at or row.sent_at,
        sender=evidence.envelope_sender(row),
        own_server=row.way == Way.SERVER and not row.through_relay,
        before=left.stations,
        exchangers=exchangers or [domain],
        arrived_at=row.arrived_at if is_copy else None,
        stays=row.way == Way.SERVER and ways.is_ours(row.to),
    )


def _answered() -> Station:
    arrived_ = Check("arrived", Mark.OK, "The recipient answered, so the mail arrived.")
    unseen = Check(
        "header",
        Mark.UNKNOWN,
        "A reply does not show what the receiving server found.",
        "Ask the recipient to copy the header, and paste it here.",
    )
    return Station(At.MAILBOX, "Mailbox", checks=(arrived_, unseen))


def end(row: Proof, verdict: Verdict) -> bool:
    """Store the verdict, unless another worker has; a scheduled proof tells the operator."""
    state = State.PROVEN if verdict.proves_sender else State.UNCLEAR
    if verdict.mark is Mark.BAD:
        state = State.FAILED
    now: datetime = timezone.now()
    with transaction.atomic():
        ended = Proof.objects.filter(pk=row.pk, state__in=Proof.OPEN).update(
            state=state,
            verdict=verdict.to_json(),
            sentence=words.cut(verdict.sentence, 1_000),
            finished_at=now,
        )
        if ended:
            row.state, row.sentence, row.finished_at, row.verdict = (
                state,
                verdict.sentence,
                now,
                verdict.to_json(),
            )
            schedule.note(row, verdict)
    if ended:
        logger.info("proof %s: %s, %s", row.pk, state, verdict.sentence)
    return bool(ended)
