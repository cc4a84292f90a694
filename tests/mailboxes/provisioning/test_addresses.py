"""Addresses of this node, and where aliases may point."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.provisioning import addresses
from mailboxes.push.entries import AliasEntry
from mailboxes.push.render import aliases_table, mailboxes_table
from tests.mailboxes.goldencases import box, snapshot_of

LONG = "x" * 64
LABEL = "d" * 63
CONTROLS = [*map(chr, range(32)), "\x7f", "\x85", "\u2028", "\u2029", "\ud800", "\u200b", "\u202e"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada", "ada"), ("Ada.Lovelace", "ada.lovelace"), (" ada ", "ada"), ("o'neil", "o'neil"),
        ("a&b~c_d-e", "a&b~c_d-e"), ("1", "1"), ("_", "_"), ("a-", "a-"), (LONG, LONG),
    ],
)  # fmt: skip
def test_a_local_part_is_taken_in_lower_case(text: str, expected: str) -> None:
    assert addresses.local_part(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", ".a", "a.", "a..b", "-a", "a b", "a\tb", "a+b", "a@b", "a:b", "a#b", "a/b", "a\\b",
        "a%b", "a!b",
        "a|b", "a=b", "a,b", "a;b", "a<b", "a(b", "a[b", "a{b", "a$b", "a*b", "a?b", "a^b",
        "a`b", '"a"', '"a b"',
        LONG + "x", "jörg", "İ", "\u212a", "\u0430da", "../../etc",
    ],
)  # fmt: skip
def test_what_is_no_local_part_is_refused_with_a_sentence(text: str) -> None:
    _refused(addresses.local_part, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", "example.com"), (" Example.COM. ", "example.com"), ("MÜNCHEN.de",
        "xn--mnchen-3ya.de"),
        ("straße.de", "xn--strae-oqa.de"), ("例え。テスト", "xn--r8jz45g.xn--zckzah"), ("xn--MNCHEN-3ya.de",
        "xn--mnchen-3ya.de"),
        ("1.example", "1.example"), ("a--b.example", "a--b.example"), (f"{LABEL}.com", f"{LABEL}.com"),
    ],
)  # fmt: skip
def test_a_domain_becomes_a_labels_in_lower_case(text: str, expected: str) -> None:
    assert addresses.domain(text) == expected
    assert addresses.domain(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", "com", "localhost", "example.com..", ".example.com", "a..b", "-a.example",
        "a-.example", "a_b.example",
        "a b.example", "a@b.example", "[192.0.2.1]", "192.0.2.1", "example.123", "2001:db8::1",
        "https://a.example",
        "a.example/x", "a.example:25", "*.example.com", "a%b.example", "xn--.example", "xn--a.example",
        "xn--0.example",
        f"{LABEL}d.com", ".".join([LABEL] * 4), "💩\u202e.example", "x" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_domain_is_refused_with_a_sentence(text: str) -> None:
    _refused(addresses.domain, text)


def test_an_address_is_split() -> None:
    assert addresses.split(" Ada.L@MÜNCHEN.de ") == ("ada.l", "xn--mnchen-3ya.de")


@pytest.mark.parametrize(
    "text",
    [
        "", "ada", "@example.com", "ada@", "a@b@example.com", "ada@example", "Ada <ada@example.com>",
        "ada@example.com, b@c.de", "x" * 64 + "@" + ".".join(["d" * 60] * 4),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    _refused(addresses.split, text)
    _refused(addresses.destination, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("me@gmail.example", "me@gmail.example"), (" Me+Tag@GMAIL.example. ", "me+tag@gmail.example"),
        ("bounce=x=y/z@a.example", "bounce=x=y/z@a.example"), ("a#$&'*?^`{}~b@a.example",
        "a#$&'*?^`{}~b@a.example"),
        ("me@MÜNCHEN.de", "me@xn--mnchen-3ya.de"),
    ],
)  # fmt: skip
def test_a_destination_may_be_anywhere(text: str, expected: str) -> None:
    assert addresses.destination(text) == expected
    assert addresses.destination(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "-f@a.example", "/var/mail/a@a.example", "a!b@a.example", "a%b@a.example",
        "|cmd@a.example", '"|cmd"@a.example', '"a b"@a.example',
        "a,b@a.example", "a b@a.example", "a:b@a.example", "a..b@a.example", ".a@a.example", "jörg@a.example",
        "a@[192.0.2.1]", "a(b)@a.example", "a\\b@a.example", ":include:/etc/passwd@a.example",
        "<a@a.example>",
    ],
)  # fmt: skip
def test_what_servers_read_as_more_than_an_address_is_no_destination(text: str) -> None:
    _refused(addresses.destination, text)


@pytest.mark.parametrize("char", CONTROLS)
def test_no_invisible_character_gets_in(char: str) -> None:
    for function, text in (
        (addresses.local_part, f"a{char}b"), (addresses.domain, f"a{char}b.example"),
        (addresses.split, f"a{char}b@a.example"),
        (addresses.destination, f"a{char}b@a.example"), (addresses.local_part, f"{char}a"),
        (addresses.local_part, f"a{char}"),
    ):  # fmt: skip
        try:
            result = "".join(function(text))
        except ValueError:
            continue
        # IDNA drops some of them; and blanks around an address are no part of it.
        assert char not in result and result.isascii()


@given(st.text(max_size=30))
def test_only_what_the_tables_can_hold_comes_out(text: str) -> None:
    try:
        local = addresses.local_part(text)
    except ValueError as exc:
        assert type(exc) is ValueError
        return
    assert addresses.local_part(local) == local
    assert mailboxes_table(snapshot_of(box(f"{local}@example.com"))) == f"{local}@example.com ok\n".encode()


@given(st.builds("{}@{}.example".format, st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8)))
def test_a_destination_that_is_taken_stays_one(text: str) -> None:
    try:
        address = addresses.destination(text)
    except ValueError as exc:
        assert type(exc) is ValueError
        return
    assert addresses.destination(address) == address
    table = aliases_table(snapshot_of(aliases={"info@example.com": (address,)}))
    assert table == f"info@example.com {address}\n".encode()


@given(st.text(max_size=20))
def test_a_domain_that_is_taken_stays_one(text: str) -> None:
    try:
        name = addresses.domain(f"{text}.example")
    except ValueError as exc:
        assert type(exc) is ValueError
        return
    assert (
        name.isascii() and addresses.domain(name) == name and addresses.domain(addresses.shown(name)) == name
    )


def test_an_address_is_shown_in_its_script() -> None:
    assert addresses.shown("ada@xn--mnchen-3ya.de") == "ada@münchen.de"
    assert addresses.shown("xn--mnchen-3ya.de") == "münchen.de"
    assert addresses.shown("ada@xn--a.de") == "ada@xn--a.de"


def test_an_alias_entry_takes_what_was_normalised() -> None:
    entry = AliasEntry("info@example.com", (addresses.destination("Ada@Example.com"),))
    assert entry.destinations == ("ada@example.com",)


def _refused(function: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match=r"[.…]$") as caught:
        function(text)
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
