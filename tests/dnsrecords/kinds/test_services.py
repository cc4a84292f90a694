"""SRV records of the stack's services."""

from __future__ import annotations

import pytest

from dnsrecords.verdicts import Status
from tests.dnsrecords.kinds.cases import verdict


def test_a_service_is_right_by_host_and_port_alone() -> None:
    assert verdict("srv_imaps", "7 7 993 Mail.Example.com.").ok


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0 1 143 mail.example.com", "port 143 instead of mail.example.com port 993"),
        ("0 1 993 imap.example.net", "imap.example.net port 993"),
        ("0 0 0 .", "this service does not exist"),
        ("0 0 0 ", "this service does not exist"),  # as the resolver reads the root
    ],
)
def test_a_service_elsewhere_is_wrong(value: str, words: str) -> None:
    wrong = verdict("srv_imaps", value)
    assert words in wrong.message
    assert wrong.status is Status.MISMATCH


def test_no_service_is_missing() -> None:
    assert verdict("srv_imaps").status is Status.MISSING
