"""The DNS tree walk of RFC 9989 §4.10, with the examples of its appendix B.4 and what they leave out."""

from __future__ import annotations

import pytest

from dnsrecords.answers import Answer, Outcome
from dnsrecords.dmarc.walk import questions, targets, walk

HERE = "v=DMARC1; p=none"
Records = dict[str, tuple[str, ...] | str | Outcome]


def walked(domain: str, records: Records):  # type: ignore[no-untyped-def]
    """The walk where these domains have these records."""

    def lookup(name: str, type_: str) -> Answer:
        found = records.get(name.removeprefix("_dmarc."), Outcome.NXDOMAIN)
        if isinstance(found, Outcome):
            return Answer(name, type_, found)
        return Answer(name, type_, Outcome.FOUND, (found,) if isinstance(found, str) else found)

    return walk(domain, lookup)


def numbered(count: int) -> str:
    """``1.2.….test``, with so many labels."""
    return ".".join([*map(str, range(1, count)), "test"])


@pytest.mark.parametrize("labels", range(1, 9))
def test_up_to_eight_labels_each_parent_is_asked(labels: int) -> None:
    asked = targets(numbered(labels))
    assert len(asked) == labels
    assert (asked[0], asked[-1]) == (numbered(labels), "test")


@pytest.mark.parametrize("labels", [9, 10, 13, 100])
def test_of_longer_names_the_last_seven_labels_and_eight_questions(labels: int) -> None:
    asked = targets(numbered(labels))
    assert len(asked) == 8
    assert [name.count(".") + 1 for name in asked] == [labels, 7, 6, 5, 4, 3, 2, 1]
    assert questions(numbered(labels))[0] == (f"_dmarc.{numbered(labels)}", "TXT")


@pytest.mark.parametrize(
    ("domain", "records", "organisation"),
    [
        ("example.com", {}, "example.com"),
        ("a.example.com", {}, "a.example.com"),
        ("example.com", {"example.com": HERE}, "example.com"),
        ("signing.example.com", {"signing.example.com": HERE, "example.com": HERE}, "example.com"),
        ("a.mail.example.com", {"mail.example.com": HERE, "example.com": HERE}, "example.com"),
        ("a.mail.example.com", {"mail.example.com": f"{HERE}; psd=n", "example.com": HERE}, "mail.example.com"),
        ("a.mail.example.com", {"com": f"{HERE}; psd=y"}, "example.com"),
        ("a.mail.example.com", {"com": HERE}, "com"),
        ("giant.bank.example", {"giant.bank.example": HERE, "bank.example": f"{HERE}; psd=y"}, "giant.bank.example"),
        ("mail.mega.bank.example", {"bank.example": f"{HERE}; psd=y"}, "mega.bank.example"),
        # Of the start's own psd=y no organisation follows, and the walk ends there.
        ("bank.example", {"bank.example": f"{HERE}; psd=y", "example": HERE}, "bank.example"),
        ("a.example.com", {"a.example.com": f"{HERE}; psd=n", "example.com": HERE}, "a.example.com"),
        # Several records count as none, and others are passed over.
        ("a.example.com", {"a.example.com": HERE, "example.com": (HERE, HERE)}, "a.example.com"),
        ("a.example.com", {"example.com": ("v=spf1 -all", HERE, "v=dmarc1; p=none")}, "example.com"),
        ("a.example.com", {"a.example.com": (HERE, f"{HERE}; psd=n"), "example.com": HERE}, "example.com"),
        # Also a record without a valid policy is one.
        ("a.example.com", {"example.com": "v=DMARC1; rua=mailto:a@b.example"}, "example.com"),
        ("1.2.3.4.5.6.7.8.9.example.com", {"example.com": HERE}, "example.com"),
        # The third label of eleven is never asked for.
        ("1.2.3.4.5.6.7.8.9.example.com", {"3.4.5.6.7.8.9.example.com": HERE}, "1.2.3.4.5.6.7.8.9.example.com"),
    ],
)  # fmt: skip
def test_the_organisation_of_a_domain(domain: str, records: Records, organisation: str) -> None:
    assert walked(domain, records).organisation == organisation


@pytest.mark.parametrize(
    ("domain", "records", "applying"),
    [
        ("a.example.com", {}, None),
        ("a.example.com", {"a.example.com": HERE, "example.com": HERE}, "a.example.com"),
        ("a.example.com", {"example.com": HERE}, "example.com"),
        # Neither the domain's own nor the organisation's: what stands between them does not count.
        ("a.b.example.com", {"b.example.com": HERE, "example.com": HERE}, "example.com"),
        ("a.b.example.com", {"b.example.com": f"{HERE}; psd=n", "example.com": HERE}, "b.example.com"),
        ("mail.mega.bank.example", {"bank.example": f"{HERE}; psd=y"}, "bank.example"),
        (
            "mail.giant.bank.example",
            {"giant.bank.example": HERE, "bank.example": f"{HERE}; psd=y"},
            "giant.bank.example",
        ),
    ],
)
def test_whose_policy_applies(domain: str, records: Records, applying: str | None) -> None:
    found = walked(domain, records).applying
    assert (found[0] if found else None) == applying


def test_what_could_not_be_looked_up_is_told() -> None:
    found = walked(
        "a.example.com", {"a.example.com": HERE, "example.com": Outcome.TIMEOUT, "com": Outcome.REFUSED}
    )
    assert (found.silent, found.organisation) == (("example.com",), "a.example.com")
