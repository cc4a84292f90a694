"""The demo's inboxes: mail that the relay captured, as the servers of its recipients would have delivered it.

There is no IMAP server: the product reads these accounts from the captured mail, so that a proof comes back.
"""

from __future__ import annotations

import base64
import time
from datetime import date, datetime, timedelta
from email.parser import BytesHeaderParser
from email.utils import format_datetime, parseaddr, parsedate_to_datetime
from pathlib import Path
from typing import Self

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

from demo import environment, store
from demo.loopback import RELAY
from demo.store import Captured
from mailrelay.inbox import fetching
from mailrelay.inbox.imap import Account, Mailbox

#: An inbox at another provider, and the one that the bounces come to.
PROOFS, BOUNCES = "harbour@posthorn.example", "bounces@harbour.example"
#: Where the relay's key for DKIM is published, below the domain that a mail is from.
SELECTOR = "relay"
_KEY = "signing.pem"


class Letterbox:
    """What the product calls of ``Mailbox``; the UID of a mail is its number."""

    def __init__(self, account: Account) -> None:
        self.host, self._address = account.host, account.username

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def select(self, folder: str) -> tuple[int, int]:
        """The UIDVALIDITY, and the UID of the next mail."""
        return 1, time.time_ns()

    def since(self, day: date) -> list[int]:
        """Nothing: reading begins with the mail that comes next."""
        return []

    def after(self, uid: int) -> list[int]:
        """The UIDs above this one, in order."""
        newer = store.newer(_folder(), uid)
        return sorted(mail.number for mail in newer if self._address in mail.recipients)

    def fetch(self, uid: int) -> bytes | None:
        """The mail with everything that servers on its way add."""
        mail = store.find(_folder(), uid)
        return None if mail is None else delivered(mail, self._address)

    def mark_seen(self, uid: int) -> None:
        """Nothing: nobody else reads it."""


def install() -> None:
    """From now on, the product finds these accounts here, and all others by IMAP."""
    fetching.Mailbox = _opened  # type: ignore[attr-defined, assignment]


def _opened(account: Account) -> Letterbox | Mailbox:
    return (Letterbox if account.username in (PROOFS, BOUNCES) else Mailbox)(account)


def _folder() -> Path:
    return Path(settings.QUAZZAR_DATA_DIR) / environment.CAPTURED


def delivered(mail: Captured, to: str) -> bytes:
    """A captured mail as the relay would have signed it, and the recipient's server received it."""
    head = BytesHeaderParser().parsebytes(mail.data)
    sent, domain = parsedate_to_datetime(head["date"]), parseaddr(head["from"])[1].rpartition("@")[2]
    signature: bytes = dkim.sign(mail.data, SELECTOR.encode(), domain.encode(), _key().read_bytes())
    lines = [
        f"Return-Path: <{mail.sender}>",
        f"Delivered-To: {to}",
        "X-Spam-Status: No, score=-0.2 required=5.0",
        f"Received: from {RELAY} ({RELAY} [192.0.2.80])",
        "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))",
        "\tby mx.posthorn.example (Postfix) with ESMTPS id 4XkQ7t1",
        f"\tfor <{to}>; {_later(sent, 3)}",
        "Received: from mail.harbour.example (mail.harbour.example [192.0.2.25])",
        f"\tby {RELAY} with ESMTPSA id 7c41; {_later(sent, 1)}",
    ]
    return "\r\n".join([*lines, ""]).encode() + signature + mail.data


def _later(at: datetime, seconds: int) -> str:
    return format_datetime(at + timedelta(seconds=seconds))


def key_record() -> str:
    """The line of a zone with the key that the relay's signatures are verified with."""
    private = serialization.load_pem_private_key(_key().read_bytes(), None)
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = base64.b64encode(public).decode()
    return f'{SELECTOR}._domainkey 3600 IN TXT "v=DKIM1; k=rsa; p={text[:200]}" "{text[200:]}"'


def _key() -> Path:
    """The file of the relay's private key, which is made with the demo."""
    file = Path(settings.QUAZZAR_DATA_DIR) / _KEY
    if not file.exists():
        secret = rsa.generate_private_key(65_537, 2_048)
        file.touch(mode=0o600)
        file.write_bytes(
            secret.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
    return file
