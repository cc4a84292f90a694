"""The only writers of the stack's certificate: self-signed, uploaded, or from files that an ACME client renews."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from mailboxes import changes
from mailboxes.certificates import pem
from mailboxes.models import Stack
from quazzar.access import audit
from quazzar.errors import InvalidFields
from quazzar.files import read_named_file

if TYPE_CHECKING:
    from mailboxes.certificates.pem import Facts

#: A self-signed certificate is replaced this long before its expiry warning would appear.
RENEWED_EARLIER = timedelta(days=2)
#: Bytes. A key with the longest chain in use takes a tenth of it.
LARGEST_FILE = 256 * 1024
Source = Stack.TlsSource
_PATHS = {"certificate": "certificate_path", "key": "key_path"}


@dataclass(frozen=True)
class Renewal:
    """The result of looking after the certificate.

    Attributes:
        changed: a new certificate still has to be pushed into the stack.
        problem: why the certificate could not be renewed, so that the old one stays; empty if all is well.
    """

    changed: bool = False
    problem: str = ""


def upload_certificate(certificate: str, key: str) -> Facts:
    """Stores a pair for the stack, and returns what is in it.

    Args:
        certificate: The chain in PEM, starting with the server's own certificate.
        key: PEM.

    Raises:
        InvalidFields: ``certificate`` or ``key`` cannot be used; the old pair stays.
    """
    wrong = {
        name: ["This is too large for a PEM file."]
        for name, text in {"certificate": certificate, "key": key}.items()
        if len(text) > LARGEST_FILE
    }
    if wrong:
        raise InvalidFields(wrong)
    columns, facts = _examined(Source.UPLOADED, certificate, key)
    _store(columns)
    return facts


def use_certificate_files(certificate_path: str, key_path: str) -> Facts:
    """Reads the pair from PEM files on this machine, now and whenever they change.

    Raises:
        InvalidFields: the file at ``certificate_path`` or ``key_path`` cannot be read or used; the old pair stays.
    """
    certificate, key = _read(certificate_path, key_path)
    try:
        columns, facts = _examined(Source.FILES, certificate, key)
    except InvalidFields as exc:
        by_path = {_PATHS.get(name, name): sentences for name, sentences in exc.fields.items()}
        raise InvalidFields(by_path) from exc
    _store(columns | {"tls_certificate_path": certificate_path.strip(), "tls_key_path": key_path.strip()})
    return facts


def use_self_signed() -> Facts | None:
    """Goes back to a self-signed certificate; None if there is no hostname yet, so that none could be made."""
    hostname = Stack.load().hostname
    if not hostname:
        _store(
            {"tls_source": Source.SELF_SIGNED, "tls_certificate": "", "tls_key": None, "tls_expires_at": None}
        )
        return None
    columns, facts = _self_signed(hostname)
    _store(columns)
    return facts


def self_signed_for(stack: Stack, hostname: str) -> dict[str, Any]:
    """Columns of a new self-signed pair for this name; empty if the operator chose another kind, or the pair fits."""
    if stack.tls_source != Source.SELF_SIGNED or _fits(stack, hostname, timezone.now()):
        return {}
    return _self_signed(hostname)[0]


def refresh_certificate(now: datetime | None = None) -> Renewal:
    """Renews a self-signed certificate, or reads its files again. Never raises for problems with the files."""
    return _renewal(now or timezone.now())


def _renewal(now: datetime) -> Renewal:
    stack = Stack.load()
    match stack.tls_source:
        case Source.SELF_SIGNED:
            return _renewed(stack, now)
        case Source.FILES:
            return _read_again(stack)
    if _key(stack) is not None:
        return Renewal()
    return Renewal(
        problem=(
            "The certificate's private key was sealed with a key that is no longer in the key file. "
            "Upload the certificate and key again."
        )
    )


def _renewed(stack: Stack, now: datetime) -> Renewal:
    # If there is none yet, it is made when the stack is enabled.
    if not stack.hostname or not stack.tls_certificate or _fits(stack, stack.hostname, now):
        return Renewal()
    columns, _ = _self_signed(stack.hostname, _key(stack) or "")
    return Renewal(changed=_store(columns, tls_source=Source.SELF_SIGNED, hostname=stack.hostname))


def _read_again(stack: Stack) -> Renewal:
    paths = {"tls_certificate_path": stack.tls_certificate_path, "tls_key_path": stack.tls_key_path}
    try:
        certificate, key = _read(*paths.values())
        if (certificate, key) == (stack.tls_certificate, _key(stack)):
            return Renewal()
        columns, _ = _examined(Source.FILES, certificate, key)
    except InvalidFields as exc:
        return Renewal(problem=" ".join(chain.from_iterable(exc.fields.values())))
    return Renewal(changed=_store(columns | paths, tls_source=Source.FILES, **paths))


def _store(columns: dict[str, Any], **only_if: str) -> bool:
    """Stores the columns and announces the change.

    Args:
        only_if: values that the row must still have.

    Returns:
        False if it has others, because the operator changed the settings while the pair was created or read.
    """
    columns = {"tls_certificate_path": "", "tls_key_path": "", "tls_problem": "", **columns}
    with changes.writing():
        if not Stack.objects.filter(pk=1, **only_if).update(**columns):
            return False
        changes.bump()
        audit.record(
            "stack.certificate_changed", "mailbox stack", ["tls_source", "tls_certificate", "tls_key"]
        )
        changes.announce()
    return True


def _self_signed(hostname: str, key: str = "") -> tuple[dict[str, Any], Facts]:
    return _columns(Source.SELF_SIGNED, *pem.self_signed(hostname, key_pem=key), hostname)


def _examined(source: str, certificate: str, key: str) -> tuple[dict[str, Any], Facts]:
    return _columns(source, certificate, key, Stack.load().hostname)


def _columns(source: str, certificate: str, key: str, hostname: str) -> tuple[dict[str, Any], Facts]:
    facts = pem.examine(certificate, key, hostname, timezone.now())
    pair = {"tls_certificate": certificate, "tls_key": key, "tls_expires_at": facts.not_after}
    return {"tls_source": source, **pair}, facts


def _fits(stack: Stack, hostname: str, now: datetime) -> bool:
    validity = pem.validity(stack.tls_certificate)
    return (
        stack.hostname == hostname
        and validity is not None
        and _key(stack) is not None
        and not validity.ends_soon(now + RENEWED_EARLIER)
    )


def _key(stack: Stack) -> str | None:
    """The private key; None if there is none, or it cannot be unsealed."""
    key = stack.tls_key
    return key.reveal() if key is not None and key.readable else None


def _read(certificate_path: str, key_path: str) -> tuple[str, str]:
    wrong: dict[str, list[str]] = {}
    texts = []
    for field, path in {"certificate_path": certificate_path, "key_path": key_path}.items():
        try:
            texts.append(_content(path.strip()))
        except ValueError as exc:
            wrong[field] = [str(exc)]
    if wrong:
        raise InvalidFields(wrong)
    return texts[0], texts[1]


def _content(name: str) -> str:
    allowed = settings.QUAZZAR_CERTIFICATE_DIRS
    return pem.text(read_named_file(name, allowed=allowed, private=_own_paths(), limit=LARGEST_FILE))


def _own_paths() -> list[Path]:
    """Where the product keeps its data: nothing there is read as a certificate, and a SQLite database, which may lie
    outside the data directory, is not even opened."""
    database = connection.settings_dict["NAME"] if connection.vendor == "sqlite" else ""
    files = [f"{database}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")] if database else []
    return [settings.QUAZZAR_DATA_DIR, settings.QUAZZAR_SECRETS_KEY_FILE, *map(Path, files)]
