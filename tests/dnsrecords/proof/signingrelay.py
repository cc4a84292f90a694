"""A relay as providers run it: it signs with DKIM, and passes mail on from an address of its own."""

from __future__ import annotations

import smtplib
import ssl
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import dkim
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.dnsrecords.proof.setups import key
from tests.rig import LOOPBACK, free_port

#: The address that it sends from, and its name.
IP, HOST = "127.0.0.5", "mail.sender.test"


class SigningRelay:
    """Use as a context. Tests set what it does wrong.

    Attributes:
        signer: the domain that it signs as; empty: it does not sign.
        encrypts: it uses STARTTLS to the next server.
        refuses: what it answers to MAIL FROM; empty: it takes everybody.
        bounce_to: the envelope sender that it gives instead of ours; empty: ours.
    """

    def __init__(self, next_port: int) -> None:
        self.next_port = next_port
        self.signer, self.encrypts, self.refuses, self.bounce_to = "sender.test", True, "", ""
        self.port = free_port()
        self._controller = Controller(self, hostname=LOOPBACK, port=self.port)

    def __enter__(self) -> SigningRelay:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuses:
            return self.refuses
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        data: Any = envelope.content
        mail = data if isinstance(data, bytes) else str(data).encode()
        if self.signer:
            mail = dkim.sign(mail, b"quazzar", self.signer.encode(), key()[0]) + mail
        now = format_datetime(datetime.now(UTC))
        trace = f"Received: from node ({LOOPBACK}) by {HOST} with ESMTPS id 1; {now}\r\n"
        sender = self.bounce_to or envelope.mail_from or ""
        self._pass_on(sender, envelope.rcpt_tos, trace.encode() + mail)
        return "250 2.0.0 Ok: queued as 1"

    def _pass_on(self, sender: str, recipients: list[str], mail: bytes) -> None:
        with smtplib.SMTP(LOOPBACK, self.next_port, HOST, source_address=(IP, 0), timeout=20) as smtp:
            if self.encrypts:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                smtp.starttls(context=context)
            smtp.sendmail(sender, recipients, mail)
