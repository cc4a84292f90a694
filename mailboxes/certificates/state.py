"""The stack's certificate as an operator is told of it: whose, until when, and what to beware of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from mailboxes.certificates import pem as certificates
from mailboxes.models import Stack
from quazzar.errors import InvalidFields

_UNREADABLE = (
    "The certificate's key was sealed under a key that is gone from the key file: set the certificate again."
)


@dataclass(frozen=True)
class CertificateState:
    """What is known of the certificate.

    Attributes:
        source: self_signed, uploaded or files.
        names: that it is for.
        expires_at: None while there is none.
        warnings: sentences; empty when all is well.
        certificate: PEM, the leaf first; empty while there is none.
    """

    source: str
    names: tuple[str, ...]
    expires_at: datetime | None
    warnings: tuple[str, ...]
    certificate: str
    certificate_path: str
    key_path: str


def read(stack: Stack) -> CertificateState:
    """The state of the pair that the row holds; never raises for what is wrong with it."""
    names, warnings = _found(stack) if stack.tls_certificate else ((), ())
    if stack.tls_problem and stack.tls_problem not in warnings:
        warnings = (*warnings, stack.tls_problem)
    return CertificateState(
        source=stack.tls_source,
        names=names,
        expires_at=stack.tls_expires_at,
        warnings=warnings,
        certificate=stack.tls_certificate,
        certificate_path=stack.tls_certificate_path,
        key_path=stack.tls_key_path,
    )


def _found(stack: Stack) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if stack.tls_key is None or not stack.tls_key.readable:
        return (), (_UNREADABLE,)
    now, ends = timezone.now(), stack.tls_expires_at
    expired = ends is not None and ends <= now
    # One that is over would be refused; whose it is can be read all the same, as of its last moment.
    moment = ends - timedelta(seconds=1) if ends is not None and expired else now
    try:
        facts = certificates.examine(stack.tls_certificate, stack.tls_key.reveal(), stack.hostname, moment)
    except InvalidFields as exc:
        return (), tuple(sentence for told in exc.fields.values() for sentence in told)
    if ends is not None and expired:
        return facts.names, (f"The certificate expired on {ends:%Y-%m-%d}: mail programs refuse it.",)
    return facts.names, facts.warnings
