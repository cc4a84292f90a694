"""The authorities that the node trusts: what SSL_CERT_FILE and SSL_CERT_DIR name, good and bad."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import pytest

from mailrelay import monitoring
from mailrelay.relay import authorities
from quazzar.monitoring.doctor import Level
from tests.rig.ca import CertificateAuthority

if TYPE_CHECKING:
    from pathlib import Path

KEY = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return CertificateAuthority(tmp_path_factory.mktemp("ca")).ca_file.read_bytes()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return CertificateAuthority(tmp_path_factory.mktemp("ca")).ca_file.read_bytes()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that SSL_CERT_FILE names, not there yet; SSL_CERT_DIR names a directory without authorities."""
    path = tmp_path / "authorities.pem"
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "00000000.0").write_bytes(b"")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return path


def ders(*pems: bytes) -> set[bytes]:
    return {ssl.PEM_cert_to_DER_cert(pem.decode()) for pem in pems}


def read_ders() -> set[bytes]:
    found = authorities.read()
    parts = [
        part + "-----END CERTIFICATE-----\n" for part in found.pem.split("-----END CERTIFICATE-----\n")[:-1]
    ]
    assert len(parts) == found.count
    return {ssl.PEM_cert_to_DER_cert(part) for part in parts}


def test_a_changed_file_counts_at_the_next_look(file: Path, root: bytes, other: bytes) -> None:
    file.write_bytes(root)
    assert read_ders() == ders(root)
    file.write_bytes(b"# ours\r\n" + other.replace(b"\n", b"\r\n") + root + root)
    assert read_ders() == ders(root, other) and not authorities.read().problem
    file.unlink()
    assert authorities.read().count == 0


def test_without_the_variables_the_systems_own_count(
    monkeypatch: pytest.MonkeyPatch, file: Path, root: bytes
) -> None:
    file.write_bytes(root)
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR")
    assert not ders(root) & read_ders()
    assert not authorities.read().problem


def test_a_directory_counts_by_the_names_that_openssl_looks_for(
    monkeypatch: pytest.MonkeyPatch, file: Path, tmp_path: Path, root: bytes, other: bytes
) -> None:
    file.write_bytes(root)
    hashed, plain = tmp_path / "hashed", tmp_path / "plain"
    for directory in (hashed, plain):
        directory.mkdir()
        (directory / "other.pem").write_bytes(other)
    monkeypatch.setenv("SSL_CERT_DIR", str(plain))
    found = authorities.read()
    assert found.count == 1 and found.lost and found.advice == f"Run: openssl rehash {plain}"
    (hashed / "0a1b2c3d.0").symlink_to("other.pem")
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed))
    assert read_ders() == ders(root, other) and not authorities.read().problem
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "gone"))
    assert "a directory that does not exist" in authorities.read().problem


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "which does not exist"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hello", "no readable PEM certificate"),
        (b"\x30\x82\x01\x01" + bytes(300), "looks like DER"),
        (KEY, "a private key but no readable certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no readable PEM certificate"),
        (b"-----BEGIN CERTIFICATE-----\n" + b"A" * 200, "no readable PEM certificate"),
        (b"x" * (authorities.LIMIT + 1), "larger than 4 MiB"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_and_lends_nothing(file: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        file.write_bytes(content)
    found = authorities.read()
    assert (found.pem, found.count, found.lost) == ("", 0, True)
    assert said in found.problem and str(file) in found.problem and found.advice
    assert monitoring.examine_authorities().level is Level.FAILED


def test_what_is_no_file_is_not_opened(file: Path) -> None:
    os.mkfifo(file)
    assert "not a file" in authorities.read().problem


def test_a_private_key_beside_the_certificates_goes_nowhere(file: Path, root: bytes) -> None:
    file.write_bytes(KEY + root)
    found = authorities.read()
    assert found.count == 1 and "PRIVATE KEY" not in found.pem
    finding = monitoring.examine_authorities()
    assert finding.level is Level.WARNING and "private key" in finding.sentence


def test_one_broken_certificate_costs_the_others_nothing(file: Path, root: bytes, other: bytes) -> None:
    file.write_bytes(root[:200] + b"\n-----END CERTIFICATE-----\n" + other)
    assert read_ders() == ders(other)
    assert "1 certificate in it cannot be read and is left out" in authorities.read().problem


def test_openssls_own_form_is_understood(file: Path, root: bytes) -> None:
    """openssl-x509(1), -trustout: what follows the certificate is OpenSSL's own."""
    import base64

    (der,) = ders(root)
    text = base64.encodebytes(der + b"\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01")
    file.write_bytes(b"-----BEGIN TRUSTED CERTIFICATE-----\n" + text + b"-----END TRUSTED CERTIFICATE-----\n")
    assert read_ders() == {der}
