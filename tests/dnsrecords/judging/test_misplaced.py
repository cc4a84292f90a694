"""Records under a name next to the right one."""

from __future__ import annotations

import pytest

from dnsrecords.answers import Answer, Outcome
from dnsrecords.judging import misplaced
from tests.dnsrecords.mistakes import facts_of, key_pair, record_of, text
from tests.dnsrecords.zonelookups import lookup_in, nothing

FACTS = facts_of()
OTHER_KEY = f"v=DKIM1; p={key_pair(2)[0]}"


def hint(record_id: str, *lines: str) -> str:
    return misplaced.hint(record_of(FACTS, record_id), FACTS, "example.com", lookup_in(lines, "example.com"))


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


@pytest.mark.parametrize("record_id", ["mx", "spf", "dmarc"])
def test_what_a_wildcard_answers_next_to_the_name_was_not_entered_there(record_id: str) -> None:
    record = record_of(FACTS, record_id)

    def lookup(name: str, type_: str) -> Answer:
        below = type_ == record.type and name.endswith(".example.com")
        return (
            Answer(name, type_, Outcome.FOUND, (record.value.rstrip("."),)) if below else nothing(name, type_)
        )

    assert misplaced.hint(record, FACTS, "example.com", lookup) == ""


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
    assert all(len(name) <= 253 for name in misplaced.names(record_of(facts, "dkim"), facts, ""))
    assert not misplaced.hint(record_of(facts, "dkim"), facts, "", nothing)


# --- in a zone that is not the domain's own ----------------------------------------------------------------
BELOW = facts_of("mail1.o1.test")


def below(record_id: str, name: str, value: str = "", zone: str = "o1.test") -> str:
    record = record_of(BELOW, record_id)
    lines = [
        f"{name}. MX {value or record.value}" if record.type == "MX" else text(name, value or record.value)
    ]
    return misplaced.hint(record, BELOW, zone, lookup_in(lines, "test"))


@pytest.mark.parametrize(
    ("record_id", "name", "short"),
    [
        ("dkim", "quazzar._domainkey.mail1.o1.test.o1.test", "Enter only quazzar._domainkey.mail1 as"),
        ("dmarc", "_dmarc.mail1.o1.test.o1.test", "Enter only _dmarc.mail1 as"),
        ("spf", "mail1.o1.test.o1.test", "Enter only mail1 as"),
        ("mx", "mail1.o1.test.o1.test", "Enter only mail1 as"),
        ("dmarc", "dmarc.mail1.o1.test", "Enter _dmarc.mail1 as"),
        ("dmarc", "_dmarc.o1.test", "Enter _dmarc.mail1 as"),
        ("dkim", "quazzar._domainkey.o1.test", "Enter quazzar._domainkey.mail1 as"),
    ],
)
def test_what_to_enter_is_relative_to_the_zone(record_id: str, name: str, short: str) -> None:
    assert f"is at {name} instead of" in below(record_id, name)
    assert short in below(record_id, name)


def test_the_policy_of_the_organisation_is_not_ours_at_a_wrong_name() -> None:
    assert below("dmarc", "_dmarc.o1.test", "v=DMARC1; p=reject; rua=mailto:dmarc@o1.test") == ""


def test_without_a_known_zone_the_whole_name_is_given() -> None:
    sentence = below("dmarc", "dmarc.mail1.o1.test", zone="")
    assert "Enter _dmarc.mail1.o1.test as its name, or the part" in sentence
