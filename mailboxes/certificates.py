"""TLS certificates of the stack: made, and examined before they are let in. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quazzar.errors import InvalidFields

#: Below 398 days, which is what mail programs of phones still take from a certificate that they were told to trust.
SELF_SIGNED_DAYS = 397
#: A warning is shown when less is left.
WARN_DAYS = 14
_LONGEST_COMMON_NAME = 64


@dataclass(frozen=True)
class Facts:
    """What a certificate says.

    Attributes:
        names: DNS names it is for.
        fingerprint: SHA-256 of the leaf in hexadecimal.
        warnings: what does not stop it from being used, in sentences.
    """

    not_before: dt.datetime
    not_after: dt.datetime
    names: tuple[str, ...]
    issuer: str
    self_signed: bool
    fingerprint: str
    warnings: tuple[str, ...]


def self_signed(hostname: str, now: dt.datetime | None = None) -> tuple[str, str]:
    """A new (certificate, key) in PEM for this host name."""
    now = now or dt.datetime.now(dt.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:_LONGEST_COMMON_NAME])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))  # a phone's clock may be slow
        .not_valid_after(now + dt.timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def examine(certificate: str, key: str, hostname: str, now: dt.datetime) -> Facts:
    """Whether Postfix and Dovecot can use this pair, and what it says.

    Raises:
        InvalidFields: it is no PEM, the key is not the certificate's, is encrypted, or its time is over.
    """
    chain = _chain(certificate)
    _check_key(chain[0], key)
    leaf = chain[0]
    if leaf.not_valid_after_utc <= now:
        raise _wrong("certificate", f"The certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}.")
    names = _names(leaf)
    issued_by_itself = leaf.issuer == leaf.subject
    return Facts(
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        names=names,
        issuer=leaf.issuer.rfc4514_string(),
        self_signed=issued_by_itself,
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        warnings=tuple(_warnings(chain, names, hostname, now, issued_by_itself)),
    )


def _chain(certificate: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(certificate.encode())
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise _wrong(
            "certificate",
            "This is no PEM certificate: it begins with -----BEGIN CERTIFICATE-----, the leaf first.",
        ) from exc


def _check_key(leaf: x509.Certificate, key: str) -> None:
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except TypeError as exc:
        raise _wrong("key", "The key is encrypted; give it without a passphrase.") from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise _wrong(
            "key", "This is no PEM private key: it begins with -----BEGIN PRIVATE KEY-----."
        ) from exc
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise _wrong("key", "The key does not belong to the first certificate of the file.")


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))


def _warnings(
    chain: list[x509.Certificate],
    names: tuple[str, ...],
    hostname: str,
    now: dt.datetime,
    issued_by_itself: bool,
) -> list[str]:
    leaf, warnings = chain[0], []
    if hostname and not any(_covers(name, hostname) for name in names):
        shown = ", ".join(names[:5]) or "no name"
        warnings.append(f"The certificate is for {shown}, not for {hostname}: mail programs will complain.")
    if issued_by_itself:
        warnings.append("It is self-signed: each mail program asks once whether to trust it.")
    elif len(chain) == 1:
        warnings.append("The file has no intermediate certificate; use the full chain (fullchain.pem).")
    if leaf.not_valid_before_utc > now:
        warnings.append(f"It is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC.")
    if leaf.not_valid_after_utc - now < dt.timedelta(days=WARN_DAYS):
        warnings.append(f"It expires on {leaf.not_valid_after_utc:%Y-%m-%d}.")
    return warnings


def _covers(name: str, hostname: str) -> bool:
    """RFC 6125 §6.4.3: a star stands for the whole leftmost label."""
    name = name.lower()
    return name == hostname or (name.startswith("*.") and hostname.partition(".")[2] == name[2:])


def _wrong(field: str, sentence: str) -> InvalidFields:
    return InvalidFields({field: [sentence]})
