"""Starts a proof: checks what was asked for, writes the row, and hands the mail to the way that is to be proven."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from dnsrecords.models import Proof, Way
from dnsrecords.proof import ways
from dnsrecords.proof.judging.arrived import NONCE
from mailrelay.mail import addresses, mime
from mailrelay.mail.emails import Email
from mailrelay.models import Inbox, Message
from mailrelay.sender import Sender
from quazzar import actors, doorbell
from quazzar.access import audit
from quazzar.errors import InvalidFields

#: The tasks that carry on; the first runs where the Docker Engine can be reached.
SEND, CARRY_ON = "dnsrecords.tasks.send_proofs", "dnsrecords.tasks.carry_on_proofs"
#: Proofs that may be open at once.
MOST_OPEN = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be proven.

    Attributes:
        from_address: empty: the first that the way offers.
        inbox: id of the inbox that the mail goes to, and is looked for in; None: it goes to a person.
        to: the address; of an inbox, only where its user name is not its address.
    """

    way: str
    from_address: str = ""
    inbox: int | None = None
    to: str = ""


def start(wish: Wish, *, scheduled: bool = False) -> Proof:
    """Start a proof, and return its row.

    Raises:
        InvalidFields: it cannot be done like this; nothing is sent.
    """
    row, reply_to = _row(wish)
    row.scheduled = scheduled
    row.submitted_by = actors.current_actor()
    with transaction.atomic():
        if Proof.objects.filter(state__in=Proof.OPEN).count() >= MOST_OPEN:
            raise InvalidFields(
                {"to": [f"{MOST_OPEN} proofs are under way. Wait until some of them have ended."]}
            )
        if row.way == Way.RELAY:
            row.queued = _queued(row, reply_to)
            row.message_id, row.state = row.queued.message_id, Proof.State.UNDERWAY
        else:
            row.message_id = mime.new_message_id(row.from_address)
        row.save()
        audit.record("proof.started", row.to)
        transaction.on_commit(lambda: doorbell.ring(SEND if row.way == Way.SERVER else CARRY_ON))
    return row


def check(wish: Wish) -> None:
    """Check whether a proof can be sent like this.

    Raises:
        InvalidFields: it cannot.
    """
    _row(wish)


def _row(wish: Wish) -> tuple[Proof, str]:
    """The row as it is asked for, and where a person's answer goes."""
    if wish.way not in Way.values:
        raise InvalidFields({"way": ["Choose relay or server."]})
    option = ways.option(wish.way)
    if option.missing:
        raise InvalidFields({"way": [f"{option.missing} {option.remedy}"]})
    wrong: dict[str, list[str]] = {}
    inbox = Inbox.objects.filter(pk=wish.inbox, enabled=True).first() if wish.inbox is not None else None
    if wish.inbox is not None and inbox is None:
        wrong["inbox"] = ["There is no such inbox, or it is switched off."]
    to = wish.to.strip() or (ways.address_of(inbox) if inbox else "")
    if not to and "inbox" not in wrong:
        who = (
            "the inbox's address"
            if inbox
            else "an inbox, or the address of somebody who tells you what arrived"
        )
        wrong["to"] = [f"Enter {who}."]
    sender = wish.from_address.strip() or option.senders[0]
    found = {}
    for name, text in (("to", to), ("from_address", sender)):
        try:
            found[name] = addresses.normalise(text) if text else ""
        except ValueError as exc:
            wrong[name] = [str(exc)]
    if wish.way == Way.SERVER and found.get("from_address", "").lower() not in option.senders:
        named = ", ".join(option.senders[:5])
        wrong.setdefault("from_address", [f"Quazzar can send through the mail server only from {named}."])
    if wrong:
        raise InvalidFields(wrong)
    if inbox is None:
        inbox = next((row for row in ways.inboxes() if ways.address_of(row) == found["to"].lower()), None)
    row = Proof(
        nonce=secrets.token_hex(10),
        way=wish.way,
        through_relay=option.through_relay,
        from_address=found["from_address"],
        to=found["to"],
        inbox=inbox,
        created_at=timezone.now(),
    )
    return row, "" if inbox else next(filter(None, map(ways.address_of, ways.inboxes())), "")


# --- the mail ------------------------------------------------------------------------------------------------
def subject_of(row: Proof) -> str:
    """The subject, by which people find it."""
    return f"Delivery proof {row.nonce[:8]}"


def text_of(row: Proof) -> str:
    """The text: always the same for a row, so that signatures can be verified when only the header came back."""
    lines = [
        "This mail was sent to prove that mail from here arrives.",
        "",
        "If you were asked to help: open the mail's source or original, copy the",
        "header, and give it to the person who asked you. Or just reply to this mail.",
        "",
        f"Proof {row.nonce}",
    ]
    return "\n".join(lines) + "\n"


def email_of(row: Proof, reply_to: str = "") -> Email:
    """The mail, for the queue."""
    return Email(
        to=[row.to],
        subject=subject_of(row),
        text=text_of(row),
        from_address=row.from_address,
        reply_to=reply_to,
        headers={NONCE: row.nonce, "Auto-Submitted": "auto-generated"},
    )


def bytes_of(row: Proof) -> bytes:
    """The complete mail, for the mail server."""
    reply_to = "" if row.inbox_id else next(filter(None, map(ways.address_of, ways.inboxes())), "")
    return mime.render(
        email_of(row, reply_to),
        message_id=row.message_id,
        date=mime.now(),
        default_from=row.from_address,
        default_name="",
    ).data


def body_of(row: Proof) -> bytes:
    """What the mail has below its header."""
    return text_of(row).replace("\n", "\r\n").encode()


def _queued(row: Proof, reply_to: str) -> Message:
    return Sender().queue(email_of(row, reply_to), source=Message.Source.TEST)
