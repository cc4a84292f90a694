"""TXT values: cut at 255 bytes, and read back from what a zone file has."""

from __future__ import annotations

import dns.rdata
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnsrecords.text.strings import quoted, split

BYTES = st.binary(max_size=1200).map(lambda data: data.decode("latin-1"))


def read_back(presentation: str) -> str:
    """What dnspython makes of it, as a name server would."""
    data = dns.rdata.from_text("IN", "TXT", presentation)
    return b"".join(data.strings).decode("latin-1")  # type: ignore[attr-defined]


@given(BYTES)
@example("")
@example("a" * 255)
@example("a" * 256)
def test_the_strings_joined_are_the_value(value: str) -> None:
    strings = split(value)
    assert "".join(strings) == value
    assert all(len(string) <= 255 for string in strings)


@given(BYTES)
def test_only_the_last_string_is_shorter(value: str) -> None:
    assert {len(string) for string in split(value)[:-1]} <= {255}


def test_a_value_of_nothing_is_one_empty_string() -> None:
    assert split("") == ("",)
    assert quoted("") == '""'


@pytest.mark.parametrize(("length", "strings"), [(255, 1), (256, 2), (510, 2), (511, 3)])
def test_a_string_holds_255_bytes(length: int, strings: int) -> None:
    assert len(split("k" * length)) == strings


@given(BYTES)
@example('a "quoted" \\ word; and\n more')
@example("\\065")
def test_a_zone_file_gives_back_what_was_quoted(value: str) -> None:
    assert read_back(quoted(value)) == value


@given(BYTES)
def test_what_is_quoted_is_one_line_of_ascii(value: str) -> None:
    presentation = quoted(value)
    assert presentation.isascii()
    assert presentation.isprintable()


def test_quotes_and_bytes_beyond_ascii_are_escaped() -> None:
    assert quoted('a"b\\c\n\xe9') == '"a\\"b\\\\c\\010\\233"'
    assert quoted("v=spf1 mx ~all; x") == '"v=spf1 mx ~all; x"'


def test_a_long_value_is_several_quoted_strings() -> None:
    assert quoted("k" * 300) == f'"{"k" * 255}" "{"k" * 45}"'


@pytest.mark.parametrize("work", [split, quoted])
def test_what_is_no_byte_is_refused(work: object) -> None:
    assert callable(work)
    with pytest.raises(ValueError, match="cannot be written to a TXT record"):
        work("a \u2019 that came along")
