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
    ("words", "texts"),
    [
        ("without quotes", (f'"{RIGHT}"', f"'{RIGHT}'", f"\u201c{RIGHT}\u201d")),
        ("Delete the space", (f" {RIGHT}", f"\t{RIGHT}")),
        ("There is an invisible character", (f"\ufeff{RIGHT}", f"\u200b{RIGHT}", f" \u00a0{RIGHT}")),
        ("contains invisible characters", ("v=DMARC1;\u00a0p=quarantine",)),
        ("Backslashes", (r"v=DMARC1\; p=quarantine",)),
    ],
)
def test_what_was_done_to_a_record_is_named(words: str, texts: tuple[str, ...]) -> None:
    for text in texts:
        assert words in mistakes.mistake(published(text), "v=DMARC1")


def test_a_record_that_is_as_it_was_meant_and_any_other_text_is_left_alone() -> None:
    for text in (RIGHT, "", "hello", '"hello"', '"', " ", "v=spf1 mx ~all", "V=dmarc1; p=none"):
        assert mistakes.mistake(published(text), "v=DMARC1") == "", text


@given(st.text(max_size=40))
def test_any_text_can_be_looked_at(text: str) -> None:
    sentence = mistakes.mistake(text, "v=DMARC1")
    assert not sentence or sentence.endswith(".")
