"""The only writers of the stack's certificate: self-signed, uploaded, or read from files that an ACME client renews."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from mailboxes import changes
from mailboxes.certificates import pem as certificates
from mailboxes.models import Stack
from quazzar.access import audit
from quazzar.errors import InvalidFields

if TYPE_CHECKING:
    from mailboxes.certificates.pem import Facts

logger = logging.getLogger(__name__)

#: A self-signed certificate is replaced this long before its end.
RENEWED_BEFORE = timedelta(days=30)
#: A key with the longest chain has a tenth of it.
LARGEST_FILE = 256 * 1024
Source = Stack.TlsSource
_PATHS = {"certificate": "certificate_path", "key": "key_path"}


@dataclass(frozen=True)
class Refreshed:
    """What looking after the certificate came to.

    Attributes:
        changed: another certificate is on its way into the stack.
        problem: why the one that should be there is not; the old one is kept. Empty: all is well.
    """

    changed: bool = False
    problem: str = ""


def upload_certificate(certificate: str, key: str) -> Facts:
    """Takes a pair in PEM, the leaf first; the answer says what is in it, and what to beware of.

    Raises:
        InvalidFields: ``certificate`` or ``key`` is not right; the old pair stays.
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
    """Reads the pair from files on this machine, now and whenever they change.

    Raises:
        InvalidFields: ``certificate_path`` or ``key_path`` cannot be read, or is not right; the old pair stays.
    """
    certificate, key = _read(certificate_path, key_path)
    try:
        columns, facts = _examined(Source.FILES, certificate, key)
    except InvalidFields as exc:
        raise InvalidFields({_PATHS.get(name, name): told for name, told in exc.fields.items()}) from exc
    _store(columns | {"tls_certificate_path": certificate_path.strip(), "tls_key_path": key_path.strip()})
    return facts


def use_self_signed() -> Facts | None:
    """Goes back to a certificate of our own; None when there is no hostname yet, and so none was made."""
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
    """The columns of a new self-signed pair for this name; none when another pair is wanted, or this one fits."""
    if stack.tls_source != Source.SELF_SIGNED or _fits(stack, hostname, timezone.now()):
        return {}
    return _self_signed(hostname)[0]


def refresh_certificate(now: datetime | None = None) -> Refreshed:
    """Renews what is self-signed and reads again what lies in files. Never raises for what is wrong with them."""
    done = _refreshed(now or timezone.now())
    if done.problem:
        logger.warning("certificate not renewed: %s", done.problem)
    return done


def _refreshed(now: datetime) -> Refreshed:
    stack = Stack.load()
    match stack.tls_source:
        case Source.SELF_SIGNED:
            return _renewed(stack, now)
        case Source.FILES:
            return _read_again(stack)
    if _key(stack) is not None:
        return Refreshed()
    return Refreshed(
        problem="The certificate's key was sealed under a key that is gone: upload the pair again."
    )


def _renewed(stack: Stack, now: datetime) -> Refreshed:
    # Without one it is made when the stack is enabled.
    if not stack.hostname or not stack.tls_certificate or _fits(stack, stack.hostname, now):
        return Refreshed()
    columns, _ = _self_signed(stack.hostname, _key(stack) or "")
    return Refreshed(changed=_store(columns, tls_source=Source.SELF_SIGNED, hostname=stack.hostname))


def _read_again(stack: Stack) -> Refreshed:
    paths = {"tls_certificate_path": stack.tls_certificate_path, "tls_key_path": stack.tls_key_path}
    try:
        certificate, key = _read(*paths.values())
        if (certificate, key) == (stack.tls_certificate, _key(stack)):
            return Refreshed()
        columns, _ = _examined(Source.FILES, certificate, key)
    except InvalidFields as exc:
        return Refreshed(problem=" ".join(sentence for told in exc.fields.values() for sentence in told))
    return Refreshed(changed=_store(columns | paths, tls_source=Source.FILES, **paths))


def _store(columns: dict[str, Any], **only_if: str) -> bool:
    """False when the operator decided otherwise while the pair was made or read: the row is not ``only_if``."""
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
    return _columns(Source.SELF_SIGNED, *certificates.self_signed(hostname, key_pem=key), hostname)


def _examined(source: str, certificate: str, key: str) -> tuple[dict[str, Any], Facts]:
    return _columns(source, certificate, key, Stack.load().hostname)


def _columns(source: str, certificate: str, key: str, hostname: str) -> tuple[dict[str, Any], Facts]:
    facts = certificates.examine(certificate, key, hostname, timezone.now())
    pair = {"tls_certificate": certificate, "tls_key": key, "tls_expires_at": facts.not_after}
    return {"tls_source": source, **pair}, facts


def _fits(stack: Stack, hostname: str, now: datetime) -> bool:
    ends = stack.tls_expires_at
    return (
        stack.hostname == hostname
        and bool(stack.tls_certificate)
        and _key(stack) is not None
        and ends is not None
        and ends - now >= RENEWED_BEFORE
    )


def _key(stack: Stack) -> str | None:
    """The private key; None when there is none, or it cannot be opened."""
    key = stack.tls_key
    return key.reveal() if key is not None and key.readable else None


def _read(certificate_path: str, key_path: str) -> tuple[str, str]:
    wrong: dict[str, list[str]] = {}
    texts = []
    for field, given in {"certificate_path": certificate_path, "key_path": key_path}.items():
        try:
            texts.append(_content(given.strip()))
        except ValueError as exc:
            wrong[field] = [str(exc)]
    if wrong:
        raise InvalidFields(wrong)
    return texts[0], texts[1]


def _content(name: str) -> str:
    path = Path(name)
    if not path.is_absolute() or "\0" in name:
        raise ValueError("Write the whole path of the file, from / on.")
    try:
        if not path.is_file():
            raise ValueError(f"There is no file {name}, or its directory is closed to Quazzar.")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as exc:
        raise ValueError(f"{name} cannot be read: {exc.strerror}.") from exc
    if len(data) > LARGEST_FILE:
        raise ValueError(f"{name} is too large for a PEM file.")
    # What is no text is no PEM either; that is said when the pair is examined.
    return data.decode("ascii", "replace")
