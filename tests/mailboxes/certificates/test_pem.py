"""Certificates: one of our own, and what an operator brings, examined before it is served."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.records import dane, tlsa
from mailboxes.certificates import pem
from mailboxes.certificates.pem import Facts
from quazzar.errors import InvalidFields
from tests.mailboxes.trials import case

HOST = "mail.example.com"
NOW = datetime(2027, 1, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CA_KEY, ROOT_KEY, LEAF_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
OURS = pem.self_signed(HOST, NOW)


def signed(
    name: str, key: Any, issuer: str, by: Any, *, names: tuple[str, ...] = (HOST,), **more: Any
) -> str:
    """A certificate in PEM; ``start``, ``end``, ``usage`` when they matter."""
    builder = x509.CertificateBuilder(
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=more.get("start", NOW - DAY),
        not_valid_after=more.get("end", NOW + 90 * DAY),
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False
        )
    if "usage" in more:
        builder = builder.add_extension(x509.ExtendedKeyUsage([more["usage"]]), False)
    algorithm = None if isinstance(by, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(by, algorithm).public_bytes(Encoding.PEM).decode()


def as_pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()  # type: ignore[no-any-return]


def leaf(**more: Any) -> str:
    return signed(HOST, LEAF_KEY, "CA", CA_KEY, **more)


CA = signed("CA", CA_KEY, "Root", ROOT_KEY, names=())


DER = x509.load_pem_x509_certificate(leaf().encode()).public_bytes(Encoding.DER)
DER_KEY = LEAF_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def armoured(kind: str) -> str:
    return f"-----BEGIN {kind}-----\nMAA=\n-----END {kind}-----\n"


def examine(certificate: str, key: str | None = None, hostname: str = HOST) -> Facts:
    return pem.examine(certificate, as_pem(LEAF_KEY) if key is None else key, hostname, NOW)


def refused(certificate: str, key: str | None = None) -> tuple[str, str]:
    """Which of the two is refused, and why."""
    with pytest.raises(InvalidFields) as caught:
        examine(certificate, key)
    ((name, (sentence,)),) = caught.value.fields.items()
    assert sentence.endswith(".") or sentence.endswith(").")
    return name, sentence


# --- our own -----------------------------------------------------------------------------------------------
def test_the_next_one_may_keep_the_key_that_others_pin() -> None:
    renewed = pem.self_signed(HOST, NOW + DAY, OURS[1])
    assert renewed[1] == OURS[1] and renewed[0] != OURS[0]
    assert examine(*renewed).self_signed


def test_our_own_says_what_it_is() -> None:
    facts = examine(*OURS)
    assert (facts.names, facts.self_signed, facts.issuer) == ((HOST,), True, f"CN={HOST}")
    assert facts.not_before < NOW < facts.not_after == NOW + pem.VALID_FOR
    assert len(facts.warnings) == 1 and "self-signed" in facts.warnings[0]
    assert bytes.fromhex(facts.fingerprint) == x509.load_pem_x509_certificate(OURS[0].encode()).fingerprint(
        hashes.SHA256()
    )


def test_a_client_that_trusts_our_own_takes_it_for_its_name_only(tmp_path: Path) -> None:
    certificate, key = pem.self_signed(HOST)
    for name, text in (("crt", certificate), ("key", key)):
        (tmp_path / name).write_text(text)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    client = ssl.create_default_context(cadata=certificate)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert shake_hands(server, client, HOST) == ((("DNS", HOST),))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, client, "other.example.com")


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> Any:
    """The names in the certificate that the client was shown and took."""
    near, far = socket.socketpair()
    near.settimeout(10)
    far.settimeout(10)

    def serve() -> None:
        try:
            server.wrap_socket(far, server_side=True).close()
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(near, server_hostname=name) as tls:
            return (tls.getpeercert() or {})["subjectAltName"]
    finally:
        near.close()
        thread.join(10)


def test_a_hostname_longer_than_a_common_name_is_no_obstacle() -> None:
    long = f"{'a' * 60}.{'b' * 60}.example.com"
    certificate, key = pem.self_signed(long, NOW)
    assert examine(certificate, key, long).names == (long,)


# --- brought -----------------------------------------------------------------------------------------------
def test_a_full_chain_has_nothing_to_warn_of() -> None:
    facts = examine(leaf() + CA)
    assert (facts.warnings, facts.self_signed, facts.issuer) == ((), False, "CN=CA")


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ed25519.Ed25519PrivateKey.generate(),
        LEAF_KEY,
    ],
)
def test_keys_of_the_usual_kinds_are_taken(key: Any) -> None:
    assert examine(signed(HOST, key, "CA", CA_KEY) + CA, as_pem(key)).warnings == ()


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_is_taken_in_both_forms(form: PrivateFormat) -> None:
    assert examine(leaf() + CA, as_pem(LEAF_KEY, form)).warnings == ()


def test_windows_line_ends_and_text_around_are_no_obstacle() -> None:
    chain = f"subject=CN={HOST}\n{leaf()}\n{CA}".replace("\n", "\r\n")
    assert examine(chain, "\n" + as_pem(LEAF_KEY).replace("\n", "\r\n")).names == (HOST,)


def test_what_somebody_will_complain_about_is_a_warning() -> None:
    for certificate, hostname, words in (
        (leaf(), HOST, "intermediate"),
        (leaf() + signed("X", ROOT_KEY, "Y", ROOT_KEY), HOST, "chain"),
        (leaf(names=("www.example.com",)) + CA, HOST, "www.example.com"),
        (leaf(names=()) + CA, HOST, "no host name"),
        (leaf(names=("*.example.com",)) + CA, "a.b.example.com", "mail programs show a warning"),
        (leaf(names=("*.example.com",)) + CA, "example.com", "mail programs show a warning"),
        (leaf(start=NOW + DAY) + CA, HOST, "not valid before 2027-01-16"),
        (leaf(start=NOW - 85 * DAY, end=NOW + 5 * DAY) + CA, HOST, "expires on 2027-01-20, in 5 days"),
        (leaf(usage=ExtendedKeyUsageOID.CLIENT_AUTH) + CA, HOST, "serverAuth"),
    ):
        with case(words):
            (warning,) = examine(certificate, hostname=hostname).warnings
            assert words in warning and warning.endswith(".")


def test_a_name_that_fits_is_no_warning() -> None:
    for name, hostname in (
        (HOST, HOST),
        (HOST.upper(), HOST),
        ("*.example.com", HOST),
        ("*.EXAMPLE.com", HOST),
        (HOST, ""),
    ):
        with case(name, hostname):
            assert examine(leaf(names=("other.example", name)) + CA, hostname=hostname).warnings == ()


def test_a_certificate_that_cannot_be_served_is_refused() -> None:
    for certificate, words in (
        ("", "PEM"),
        ("nonsense", "PEM"),
        (pem.text(DER), "openssl x509 -inform der"),
        (base64.b64encode(DER).decode(), "-----BEGIN CERTIFICATE----- and"),
        (armoured("PKCS7"), "openssl pkcs7 -print_certs"),
        (armoured("CERTIFICATE REQUEST"), "signing request"),
        (armoured("NEW CERTIFICATE REQUEST"), "signing request"),
        (armoured("TRUSTED CERTIFICATE"), "openssl x509 -in"),
        (armoured("PUBLIC KEY"), "public key"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "PEM"),
        ("ünïcode \ud800", "PEM"),
        (leaf()[:-80], "PEM"),
        (leaf(start=NOW - 9 * DAY, end=NOW) + CA, "expired on 2027-01-15"),
        (leaf() + CA + as_pem(LEAF_KEY), "private key"),
        (as_pem(LEAF_KEY) + leaf(), "private key"),
    ):
        with case(words):
            name, sentence = refused(certificate)
            assert name == "certificate" and words in sentence


def test_a_certificate_whose_issuer_cannot_be_read_is_refused() -> None:
    der = x509.load_pem_x509_certificate(OURS[0].encode()).public_bytes(Encoding.DER)
    broken = base64.encodebytes(der.replace(HOST.encode(), b"\xff" * len(HOST), 1)).decode()
    with pytest.raises(InvalidFields):
        examine(f"-----BEGIN CERTIFICATE-----\n{broken}-----END CERTIFICATE-----\n", OURS[1])


def test_a_certificate_of_a_version_that_does_not_exist_is_refused_and_has_no_validity() -> None:
    der = x509.load_pem_x509_certificate(OURS[0].encode()).public_bytes(Encoding.DER)
    version = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x0a", 1)
    odd = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(version).decode()}-----END CERTIFICATE-----\n"
    with pytest.raises(InvalidFields):
        examine(odd, OURS[1])
    assert pem.validity(odd) is None
    assert tlsa.pin(odd) == ""
    assert not dane.matches(dane.read(f"2 0 0 {version.hex()}"), OURS[0], HOST, NOW)


def test_a_file_is_read_as_editors_save_it() -> None:
    for encoded in (
        leaf().encode("utf-16"),
        leaf().encode("utf-8-sig"),
        leaf().replace("\n", "\r\n").encode(),
    ):
        with case(encoded[:8]):
            assert examine(pem.text(encoded) + CA).names == (HOST,)


def test_a_signature_that_tls_no_longer_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing here signs with SHA-1 any more, so SHA-256 plays its part.
    monkeypatch.setattr(pem, "_BROKEN_HASHES", (hashes.SHA256,))
    assert refused(leaf() + CA)[0] == "certificate"
    assert examine(*OURS).self_signed  # nobody checks the signature of a certificate by itself


@pytest.mark.slow
def test_a_key_that_cannot_serve_is_refused() -> None:
    for key, words in (
        ("", "PEM"),
        ("nonsense", "PEM"),
        ("\ud800", "PEM"),
        (pem.text(DER_KEY), "openssl pkey -inform der"),
        (base64.b64encode(DER_KEY).decode(), "-----BEGIN PRIVATE KEY----- and"),
        (as_pem(LEAF_KEY, PrivateFormat.OpenSSH), "ssh-keygen"),
        (armoured("PUBLIC KEY"), "Choose the private key"),
        (armoured("CERTIFICATE REQUEST"), "signing request"),
        (armoured("EC PARAMETERS"), "curve"),
        (as_pem(CA_KEY), "server's own certificate first"),
        (as_pem(ROOT_KEY), "does not belong"),
        (as_pem(LEAF_KEY)[:-60], "PEM"),
        (as_pem(LEAF_KEY) + leaf(), "contains a certificate"),
        (
            LEAF_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode(),
            "passphrase",
        ),
        (as_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "1024 bits"),
        (as_pem(dsa.generate_private_key(2048)), "TLS needs an RSA"),
    ):
        with case(words):
            name, sentence = refused(leaf() + CA, key)
            assert name == "key" and words in sentence


@given(st.text(max_size=60), st.text(max_size=60))
def test_nonsense_is_refused_and_never_repeated(certificate: str, key: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        pem.examine(f"-----BEGIN {certificate}", f"s3cret {key}", HOST, NOW)
    assert "s3cret" not in str(caught.value.fields)
