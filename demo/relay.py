"""The relay of the demo: an SMTP server on this machine that keeps what it accepts, and passes nothing on.

Mail to three domains is refused, so that refusals can be seen.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from demo import store
from demo.loopback import RELAY
from quazzar.processes import ports

USERNAME, PASSWORD = "demo", "not-a-real-password"
#: Domain → how it answers RCPT, and how often before it accepts; None: always.
MOODS: dict[str, tuple[str, int | None]] = {
    "closed.example": (
        "550 5.1.1 <{}>: Recipient address rejected: User unknown in virtual mailbox table",
        None,
    ),
    "busy.example": ("451 4.7.1 <{}>: Greylisted for a demo, please try again later", None),
    "slow.example": (
        "450 4.2.0 <{}>: Greylisted, see http://postgrey.schweikert.ch/help/slow.example.html",
        2,
    ),
}
_LARGEST = 45 * 1024 * 1024


class Capturing:
    """What aiosmtpd calls for each command.

    Args:
        folder: where captured mail is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._refused: dict[str, int] = {}

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept every recipient, except at the domains in MOODS, which answer as it says."""
        answer, times = MOODS.get(address.rpartition("@")[2].lower(), ("", 0))
        if answer and (times is None or self._refused.get(address, 0) < times):
            self._refused[address] = self._refused.get(address, 0) + 1
            return answer.format(address)
        self._refused.pop(address, None)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Store the mail with its envelope, and say so in the reply."""
        data = envelope.original_content or b""
        store.keep(self.folder, envelope.mail_from or "", envelope.rcpt_tos, data)
        return "250 2.0.0 Ok: captured by the demo"


def _signs_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any) -> AuthResult:
    right = LoginPassword(USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=login == right, handled=False)


def serve(folder: Path, certificate: Path, key: Path) -> int:
    """Start it in a thread that ends with this process; returns its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    handler, listener, loop = Capturing(folder), ports.listen("127.0.0.1", 0), asyncio.new_event_loop()

    def session() -> SMTP:
        return SMTP(
            handler,
            hostname=RELAY,
            ident="Quazzar demo relay",
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=_signs_in,
            data_size_limit=_LARGEST,
            enable_SMTPUTF8=True,
            loop=loop,
        )

    def run() -> None:
        loop.run_until_complete(loop.create_server(session, sock=listener))
        loop.run_forever()

    # aiosmtpd logs each command, and a warning about a change of its own interface.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    threading.Thread(target=run, name="relay", daemon=True).start()
    return int(listener.getsockname()[1])
