"""An IMAP server with one mailbox, and the inbox row for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailrelay.inbox import readers, settings
from mailrelay.models import Inbox
from tests.rig import or_skip
from tests.rig.dovecot import RealDovecot


@pytest.fixture
def server() -> Iterator[RealDovecot]:
    with or_skip(RealDovecot) as dovecot:
        yield dovecot


@pytest.fixture
def inbox(db: None, server: RealDovecot) -> Inbox:
    return settings.add(
        {
            "host": "127.0.0.1",
            "port": server.port,
            "security": "none",
            "username": server.username,
            "password": server.password,
        }
    )


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was stored, by a reader that knows mails with "report" in the subject, and stores each once."""
    kept: list[bytes] = []

    def read(raw: bytes) -> bool:
        if b"report" not in raw.partition(b"\n\n")[0]:
            return False
        if raw not in kept:
            kept.append(raw)
        return True

    monkeypatch.setattr(readers, "_readers", {"reports": read})
    return kept


def mail(subject: str) -> bytes:
    return f"Subject: {subject}\nFrom: <MAILER-DAEMON@example.com>\n\nBody of {subject}.\n".encode()
