"""Mail between the mailboxes of the demo's mail server, and to them from outside."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.utils import localtime, make_msgid, parseaddr

ADA = "ada@harbour.example"
_ADA = f"Ada Lindqvist <{ADA}>"
_TEAM = "maya@harbour.example, jonas@harbour.example"
#: From, to, subject, text, KiB of an attached file.
_LETTERS = (
    (_ADA, _TEAM, "Welcome to your new mailbox", "This mailbox is ours, on our own machine.\n\nAda", 0),
    (_ADA, "jonas@harbour.example", "Photos of the jetty", "As promised, from Sunday.\n\nAda", 900),
    (_ADA, "info@harbour.example", "Does the alias work?", "Maya and I both get this one.", 0),
    (
        _ADA,
        "orders@orchard.example",
        "Crates for the autumn",
        "Forty, as last year. The list is attached.",
        120,
    ),
    (
        "Emma Larsen <emma.larsen@meadow.example>",
        ADA,
        "Mooring for the weekend",
        "Is berth 14 free?\n\nEmma",
        0,
    ),
    (
        "Noah Brandt <noah@brandt.example>",
        "shop@orchard.example",
        "Order 21290",
        "Two boxes arrived. Lovely!",
        0,
    ),
)


def write(smtp: int, submission: int, password: str) -> Iterator[Callable[[], None]]:
    """One function for each letter, which hands it to the mail server.

    Args:
        smtp: port for mail from outside.
        submission: port for Ada, who signs in.

    Raises:
        smtplib.SMTPException, OSError: from each function: the server did not take the letter.
    """
    for sender, recipients, subject, text, size in _LETTERS:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, recipients, subject
        message["Date"], message["Message-ID"] = (
            localtime(),
            make_msgid(domain=sender.rpartition("@")[2].strip(">")),
        )
        message.set_content(text)
        if size:
            message.add_attachment(bytes(size * 1024), "application", "octet-stream", filename="attached.bin")
        own = parseaddr(sender)[1] == ADA

        def send(message: EmailMessage = message, *, own: bool = own) -> None:
            with smtplib.SMTP(
                "127.0.0.1", submission if own else smtp, "meadow.example", timeout=60
            ) as server:
                if own:
                    server.starttls(context=_trusting())
                    server.login(ADA, password)
                server.send_message(message)

        yield send


def _trusting() -> ssl.SSLContext:
    """The demo's certificate is self-signed, and the server is on this machine."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
