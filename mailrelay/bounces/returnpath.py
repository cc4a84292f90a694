"""An envelope sender for each message, by which its bounces are recognised: ``bounces+TOKEN@example.com``. Pure.

The token is the message's id and a signature, in lower-case base32, because servers on the way may change the case of
an address. A local part has at most 64 octets (RFC 5321 §4.5.3.1.1).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

#: What the key ring derives our keys for.
PURPOSE = "mailrelay.returnpath"
SEPARATOR = "+"
#: 40 bits of id and 80 of signature: 24 letters.
_ID_BYTES, _SIGNATURE_BYTES, _TOKEN = 5, 10, 24
#: The longest local part that has room for a token.
LONGEST_LOCAL = 64 - len(SEPARATOR) - _TOKEN


@dataclass(frozen=True, slots=True)
class ReturnPath:
    """Where bounces go, and the key that signs."""

    local: str
    domain: str
    key: bytes = field(repr=False)

    def of(self, pk: int, message_id: str) -> str:
        """The envelope sender of this message."""
        return f"{self.local}{SEPARATOR}{_token(pk, message_id, self.key)}@{self.domain}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A token as it came back: says which message it belongs to, which is still to be checked."""

    pk: int
    token: str

    def holds(self, message_id: str, keys: Iterable[bytes]) -> bool:
        """Whether one of our keys signed this for that message."""
        return any(hmac.compare_digest(self.token, _token(self.pk, message_id, key)) for key in keys)


def at(address: str, key: bytes) -> ReturnPath:
    """The return path at this address."""
    local, _, domain = address.rpartition("@")
    return ReturnPath(local, domain, key)


def claims(addresses: Iterable[str]) -> list[Claim]:
    """The tokens in these addresses, whatever stands before the last ``+``."""
    found = []
    for address in addresses:
        token = address.rpartition("@")[0].rpartition(SEPARATOR)[2].lower()
        if len(token) == _TOKEN and token.isascii():
            try:
                raw = base64.b32decode(token.upper())
            except binascii.Error:
                continue
            found.append(Claim(int.from_bytes(raw[:_ID_BYTES]), token))
    return found


def _token(pk: int, message_id: str, key: bytes) -> str:
    number = pk.to_bytes(_ID_BYTES)
    # The Message-ID, too: after a backup was restored, ids are used again.
    signature = hmac.digest(key, number + message_id.encode("utf-8", "replace"), "sha256")[:_SIGNATURE_BYTES]
    return base64.b32encode(number + signature).decode().lower()
