"""The stack's certificate as the operator sees it: its names, its expiry, and warnings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from django.utils import timezone

from mailboxes.certificates import pem
from mailboxes.models import Stack
from quazzar import words
from quazzar.errors import InvalidFields

_UNREADABLE = (
    "The certificate's private key was sealed with a key that is no longer in the key file. Set the "
    "certificate again."
)


@dataclass(frozen=True)
class CertificateState:
    """What is known about the certificate.

    Attributes:
        source: self_signed, uploaded or files.
        names: DNS names that it is valid for.
        expires_at: None if there is no certificate.
        warnings: sentences; empty if all is well.
        certificate: PEM, the leaf first; empty if there is no certificate.
    """

    source: str
    names: tuple[str, ...]
    expires_at: datetime | None
    warnings: tuple[str, ...]
    certificate: str
    certificate_path: str
    key_path: str

    def problems(self) -> tuple[str, ...]:
        """The warnings that need action; that the certificate is self-signed was the operator's choice."""
        return tuple(warning for warning in self.warnings if warning != pem.SELF_SIGNED)


def read(stack: Stack) -> CertificateState:
    """The state of the pair in the row; never raises for problems with it."""
    names, warnings = _names_and_warnings(stack) if stack.tls_certificate else ((), ())
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


def _names_and_warnings(stack: Stack) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if stack.tls_key is None or not stack.tls_key.readable:
        return (), (_UNREADABLE,)
    now, ends = timezone.now(), stack.tls_expires_at
    expired = ends is not None and ends <= now
    # An expired certificate would be refused; examined as of its last moment, it still shows its names.
    moment = ends - timedelta(seconds=1) if ends is not None and expired else now
    try:
        facts = pem.examine(stack.tls_certificate, stack.tls_key.reveal(), stack.hostname, moment)
    except InvalidFields as exc:
        return (), tuple(chain.from_iterable(exc.fields.values()))
    if ends is not None and expired:
        return facts.names, (f"The certificate expired on {words.day(ends)}, so mail programs refuse it.",)
    return facts.names, facts.warnings
