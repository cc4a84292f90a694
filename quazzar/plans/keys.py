"""The public key that licences are verified with, and this node's own evaluation key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
from django.conf import settings

from quazzar import paths
from quazzar.errors import LicenseError

_RAW_BYTES = 32
_LARGEST = 64 * 1024
_UNUSABLE = (
    "QUAZZAR_LICENSE_PUBLIC_KEY does not contain an Ed25519 public key, so no licence can be verified."
)
_HINT = "Set it to the PEM text, to the 32 bytes in base64 or hex, or to the path of a file with one."


def configured() -> str:
    """The value of QUAZZAR_LICENSE_PUBLIC_KEY; empty if this node trusts its own evaluation key."""
    return str(settings.QUAZZAR_LICENSE_PUBLIC_KEY).strip()


def evaluation_key_file() -> Path:
    """The path of the evaluation key, which is made on first use: in the data dir, or beside the licence file if it is
    there, so that machines that share the licence can share the key."""
    beside = Path(settings.QUAZZAR_LICENSE_FILE).parent / "evaluation.key"
    here = Path(settings.QUAZZAR_DATA_DIR) / "evaluation.key"
    return beside if beside.exists() and not here.exists() else here


def public_key() -> Ed25519PublicKey:
    """The public key of those who sign licences.

    Raises:
        LicenseError: the setting holds no key, or the evaluation key cannot be read.
    """
    setting = configured()
    return parse(_text_of(setting)) if setting else evaluation_key().public_key()


def public_key_file() -> Path | None:
    """The file that the public key comes from; None if the setting itself holds the key."""
    setting = configured()
    if not setting:
        return evaluation_key_file()
    return None if _is_key_text(setting) else Path(os.path.expanduser(setting))  # noqa: PTH111  (never raises)


def evaluation_key() -> Ed25519PrivateKey:
    """This node's own key; made on first use.

    Raises:
        LicenseError: it cannot be read or made.
    """
    file = evaluation_key_file()
    hint = f"Let the user who runs Quazzar read and enter {file.parent}."
    try:
        secret = paths.stored_secret(file)
    except (OSError, ValueError) as exc:
        raise LicenseError(f"The evaluation key {file} cannot be read or created.", hint=hint) from exc
    if len(secret) < _RAW_BYTES:  # for example truncated by a full disk: then anyone could make the same key
        raise LicenseError(
            f"The evaluation key {file} is cut short.", hint=f"Remove {file}. Quazzar then creates a new one."
        )
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(secret.encode()).digest())


def parse(text: str) -> Ed25519PublicKey:
    """The public key in PEM, base64 or hex text.

    Raises:
        LicenseError: it is not an Ed25519 public key; the sentence does not repeat the text.
    """
    try:
        return _parsed(text.strip())
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise LicenseError(_UNUSABLE, hint=_HINT) from exc


def _text_of(setting: str) -> str:
    if _is_key_text(setting):
        return setting
    try:
        with Path(os.path.expanduser(setting)).open("rb") as source:  # noqa: PTH111
            return source.read(_LARGEST).decode()
    except (OSError, ValueError) as exc:
        raise LicenseError(_UNUSABLE, hint=_HINT) from exc


@lru_cache(maxsize=8)
def _is_key_text(setting: str) -> bool:
    try:
        _parsed(setting)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _parsed(text: str) -> Ed25519PublicKey:
    if "-----BEGIN" in text:
        # In an .env file it is one line, with line ends written as \n.
        key = load_pem_public_key(text.replace("\\n", "\n").encode())
    else:
        raw = _decoded(text)
        if len(raw) == _RAW_BYTES:
            return Ed25519PublicKey.from_public_bytes(raw)
        key = load_der_public_key(raw)
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("another kind of key")
    return key


def _decoded(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    standard = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except binascii.Error as exc:
        raise ValueError("neither base64 nor hex") from exc
