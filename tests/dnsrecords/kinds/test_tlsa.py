"""The pin of the certificate on port 25."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dnsrecords.records import tlsa
from dnsrecords.verdicts import Status, Verdict
from mailboxes.certificates import pem as certificates
from tests.dnsrecords.kinds.cases import FACTS, PIN, verdict
from tests.mailboxes.certificates.test_pem import CA, leaf

OTHER = "3 1 1 " + "cd" * 32
NOW = datetime.now(UTC)


def test_a_pin_is_right_in_any_spelling() -> None:
    assert verdict("tlsa_25", PIN.upper()).ok
    assert verdict("tlsa_25", "3 1 1 " + "ab" * 16 + " " + "ab" * 16).ok
    assert verdict("tlsa_25", PIN).message == ""


def test_pins_of_other_certificates_beside_it_are_right_with_a_remark() -> None:
    right = verdict("tlsa_25", OTHER, PIN)
    assert right.ok
    assert "There are other TLSA records at _25._tcp.mail.example.com" in right.message


def test_a_pin_of_another_certificate_is_worse_than_none() -> None:
    assert verdict("tlsa_25").status is Status.MISSING
    assert "refuse to send" in verdict("tlsa_25", OTHER).message
    assert verdict("tlsa_25", "2 1 1 " + "ab" * 32).status is Status.MISMATCH


# --- against the chain that is served ----------------------------------------------------------------------
def chain(*, names: tuple[str, ...] = (FACTS.hostname,), days: int = 60) -> str:
    """The server's own certificate, and the authority that issued it."""
    return leaf(names=names, start=NOW - timedelta(days=90), end=NOW + timedelta(days=days)) + CA


def pin(usage: int, selector: int, matching: int, place: int = 0, of: str = "") -> str:
    """A record for one of the certificates of a chain, put together by hand."""
    certificate = x509.load_pem_x509_certificates((of or chain()).encode())[place]
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    content = key if selector else certificate.public_bytes(Encoding.DER)
    digest = {0: content, 1: hashlib.sha256(content).digest(), 2: hashlib.sha512(content).digest()}.get(
        matching, b"x"
    )
    return f"{usage} {selector} {matching} {digest.hex()}"


def served(*values: str, certificate: str = "") -> Verdict:
    """The verdict where this chain is served."""
    certificate = certificate or chain()
    facts = replace(FACTS, tlsa=(tlsa.pin(certificate),), certificate=certificate)
    return verdict("tlsa_25", *values, facts=facts)


CHAIN = chain()


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize(("usage", "place"), [(3, 0), (2, 1)])
def test_every_way_to_pin_the_certificate_or_its_authority_matches(
    usage: int, selector: int, matching: int, place: int
) -> None:
    right = served(pin(usage, selector, matching, place, CHAIN), certificate=CHAIN)
    assert right.ok
    assert ("3 1 1, as suggested" in right.message) is ((usage, selector, matching) != (3, 1, 1))


@pytest.mark.parametrize(
    ("usage", "place", "certificate"),
    [
        (3, 1, chain()),
        (2, 0, chain()),
        (2, 1, chain(names=("other.example",))),
        (2, 1, chain(days=-1)),
        (2, 1, leaf(names=(FACTS.hostname,)) + certificates.self_signed("ca.example")[0]),
    ],
)
def test_another_certificate_or_an_authority_that_does_not_vouch_is_refused(
    usage: int, place: int, certificate: str
) -> None:
    wrong = served(pin(usage, 1, 1, place, certificate), certificate=certificate)
    assert wrong.status is Status.MISMATCH
    assert "refuse to send" in wrong.message


def test_names_and_dates_do_not_count_where_the_certificate_itself_is_pinned() -> None:
    for certificate in (chain(names=("other.example",)), chain(days=-1)):
        assert served(pin(3, 1, 1, 0, certificate), certificate=certificate).ok


def test_a_whole_authority_need_not_be_served() -> None:
    alone = CHAIN.removesuffix(CA)
    assert served(pin(2, 0, 0, 1, CHAIN), certificate=alone).ok
    assert not served(pin(2, 0, 1, 1, CHAIN), certificate=alone).ok


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (pin(0, 1, 1, 1, CHAIN), "usage 0 is not valid for mail"),
        (pin(1, 1, 1, 0, CHAIN), "usage 1 is not valid for mail"),
        ("4 1 1 " + "ab" * 32, "the usage 4"),
        ("3 2 1 " + "ab" * 32, "the selector 2"),
        ("3 1 3 " + "ab" * 32, "the matching type 3"),
        ("3 1 1 " + "ab" * 20, "20 bytes instead of 32"),
        ("3 1 2 " + "ab" * 32, "32 bytes instead of 64"),
    ],
    ids=str.split("usage-0 usage-1 usage-4 selector-2 matching-3 short long"),  # the same in every process
)
def test_a_record_that_is_passed_over_refuses_nothing(value: str, words: str) -> None:
    wrong = served(value, certificate=CHAIN)
    assert wrong.status is Status.MISMATCH
    assert words in wrong.message
    assert "refuse" not in wrong.message
    beside = served(value, pin(3, 1, 1, 0, CHAIN), certificate=CHAIN)
    assert beside.ok
    assert words in beside.message
    assert "refuse to send" in served(value, OTHER, certificate=CHAIN).message


def test_one_record_that_matches_is_enough() -> None:
    assert served(OTHER, pin(2, 1, 1, 1, CHAIN), certificate=CHAIN).ok
    assert served("2 1 2 " + "cd" * 64, pin(3, 1, 1, 0, CHAIN), certificate=CHAIN).ok


def test_a_stronger_digest_of_another_key_outweighs_one_that_matches() -> None:
    wrong = served("3 1 2 " + "cd" * 64, pin(3, 1, 1, 0, CHAIN), certificate=CHAIN)
    assert wrong.status is Status.MISMATCH
    assert "RFC 7671 §9" in wrong.message
    assert served(pin(3, 1, 2, 0, CHAIN), OTHER, certificate=CHAIN).ok
