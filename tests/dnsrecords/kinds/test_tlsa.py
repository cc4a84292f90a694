"""The pin of the certificate on port 25."""

from __future__ import annotations

from dnsrecords.verdicts import Status
from tests.dnsrecords.kinds.cases import PIN, verdict

OTHER = "3 1 1 " + "cd" * 32


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
