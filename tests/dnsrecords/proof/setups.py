"""A set-up that is right in every way, and mails as they arrive from it; tests change one thing each."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dnsrecords.proof.judging import arrived, before, judge
from dnsrecords.proof.judging.door import Blocklists, Listing
from dnsrecords.proof.judging.judge import Sent
from dnsrecords.proof.judging.verdict import At, Check, Mark, Station, Verdict
from tests.dnsrecords.spfzones import Zone, lookup_in

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
IP, HOST, MX = "203.0.113.5", "mail.sender.example", "mx.receiver.example"
NONCE = "0123456789abcdef0123"


@cache
def key() -> tuple[bytes, str]:
    """A private key as PEM, and the public one as in ``p=``."""
    made = rsa.generate_private_key(65537, 1024)
    private = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, base64.b64encode(public).decode()


def zone() -> dict[str, str | tuple[str, ...]]:
    """What is published for a set-up that is right."""
    return {
        "sender.example TXT": f"v=spf1 ip4:{IP} -all",
        "quazzar._domainkey.sender.example TXT": f"v=DKIM1; k=rsa; p={key()[1]}",
        "_dmarc.sender.example TXT": "v=DMARC1; p=quarantine",
        "5.113.0.203.in-addr.arpa PTR": HOST,
        f"{HOST} A": IP,
        "receiver.example MX": f"10 {MX}",
    }


@dataclass
class Setup:
    """How a mail is sent, and what the world knows about the sender."""

    zone: Mapping[str, str | tuple[str, ...]] = field(default_factory=zone)
    author: str = "node@sender.example"
    sender: str = "node@sender.example"
    signer: str = "sender.example"
    selector: bytes = b"quazzar"
    ip: str = IP
    protocol: str = "ESMTPS"
    tls: str = " (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))"
    clock: timedelta = timedelta()
    listed: tuple[str, ...] = ()
    extra: str = ""
    changed: bytes = b""

    def raw(self) -> bytes:
        """The mail as it lies in the mailbox."""
        mail = (
            f"From: Node <{self.author}>\r\nTo: anna@receiver.example\r\nSubject: Delivery proof\r\n"
            f"Message-ID: <1@sender.example>\r\nX-Quazzar-Proof: {NONCE}\r\n\r\nProof {NONCE}\r\n"
        ).encode()
        signature = b""
        if self.signer:
            headers = [b"from", b"to", b"subject"]
            signature = dkim.sign(
                mail, self.selector, self.signer.encode(), key()[0], include_headers=headers
            )
        sent, came = NOON, NOON + timedelta(seconds=3)
        trace = (
            f"Return-Path: <{self.sender}>\r\n{self.extra}"
            f"Received: from {HOST} ({HOST} [{self.ip}])\r\n\t{self.tls.strip()}\r\n"
            f"\tby {MX} (Postfix) with {self.protocol} id 4F2; {_date(came)}\r\n"
            f"Received: by {HOST} (Postfix) with ESMTPSA id 1A2; {_date(sent)}\r\n"
        ).encode()
        return trace + signature + mail + self.changed

    def sent(self) -> Sent:
        """What this node knows; its own clock may be wrong."""
        own = NOON + self.clock
        taken = Check("accepted", Mark.OK, "Taken.")
        start = before.node(own, "The mail was queued.")
        relay = Station(At.SENDER, "Relay", HOST, at=own.isoformat(), checks=(taken,))
        return Sent(own, self.sender, True, (start, relay), (MX,), own + timedelta(seconds=40))

    def judged(self) -> Verdict:
        """The verdict on the mail."""
        return self.judged_as(arrived.read(self.raw()))

    def judged_as(self, mail: arrived.Arrived) -> Verdict:
        """The verdict on this mail."""
        return judge.judge(mail, self.sent(), lookup_in(dict(self.zone)), self.ask)

    def ask(self, ip: str, domain: str) -> Blocklists:
        """The blocklists' answers."""
        found = [
            Listing(each, "Spamhaus ZEN", "seen sending spam", "https://check.spamhaus.org/")
            for each in self.listed
        ]
        return Blocklists(found, 6)


def without(name: str) -> Zone:
    """The right zone without this entry."""
    return {each: value for each, value in zone().items() if each != name}


def _date(at: datetime) -> str:
    return at.strftime("%a, %d %b %Y %H:%M:%S +0000 (UTC)")
