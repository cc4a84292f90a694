"""The pin of a certificate, and why other servers would not take it."""

from __future__ import annotations

import hashlib
import ssl
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from dnsrecords.records import tlsa
from mailboxes.certificates import pem as certificates
from tests.mailboxes.certificates.test_pem import CA, HOST, NOW, leaf

DAY = timedelta(days=1)


def spki(certificate: str) -> bytes:
    """The key of the first certificate, by another way."""
    der = ssl.PEM_cert_to_DER_cert(certificate[: certificate.index("-----END") + 26])
    key = x509.load_der_x509_certificate(der).public_key()
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


# --- the pin -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("certificate", [leaf(), leaf() + CA, certificates.self_signed(HOST, NOW)[0]])
def test_the_servers_own_key_is_pinned(certificate: str) -> None:
    assert tlsa.pin(certificate) == f"3 1 1 {hashlib.sha256(spki(certificate)).hexdigest()}"


def test_a_renewed_certificate_with_the_same_key_has_the_same_pin() -> None:
    assert tlsa.pin(leaf()) == tlsa.pin(leaf(end=NOW + 300 * DAY))
    assert tlsa.pin(leaf()) != tlsa.pin(CA)


def test_what_is_no_certificate_has_no_pin() -> None:
    for text in ("", "hello", "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"):
        assert tlsa.pin(text) == ""
        assert "no certificate yet" in tlsa.objection(text, HOST, NOW)


# --- objections --------------------------------------------------------------------------------------------
def test_a_certificate_for_the_hostname_is_accepted() -> None:
    for names in ((HOST,), ("*.example.com",), ("other.example", "MAIL.example.com")):
        assert tlsa.objection(leaf(names=names) + CA, HOST, NOW) == ""


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (certificates.self_signed(HOST, NOW)[0], "self-signed"),
        (leaf(end=NOW - timedelta(hours=1)), "expired on 2027-01-15"),
        (leaf(start=NOW + DAY), "not valid before 2027-01-16"),
        (leaf(names=("example.com", "*.mail.example.com")), f"not valid for {HOST}"),
        (leaf(names=()), f"not valid for {HOST}"),
    ],
)
def test_any_other_is_refused_with_a_reason(certificate: str, words: str) -> None:
    assert words in tlsa.objection(certificate, HOST, NOW)
