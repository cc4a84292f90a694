"""A passkey in software: does what a browser and an authenticator do together (WebAuthn, 6.3.2 and 6.3.3)."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

_FLAG = AuthenticatorData.FLAG


class SoftKey:
    """A passkey for one host.

    Attributes:
        counter: of signatures; 0 stays 0, as with passkeys that several devices share.
        is_verified: whether it verifies its owner.
    """

    def __init__(self, host: str = "testserver", *, counter: int = 0, is_verified: bool = True) -> None:
        self.host, self.counter, self.is_verified = host, counter, is_verified
        self.id = os.urandom(16)
        self._private = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: dict[str, Any], origin: str = "") -> str:
        """The browser's answer to ``navigator.credentials.create``."""
        public = ES256.from_cryptography_key(self._private.public_key())  # type: ignore[no-untyped-call]
        credential = AttestedCredentialData.create(Aaguid.NONE, self.id, public)
        data = AuthenticatorData.create(self._hash(), self._flags() | _FLAG.AT, self.counter, credential)
        response = {
            "clientDataJSON": websafe_encode(self._client("webauthn.create", options, origin)),
            "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
        }
        return self._answer(response)

    def get(self, options: dict[str, Any], origin: str = "") -> str:
        """The browser's answer to ``navigator.credentials.get``."""
        self.counter += bool(self.counter)
        client = self._client("webauthn.get", options, origin)
        data = AuthenticatorData.create(self._hash(), self._flags(), self.counter)
        signature = self._private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": websafe_encode(client),
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(signature),
        }
        return self._answer(response)

    def _client(self, kind: str, options: dict[str, Any], origin: str) -> bytes:
        challenge = options["publicKey"]["challenge"]
        assert websafe_decode(challenge)
        return json.dumps(
            {"type": kind, "challenge": challenge, "origin": origin or f"https://{self.host}"}
        ).encode()

    def _hash(self) -> bytes:
        return hashlib.sha256(self.host.encode()).digest()

    def _flags(self) -> AuthenticatorData.FLAG:
        return _FLAG.UP | _FLAG.UV if self.is_verified else _FLAG.UP

    def _answer(self, response: dict[str, str]) -> str:
        own = websafe_encode(self.id)
        return json.dumps(
            {
                "id": own,
                "rawId": own,
                "type": "public-key",
                "response": response,
                "clientExtensionResults": {},
            }
        )
