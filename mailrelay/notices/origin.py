"""Which node a notice comes from, when it was written, and where its console is."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from quazzar import words


@dataclass(frozen=True, slots=True)
class Origin:
    """The signature at the end of each notice.

    Attributes:
        node: the host name of this node.
        at: when the notice was written.
        url: the console's address; empty if QUAZZAR_URL is not set.
    """

    node: str = ""
    at: datetime | None = None
    url: str = ""

    @property
    def line(self) -> str:
        """Sent by Quazzar Mail Relay on nas, 2026-11-03 12:04:30 UTC."""
        place = f" on {self.node}" if self.node else ""
        return f"Sent by Quazzar Mail Relay{place}{f', {words.moment(self.at)}' if self.at else ''}."


NOWHERE = Origin()


def here(now: datetime | None = None) -> Origin:
    """The name of this node, the time (now by default), and the console's address if `QUAZZAR_URL` is set."""
    url = f"{settings.QUAZZAR_URL}/admin/" if settings.QUAZZAR_URL else ""
    return Origin(socket.gethostname(), now or timezone.now(), url)


def signed(text: str, origin: Origin, *, with_url: bool = True) -> str:
    """The text of a notice with the node, the time and, for operators, the console's address at its end."""
    end = f"{origin.line}\nConsole: {origin.url}" if origin.url and with_url else origin.line
    return f"{text.rstrip()}\n\n{end}\n"
