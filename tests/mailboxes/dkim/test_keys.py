"""DKIM key pairs: what signs with one half is verified with the other."""

from __future__ import annotations

import base64

import dkim as dkimpy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from mailboxes.dkim import keys

MAIL = b"From: ada@example.com\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\nBody\r\n"


def test_the_pair_is_rsa_of_2048_bits() -> None:
    pair = keys.generate()
    private = load_pem_private_key(pair.private_pem.encode(), password=None)
    public = load_der_public_key(base64.b64decode(pair.public_base64, validate=True))
    assert isinstance(private, RSAPrivateKey) and isinstance(public, RSAPublicKey)
    assert private.public_key().public_numbers() == public.public_numbers()
    assert (private.key_size, public.public_numbers().e) == (2048, 65537)
    assert pair.private_pem.startswith("-----BEGIN PRIVATE KEY-----\n")


def test_what_it_signs_verifies_against_the_record() -> None:
    pair = keys.generate()
    signed = dkimpy.sign(MAIL, b"quazzar", b"example.com", pair.private_pem.encode())
    records = {b"quazzar._domainkey.example.com.": f"v=DKIM1; k=rsa; p={pair.public_base64}".encode()}
    assert dkimpy.verify(signed + MAIL, dnsfunc=lambda name, timeout=5: records[name])
    assert not dkimpy.verify(signed + MAIL + b"x\r\n", dnsfunc=lambda name, timeout=5: records[name])


def test_an_ed25519_pair_signs_by_its_bare_public_half() -> None:
    pair = keys.generate_ed25519()
    private = load_pem_private_key(pair.private_pem.encode(), password=None)
    public = base64.b64decode(pair.public_base64, validate=True)
    assert isinstance(private, Ed25519PrivateKey) and len(public) == 32
    assert private.public_key().public_bytes_raw() == public
    Ed25519PublicKey.from_public_bytes(public).verify(private.sign(MAIL), MAIL)
    assert pair.private_pem.startswith("-----BEGIN PRIVATE KEY-----\n") and "PRIVATE" not in repr(pair)


def test_no_two_pairs_are_the_same_and_no_repr_shows_a_key() -> None:
    first, second = keys.generate(), keys.generate()
    assert first.public_base64 != second.public_base64
    assert "PRIVATE" not in repr(first) and first.public_base64 in repr(first)
