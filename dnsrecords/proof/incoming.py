"""Recognises proofs among the mail that comes to the inboxes, and headers that somebody pasted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from dnsrecords.models import Proof
from dnsrecords.proof import evidence, running, starting
from dnsrecords.proof.judging import arrived, before, judge
from mailrelay.bounces import outcomes, reading
from mailrelay.mail.addresslists import decoded
from quazzar import doorbell
from quazzar.access import audit
from quazzar.errors import InvalidFields

if TYPE_CHECKING:
    from dnsrecords.proof.judging.arrived import Arrived

#: Of a larger mail only this much is kept. A proof has some kilobytes.
_MOST_BYTES = 512 * 1024
_IN_A_HEADER = re.compile(rb"^X-Quazzar-Proof:", re.MULTILINE | re.IGNORECASE)
_BOUNDARY = re.compile(rb"boundary=\"?([^\";\s]{1,70})", re.IGNORECASE)
_MOST_PARTS = 20
#: What programs that answer for people write, besides Auto-Submitted.
_PRECEDENCES = ("bulk", "junk", "list", "auto_reply")
_OF_RESPONDERS = ("x-autoreply", "x-autoreply-from", "x-autorespond", "x-autoresponse", "x-mail-autoreply")
_ID = re.compile(r"<[^\s<>]{1,253}>")
State, Found = Proof.State, Proof.Found


def read_mail(raw: bytes) -> bool:
    """The inbox's reader: takes proofs, proofs forwarded as attachments, answers to them, and their bounces."""
    if nonce := arrived.nonce_of(raw):
        row = Proof.objects.filter(nonce=nonce).first()
        return row is not None and _take(row, raw[:_MOST_BYTES], Found.INBOX)
    if not Proof.objects.filter(state__in=(*Proof.OPEN, State.UNCLEAR)).exists():
        return False
    if (report := reading.read(raw)) is not None:
        return _bounced(report)
    if found := _attached(raw[:_MOST_BYTES]):
        row = Proof.objects.filter(nonce=arrived.nonce_of(found)).first()
        return row is not None and _take(row, found, Found.FORWARDED)
    return _answered(raw)


def paste(row: Proof, text: str) -> Proof:
    """Judge a header that the recipient has copied.

    Raises:
        InvalidFields: it is no header, or another mail's.
    """
    mail = arrived.pasted(text)
    if not mail.fields or not mail.hops:
        raise InvalidFields(
            {
                "headers": [
                    "This is not the header of a mail that arrived: it has no Received lines. Copy all of it."
                ]
            }
        )
    ids = [value.strip() for value in mail.all("message-id")]
    if mail.nonce != row.nonce and row.message_id not in ids:
        subject = starting.subject_of(row)
        raise InvalidFields(
            {"headers": [f"This is the header of another mail. This one has the subject “{subject}”."]}
        )
    Proof.objects.filter(pk=row.pk).update(
        state=State.ARRIVED,
        found=Found.PASTED,
        mail=text[: arrived.MOST_CHARACTERS].encode("utf-8", "replace"),
        arrived_at=timezone.now(),
        verdict=None,
    )
    audit.record("proof.pasted", row.to)
    doorbell.ring(starting.CARRY_ON)
    row.refresh_from_db()
    return row


def _take(row: Proof, raw: bytes, how: str) -> bool:
    """Keep a mail that was found. Found again, nothing changes."""
    waiting = Proof.objects.filter(pk=row.pk, mail__isnull=True)
    with transaction.atomic():
        if waiting.update(state=State.ARRIVED, found=how, mail=raw, arrived_at=timezone.now(), verdict=None):
            transaction.on_commit(lambda: doorbell.ring(starting.CARRY_ON))
    return True


def _bounced(report: reading.Report) -> bool:
    ids = [f"<{one.strip('<>')}>" for one in report.message_ids]
    row = Proof.objects.filter(message_id__in=ids, state__in=Proof.OPEN).first()
    failed = next((one for one in report.outcomes if one.kind == outcomes.BOUNCED), None)
    if row is None or failed is None:
        return False
    left = evidence.left(row)
    stations = left.stations
    if not left.failed:  # else the log has said why, and who it was
        server = failed.host or report.by
        door = before.refused_at(failed.said or "it bounced", server, row.to.rpartition("@")[2])
        stations = (*(each for each in stations if each.key != door.key), door)
    running.end(row, judge.ended(stations))
    return True


def _attached(raw: bytes) -> bytes:
    """An attached mail that is a proof, byte by byte as it was attached; empty if there is none."""
    data = raw.replace(b"\r\n", b"\n")
    found = _IN_A_HEADER.search(data)
    if found is None:
        return b""
    start = data.rfind(b"\n\n", 0, found.start()) + 2
    ends = [
        at
        for boundary in _BOUNDARY.findall(data, 0, start)[:_MOST_PARTS]
        if (at := data.find(b"\n--" + boundary, start)) > 0
    ]
    return data[start : min(ends, default=len(data))].lstrip(b"\n")


def _answered(raw: bytes) -> bool:
    mail = arrived.read(raw[:_MOST_BYTES])
    if _is_automatic(mail):
        return False
    named = " ".join((*mail.all("in-reply-to"), *mail.all("references")))
    if not (ids := _ID.findall(named)[:50]):
        return False
    row = Proof.objects.filter(message_id__in=ids, state=State.UNDERWAY).first()
    return row is not None and _answer(row)


def _is_automatic(mail: Arrived) -> bool:
    """A program answered: out of office, say, or a help desk. Whether a person has the mail, nobody knows.

    RFC 3834 §2 and §5 name the field and the empty envelope sender; the others are older, and still written.
    """
    submitted = [value.partition(";")[0].strip().lower() for value in mail.all("auto-submitted")]
    return (
        any(value != "no" for value in submitted)
        or any(value.strip().lower() in _PRECEDENCES for value in mail.all("precedence"))
        or any(mail.all(name) for name in _OF_RESPONDERS)
        or "<>" in (value.strip() for value in mail.all("return-path"))
        or any(reading.ANSWERS.search(decoded(value).strip()) for value in mail.all("subject"))
    )


def _answer(row: Proof) -> bool:
    with transaction.atomic():
        if Proof.objects.filter(pk=row.pk, state=State.UNDERWAY).update(
            state=State.ARRIVED, found=Found.REPLY, arrived_at=timezone.now()
        ):
            transaction.on_commit(lambda: doorbell.ring(starting.CARRY_ON))
    return True
