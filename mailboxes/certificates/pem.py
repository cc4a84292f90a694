"""TLS certificates as PEM: makes a self-signed one, and examines what an operator provides. Pure."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailboxes.certificates import formats
from quazzar import words
from quazzar.certificates import UNREADABLE
from quazzar.errors import InvalidFields

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

#: Phones do not accept a certificate for 398 days or more, even if you trust it on the phone.
VALID_FOR = timedelta(days=397)
#: The warning that only a self-signed certificate gets.
SELF_SIGNED = "The certificate is self-signed: mail programs show a warning until people choose to trust it."
_SERVER_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
_BROKEN_HASHES = (hashes.MD5, hashes.SHA1)


@dataclass(frozen=True)
class Facts:
    """What a certificate says, and what the operator should know about it.

    Attributes:
        names: DNS names that it is valid for.
        fingerprint: SHA-256 of the leaf, in hexadecimal.
        warnings: sentences about problems that do not keep it from being used.
    """

    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    issuer: str
    self_signed: bool
    fingerprint: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Validity:
    """The period in which a certificate is valid."""

    not_before: datetime
    not_after: datetime

    @property
    def lifetime(self) -> timedelta:
        """The whole time for which it is valid."""
        return self.not_after - self.not_before

    def ends_soon(self, now: datetime) -> bool:
        """Whether less than a third of the lifetime is left.

        ACME clients renew at a third, whether a certificate lives for 90 days, 45 or 6: one that is still in use
        after that was not renewed.
        """
        return self.not_after - now < self.lifetime / 3


def validity(certificate_pem: str) -> Validity | None:
    """The validity of the first certificate in the text; None if there is none that can be read."""
    try:
        leaf = x509.load_pem_x509_certificate(certificate_pem.encode("utf-8", "replace"))
    except UNREADABLE:
        return None
    return Validity(leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def text(data: bytes) -> str:
    """The text of an uploaded file; bytes that are not text are kept visible, so that `examine` can name the format."""
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return data.decode(encoding, "replace")


def self_signed(hostname: str, now: datetime | None = None, key_pem: str = "") -> tuple[str, str]:
    """A self-signed certificate and its private key, both PEM.

    Args:
        hostname: as ``addresses.domain`` returns it.
        key_pem: the key of the previous certificate, which a TLSA record may pin; empty makes a new one.
    """
    now = now or datetime.now(UTC)
    key = _key(key_pem) if key_pem else ec.generate_private_key(ec.SECP256R1())
    # A common name holds at most 64 characters; clients read the subject alternative name instead.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        # The clock of a phone may be slow.
        not_valid_before=now - timedelta(hours=1),
        not_valid_after=now + VALID_FOR,
    )
    for extension, critical in (
        (x509.SubjectAlternativeName([x509.DNSName(hostname)]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (identifier, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    ):
        builder = builder.add_extension(extension, critical)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signed = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def are_for(names: tuple[str, ...], hostname: str) -> bool:
    """Whether a certificate with these names is valid for the host."""
    return any(_matches(name, hostname) for name in names)


def examine(certificate_pem: str, key_pem: str, hostname: str, now: datetime) -> Facts:
    """Examines a pair before the stack serves it.

    Args:
        certificate_pem: the leaf first, then its intermediate certificates.
        hostname: the name that clients connect to; empty if it is not known yet.

    Raises:
        InvalidFields: ``certificate`` or ``key`` cannot be used, because no mail server or no client would accept it.
    """
    chain = _chain(certificate_pem)
    key = _key(key_pem)
    leaf = chain[0]
    if leaf.public_key() != key.public_key():
        raise _wrong("key", _not_its_key(chain, key))
    if leaf.not_valid_after_utc <= now:
        raise _wrong("certificate", f"The certificate expired on {words.day(leaf.not_valid_after_utc)}.")
    self_signed = _signed_by(leaf, leaf)
    if not self_signed and isinstance(_signature_hash(leaf), _BROKEN_HASHES):
        raise _wrong(
            "certificate", "The certificate is signed with SHA-1 or MD5, which TLS no longer accepts."
        )
    return Facts(
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        names=_names(leaf),
        issuer=leaf.issuer.rfc4514_string(),
        self_signed=self_signed,
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        warnings=tuple(_warnings(chain, hostname, now)),
    )


# --- parsing ------------------------------------------------------------------------------------------
def _chain(text: str) -> list[x509.Certificate]:
    if "PRIVATE KEY-----" in text:
        # It would be stored, shown and served in public.
        raise _wrong(
            "certificate", "The certificate field contains a private key. Put only certificates here."
        )
    try:
        chain = x509.load_pem_x509_certificates(text.encode("utf-8", "replace"))
        for certificate in chain:
            # These are parsed only when they are read first.
            list(certificate.extensions)
            certificate.public_key()
            certificate.issuer.rfc4514_string()
            certificate.subject.rfc4514_string()
    except UNREADABLE as exc:
        raise _wrong(
            "certificate",
            formats.instead_of_a_certificate(text)
            or "This is not a certificate in PEM format, which starts with -----BEGIN CERTIFICATE-----.",
        ) from exc
    return chain


def _key(text: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    if "CERTIFICATE-----" in text:
        # Postfix reads key and chain as one list, so a certificate in here would occur twice.
        raise _wrong("key", "The key field contains a certificate. Put only the key here.")
    try:
        key: PrivateKeyTypes = serialization.load_pem_private_key(
            text.encode("utf-8", "replace"), password=None
        )
    except TypeError as exc:
        raise _wrong("key", "The key is encrypted. Remove its passphrase first (openssl pkey).") from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise _wrong(
            "key",
            formats.instead_of_a_key(text)
            or "This is not a private key in PEM format, which starts with -----BEGIN PRIVATE KEY-----.",
        ) from exc
    if not isinstance(key, _SERVER_KEYS):
        raise _wrong("key", "TLS needs an RSA, ECDSA or Ed25519 key.")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < 2048:
        raise _wrong("key", f"The RSA key has {key.key_size} bits; mail servers accept 2048 or more.")
    return key


def _not_its_key(chain: list[x509.Certificate], key: PrivateKeyTypes) -> str:
    if any(certificate.public_key() == key.public_key() for certificate in chain[1:]):
        return "The key belongs to a later certificate in the text. Put the server's own certificate first."
    return "The key does not belong to the certificate."


def _wrong(name: str, sentence: str) -> InvalidFields:
    return InvalidFields({name: [sentence]})


# --- reading ------------------------------------------------------------------------------------------
def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """Host names from the subject alternative name; clients no longer read the common name (RFC 9525)."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _signature_hash(certificate: x509.Certificate) -> hashes.HashAlgorithm | None:
    try:
        return certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None


# --- warnings ---------------------------------------------------------------------
def _warnings(chain: list[x509.Certificate], hostname: str, now: datetime) -> list[str]:
    leaf, names = chain[0], _names(chain[0])
    warnings = []
    if hostname and not are_for(names, hostname):
        shown = ", ".join(names[:5]) or "no host name at all"
        warnings.append(
            f"The certificate is not valid for {hostname}, but for {shown}: mail programs show a warning."
        )
    if leaf.not_valid_before_utc > now:
        warnings.append(f"The certificate is not valid before {words.minute(leaf.not_valid_before_utc)}.")
    end = leaf.not_valid_after_utc
    if Validity(leaf.not_valid_before_utc, end).ends_soon(now):
        warnings.append(f"The certificate expires on {words.day(end)}, {words.distance(end - now)}.")
    if _signed_by(leaf, leaf):
        warnings.append(SELF_SIGNED)
    elif len(chain) == 1:
        warnings.append(
            "The intermediate certificates are missing. Append them, or some clients cannot verify the "
            "certificate."
        )
    elif not all(_signed_by(first, second) for first, second in pairwise(chain)):
        warnings.append(
            "The certificates do not form a chain. Put after each certificate the one that signed it."
        )
    if not _for_servers(leaf):
        warnings.append("The certificate is not meant for servers: its extended key usage lacks serverAuth.")
    return warnings


def _matches(name: str, hostname: str) -> bool:
    """Whether the certificate's name covers the host name; a wildcard stands for exactly the first label (RFC 9525)."""
    if name.startswith("*."):
        return hostname.partition(".")[2].lower() == name[2:].lower()
    return name.lower() == hostname.lower()


def _for_servers(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage
