"""What came back about the demo's mails: bounces, a complaint, and the suppression list that follows from them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from django.conf import settings as node
from django.db.models import F
from django.utils import timezone

from demo import environment, store
from demo.letterbox import BOUNCES
from demo.loopback import RELAY
from demo.seed.clock import Event
from demo.seed.domains import RIGHT
from demo.seed.people import Crew
from mailrelay.inbox import readers, settings
from mailrelay.models import Inbox, Message
from mailrelay.relay import settings as relay_settings
from mailrelay.suppression import listing

_HOUR = timedelta(hours=1)
#: Whose mail comes back, the status and the words of their server.
GONE = (
    "Rosa Lind <rosa@lindgarden.example>",
    "5.1.1",
    "550 5.1.1 <{}>: Recipient address rejected: User unknown",
)
MOVED = (
    "Petr Kolar <petr@kolar-sons.example>",
    "5.1.6",
    "551 5.1.6 <{}>: The recipient has moved and left no address",
)
FULL = ("Theo Brook <theo@brook.example>", "5.2.2", "552 5.2.2 <{}>: Mailbox is full, quota exceeded")
ANNOYED = "Vera Holm <vera@holm.example>"


def events(crew: Crew, now: datetime, order: Callable[[str, timedelta], Event]) -> list[Event]:
    """The mails that come back, the reports about them, and a mail that is not sent any more.

    Args:
        order: the event of a mail of the shop to somebody, so long ago.
    """

    def set_up() -> None:
        with crew.by(crew.owner, now - 149 * _HOUR):
            relay_settings.update({"bounce_address": BOUNCES}, partial=True)
            settings.add({"host": f"mail.{RIGHT}", "username": BOUNCES, "password": "demo"})

    def block() -> None:
        with crew.by(crew.maya, now - 20 * _HOUR):
            listing.add("press@yesterday.example", "Asked by phone to get no more mail")

    found = [(now - 149 * _HOUR, set_up), (now - 20 * _HOUR, block)]
    for (person, status, said), hours in ((GONE, 98), (MOVED, 54), (FULL, 30)):
        found.append(order(person, hours * _HOUR))
        address = person.partition("<")[2].strip(">")
        found.append((now - (hours - 0.2) * _HOUR, _reads(address, _bounce(status, said))))
    found.append(order(ANNOYED, 44 * _HOUR))
    found.append((now - 41 * _HOUR, _reads("vera@holm.example", _complaint)))
    # The shop does not know yet.
    found.append(order(GONE[0], 6 * _HOUR))
    return found


def _reads(address: str, report: Callable[[Message, str], str]) -> Callable[[], None]:
    """The inbox's readers get the report on the latest mail to the address, sent to its own envelope sender."""

    def happen() -> None:
        message = Message.objects.filter(only_recipient=address).latest("pk")
        captured = store.listed(Path(node.QUAZZAR_DATA_DIR) / environment.CAPTURED, store.KEPT)
        sender = next(mail.sender for mail in captured if mail.recipients == (address,))
        read = readers.read(report(message, sender).encode())
        assert read, f"nobody read the report about {address}"
        now = timezone.now()
        Inbox.objects.update(number_read=F("number_read") + 1, read_at=now, looked_at=now)

    return happen


_REPORT = """\
Return-Path: <>
Delivered-To: {sender}
From: {by}
To: {sender}
Subject: {subject}
Date: {date}
Message-ID: <report-{pk}@mx.{domain}>
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="=_1"

--=_1
Content-Type: text/plain; charset=us-ascii

{text}

--=_1
Content-Type: message/{kind}

{fields}

--=_1
Content-Type: text/rfc822-headers

From: Orchard & Sons <shop@orchard.example>
To: {address}
Subject: {about}
Message-ID: {message_id}

--=_1--
"""


def _report(message: Message, sender: str, **words: str) -> str:
    address = str(message.recipients[0]["address"])
    return _REPORT.format(
        sender=sender,
        address=address,
        domain=address.rpartition("@")[2],
        about=message.subject,
        message_id=message.message_id,
        pk=message.pk,
        date=format_datetime(timezone.now()),
        **words,
    )


def _bounce(status: str, said: str) -> Callable[[Message, str], str]:
    """A report as Postfix writes it (RFC 3464)."""

    def report(message: Message, sender: str) -> str:
        address = str(message.recipients[0]["address"])
        domain, reply = address.rpartition("@")[2], said.format(address)
        fields = (
            f"Reporting-MTA: dns; {RELAY}\n\nFinal-Recipient: rfc822; {address}\nAction: failed\nStatus: {status}\n"
            f"Remote-MTA: dns; mx.{domain}\nDiagnostic-Code: smtp; {reply}"
        )
        return _report(
            message,
            sender,
            kind="delivery-status",
            by=f"Mail Delivery System <MAILER-DAEMON@{RELAY}>",
            subject="Undelivered Mail Returned to Sender",
            text=f"Your message could not be delivered.\n\n<{address}>: host mx.{domain} said: {reply}",
            fields=fields,
        )

    return report


def _complaint(message: Message, sender: str) -> str:
    """A report in the Abuse Reporting Format (RFC 5965)."""
    return _report(
        message,
        sender,
        kind="feedback-report",
        by="Abuse desk <abuse@holm.example>",
        subject=f"FW: {message.subject}",
        text="One of our users marked this message as spam.",
        fields="Feedback-Type: abuse\nUser-Agent: Holm-FBL/2.1\nVersion: 1",
    )
