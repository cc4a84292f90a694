"""Macros of SPF: the table of RFC 7208 §7.4, and what is no macro."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.spf import macros

VALUES = {
    "s": "strong-bad@email.example.com",
    "l": "strong-bad",
    "o": "email.example.com",
    "d": "email.example.com",
    "i": "192.0.2.3",
    "v": "in-addr",
    "h": "mx.example.org",
    "p": "unknown",
}


def expanded(text: str, **values: str) -> str:
    return macros.expand(text, (VALUES | values).__getitem__)


#: RFC 7208 §7.4.
EXAMPLES = {
    "%{s}": "strong-bad@email.example.com",
    "%{o}": "email.example.com",
    "%{d}": "email.example.com",
    "%{d4}": "email.example.com",
    "%{d3}": "email.example.com",
    "%{d2}": "example.com",
    "%{d1}": "com",
    "%{dr}": "com.example.email",
    "%{d2r}": "example.email",
    "%{l}": "strong-bad",
    "%{l-}": "strong.bad",
    "%{lr}": "strong-bad",
    "%{lr-}": "bad.strong",
    "%{l1r-}": "strong",
    "%{ir}.%{v}._spf.%{d2}": "3.2.0.192.in-addr._spf.example.com",
    "%{lr-}.lp._spf.%{d2}": "bad.strong.lp._spf.example.com",
    "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}": "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
    "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}": "3.2.0.192.in-addr.strong.lp._spf.example.com",
    "%{d2}.trusted-domains.example.net": "example.com.trusted-domains.example.net",
    # Signs that stand for characters.
    "%%": "%",
    "%_": " ",
    "%-": "%20",
    "a%%{b": "a%{b",
    "plain.example": "plain.example",
}


def test_macros_become_what_the_rfc_says() -> None:
    assert {text: expanded(text) for text in EXAMPLES} == EXAMPLES


def test_the_address_of_ipv6_stands_nibble_by_nibble() -> None:
    nibbles = "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1"
    assert expanded("%{ir}.%{v}._spf.%{d2}", i=nibbles, v="ip6") == (
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    )


def test_an_upper_case_letter_escapes_for_a_url() -> None:
    assert expanded("%{S}", s="jack&jill=up-a_b~c@example.com") == "jack%26jill%3Dup-a_b~c%40example.com"


def test_several_delimiters_split_alike() -> None:
    assert expanded("%{l2r+-}", l="a+b-c.d") == "b.a"


def test_a_macro_string_is_accepted_and_other_text_is_not() -> None:
    accepted = ["", "%{d}", "a%%b", "%{L1R+-}", "%{d99999999999999999999}", "%{ir}.x", "%{c}%{r}%{t}"]
    refused = [
        "%",
        "%d",
        "%(ir)",
        "%{}",
        "%{d",
        "%{x}",
        "%{d0}",
        "%{d00r}",
        "%{dr2}",
        "a b",
        "ä",
        "\x7f",
        "%{d*}",
        "a\n",
    ]
    assert [text for text in (*accepted, *refused) if macros.is_macro_string(text)] == accepted


@given(st.text(st.sampled_from("%{}sldoivhpcrtSR0129-._+,/= a"), max_size=20), st.text(max_size=20))
def test_whatever_is_accepted_expands(text: str, value: str) -> None:
    if macros.is_macro_string(text):
        assert isinstance(macros.expand(text, lambda _: value), str)


def test_a_count_of_thousands_of_digits_asks_for_everything() -> None:
    assert expanded("%{d" + "9" * 5000 + "}") == "email.example.com"
