"""A throw-away certificate authority, and server certificates good and bad."""

import datetime
import ipaddress
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

GOOD_NAMES = ("localhost", "127.0.0.1")
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    cert_file: Path
    key_file: Path


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, not_after: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(_now(), not_after) - DAY)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _server(builder: x509.CertificateBuilder, names: Iterable[str]) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


class CertificateAuthority:
    """Its own root in `directory`; clients trust it through `ca_file`."""

    NAME = "Quazzar test authority"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._issued = 0
        root = (
            _builder(self.NAME, self.NAME, self._key, _now() + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file = directory / "ca.pem"
        self.ca_file.write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def client_context(self) -> ssl.SSLContext:
        """For a client that trusts this authority and no other."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def issue(
        self, names: Sequence[str] = GOOD_NAMES, not_after: datetime.datetime | None = None
    ) -> Certificate:
        """A server certificate for host names and addresses, signed by this authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _server(_builder(names[0], self.NAME, key, not_after or _now() + 7 * DAY), names)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(authority, critical=False)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        return self._write(builder.sign(self._key, hashes.SHA256()), key)

    def expired(self) -> Certificate:
        """For the right names, and out of date since yesterday."""
        return self.issue(not_after=_now() - DAY)

    def wrong_name(self) -> Certificate:
        """In date, and for somebody else's host."""
        return self.issue(["elsewhere.test"])

    def self_signed(self, names: Sequence[str] = GOOD_NAMES) -> Certificate:
        """For the right names and in date, but signed by nobody that a client trusts."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _server(_builder(names[0], names[0], key, _now() + 7 * DAY), names)
        return self._write(builder.sign(key, hashes.SHA256()), key)

    def _write(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Certificate:
        self._issued += 1
        files = Certificate(
            self.directory / f"server-{self._issued}.pem", self.directory / f"server-{self._issued}.key"
        )
        files.cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.key_file.touch(mode=0o600)
        files.key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files
