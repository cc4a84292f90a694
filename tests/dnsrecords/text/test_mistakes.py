"""What forms and copying do to the text of a TXT record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.text import mistakes

RIGHT = "v=DMARC1; p=quarantine"


def published(text: str) -> str:
    """As it comes out of DNS: the bytes of what was typed, as Latin-1."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'"{RIGHT}"', "without quotes"),
        (f"'{RIGHT}'", "without quotes"),
        (f"\u201c{RIGHT}\u201d", "without quotes"),
        (f" {RIGHT}", "blank"),
        (f"\t{RIGHT}", "blank"),
        (f"\ufeff{RIGHT}", "invisible"),
        (f"\u200b{RIGHT}", "invisible"),
        (f" \u00a0{RIGHT}", "invisible"),
        ("v=DMARC1;\u00a0p=quarantine", "invisible"),
        (r"v=DMARC1\; p=quarantine", "Backslashes"),
    ],
)
def test_what_was_done_to_a_record_is_named(text: str, words: str) -> None:
    assert words in mistakes.mistake(published(text), "v=DMARC1")


@pytest.mark.parametrize(
    "text", [RIGHT, "", "hello", '"hello"', '"', " ", "v=spf1 mx ~all", "V=dmarc1; p=none"]
)
def test_a_record_that_is_as_it_was_meant_and_any_other_text_is_left_alone(text: str) -> None:
    assert mistakes.mistake(published(text), "v=DMARC1") == ""


@given(st.text(max_size=40))
def test_any_text_can_be_looked_at(text: str) -> None:
    found = mistakes.mistake(text, "v=DMARC1")
    assert not found or found.endswith(".")
