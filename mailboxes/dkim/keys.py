"""Makes DKIM key pairs. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

#: Bits of an RSA key. RFC 8301 §3.2 asks for 2048; not every name server can answer with the record of a longer key.
KEY_SIZE = 2048


@dataclass(frozen=True)
class KeyPair:
    """The private half (PEM, PKCS#8), and the public half as in the DNS record's ``p=``."""

    private_pem: str = field(repr=False)
    public_base64: str


def generate() -> KeyPair:
    """Makes an RSA key pair; takes a tenth of a second or more."""
    key = generate_private_key(public_exponent=65537, key_size=KEY_SIZE)
    # RFC 6376 §3.6.1 names RSAPublicKey, but every verifier expects SubjectPublicKeyInfo (erratum 3017).
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _pair(key, public)


def generate_ed25519() -> KeyPair:
    """Makes an Ed25519 key pair; its ``p=`` is the bare key (RFC 8463 §4.2)."""
    key = Ed25519PrivateKey.generate()
    return _pair(key, key.public_key().public_bytes_raw())


#: PKCS#8 of an Ed25519 key is this and the seed (RFC 8410 section 7), in base64.
_ED25519_PKCS8 = "MC4CAQAwBQYDK2VwBCIEI"


def for_rspamd(private_key: str) -> str:
    """The private key on one line, as Rspamd reads it: base64 of an RSA key's PKCS#8, or of an Ed25519 key's seed.

    Args:
        private_key: PEM as in a `KeyPair`, or what this function returned.
    """
    body = "".join(line for line in private_key.splitlines() if not line.startswith("-----"))
    if body.startswith(_ED25519_PKCS8):
        # Rspamd 3.12 takes an Ed25519 key in PKCS#8 for an RSA one (src/libserver/dkim.c, rspamd_dkim_sign_key_load).
        return base64.b64encode(base64.b64decode(body)[-32:]).decode("ascii")
    return body


def _pair(key: RSAPrivateKey | Ed25519PrivateKey, public: bytes) -> KeyPair:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(pem.decode("ascii"), base64.b64encode(public).decode("ascii"))
