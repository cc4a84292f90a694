"""Lists of tags: RFC 6376 §3.2, and whatever else can stand in a TXT record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.text import taglists

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
#: VALCHAR of the RFC: printable, but no semicolon; blanks only inside.
VALUES = st.text(
    st.sampled_from([chr(code) for code in range(0x20, 0x7F) if chr(code) != ";"]), max_size=30
).map(str.strip)
TAGS = st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=8, unique_by=lambda tag: tag[0])
BLANKS = st.text(" \t\r\n", max_size=3)


@pytest.mark.slow
@given(TAGS)
def test_what_is_written_is_read_back(tags: list[tuple[str, str]]) -> None:
    parsed = taglists.parse(taglists.rendered(tags))
    assert (parsed.tags, parsed.errors) == (tuple(tags), ())


@pytest.mark.slow
@given(TAGS, st.data())
def test_blanks_around_names_and_values_mean_nothing(
    tags: list[tuple[str, str]], data: st.DataObject
) -> None:
    def blank() -> str:
        return data.draw(BLANKS)

    text = ";".join(f"{blank()}{name}{blank()}={blank()}{value}{blank()}" for name, value in tags)
    assert taglists.parse(text + data.draw(st.sampled_from(["", ";", "; "]))) == taglists.TagList(tuple(tags))


@given(st.text(max_size=80))
def test_any_text_can_be_parsed(text: str) -> None:
    parsed = taglists.parse(text)
    assert parsed.tags or parsed.errors
    assert all(error and "\n" not in error and error.isascii() for error in parsed.errors)
    assert len({name for name, _ in parsed.tags}) == len(parsed.tags)


@pytest.mark.slow
@given(
    st.lists(st.sampled_from(["v", "p", "=", ";", " ", "DKIM1", "\t", "\xff", '"', "\\", "0"]), max_size=12)
)
def test_what_was_read_can_be_written_and_read_again(pieces: list[str]) -> None:
    parsed = taglists.parse("".join(pieces))
    again = taglists.parse(taglists.rendered(parsed.tags))
    assert again.tags == parsed.tags


@pytest.mark.slow
@given(TAGS, st.integers(0, 7))
def test_a_tag_that_appears_twice_is_an_error(tags: list[tuple[str, str]], number: int) -> None:
    name = tags[number % len(tags)][0]
    parsed = taglists.parse(taglists.rendered([*tags, (name, "again")]))
    assert parsed.errors == (f"the tag {name}= appears twice",)
    assert parsed.tags == tuple(tags)


@pytest.mark.parametrize(
    ("error", "texts"),
    [
        ("it is empty", ("", " ")),
        ("nothing between two semicolons", (";", "v=DKIM1;; p=x")),
        ("'v' is not a tag", ("v",)),
        ("is not a valid tag name", ("=x", "1v=x", "a-b=x")),
        ("a character that is not allowed", ("v=\xe4", "v=a\x00b")),
    ],
)
def test_what_breaks_the_grammar_is_named(error: str, texts: tuple[str, ...]) -> None:
    for text in texts:
        assert error in taglists.parse(text).errors[0]


def test_names_and_values_keep_their_case() -> None:
    parsed = taglists.parse("V=Dkim1; v=DKIM1")
    assert parsed.get("V") == "Dkim1"
    assert parsed.get("v") == "DKIM1"


def test_equals_signs_in_a_value_belong_to_it() -> None:
    assert taglists.parse("p=AAAA==").get("p") == "AAAA=="


def test_a_tag_can_be_empty_or_absent() -> None:
    parsed = taglists.parse("p=; v=x")
    assert "p" in parsed
    assert "k" not in parsed
    assert (parsed.get("p", "no"), parsed.get("k", "rsa"), parsed.first()) == ("", "rsa", "p")


def test_long_text_is_shortened_in_sentences() -> None:
    assert taglists.shown("x" * 1000) == ascii("x" * 40 + "...")
