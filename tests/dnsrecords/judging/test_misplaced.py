"""Records under a name next to the right one."""

from __future__ import annotations

import pytest

from dnsrecords.judging import misplaced
from tests.dnsrecords.mistakes import facts_of, key_pair, record_of, text
from tests.dnsrecords.zonelookups import lookup_in, nothing

FACTS = facts_of()
OTHER_KEY = f"v=DKIM1; p={key_pair(2)[0]}"


def hint(record_id: str, *lines: str) -> str:
    return misplaced.hint(record_of(FACTS, record_id), FACTS, lookup_in(lines, "example.com"))


def right(record_id: str, name: str) -> str:
    return text(name, record_of(FACTS, record_id).value)


@pytest.mark.parametrize(
    ("record_id", "name"),
    [
        ("dkim", "quazzar._domainkey.example.com.example.com"),
        ("dkim", "quazzar.domainkey.example.com"),
        ("dkim", "quazzar.example.com"),
        ("dmarc", "dmarc.example.com"),
        ("dmarc", "example.com"),
        ("spf", "example.com.example.com"),
    ],
)
def test_the_sentence_names_the_place_where_the_record_is(record_id: str, name: str) -> None:
    assert f"is at {name} instead of" in hint(record_id, right(record_id, name))


@pytest.mark.parametrize(
    ("record_id", "line"),
    [
        ("dkim", text("example.com", OTHER_KEY)),
        ("dmarc", text("example.com", "v=spf1 mx ~all")),
        ("spf", right("spf", "mail.example.com")),
        ("mx", "example.com.example.com. MX 10 mx.old.example."),
    ],
)
def test_another_record_there_is_none_of_ours(record_id: str, line: str) -> None:
    assert hint(record_id, line) == ""


def test_no_name_is_asked_that_dns_cannot_have() -> None:
    facts = facts_of(".".join(["a" * 60] * 3))
    assert all(len(name) <= 253 for name in misplaced.names(record_of(facts, "dkim"), facts))
    assert not misplaced.hint(record_of(facts, "dkim"), facts, nothing)
