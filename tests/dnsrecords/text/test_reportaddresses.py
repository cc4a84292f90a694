"""Addresses for reports: RFC 3986, RFC 6068, and what people write in their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.text.reportaddresses import read


@pytest.mark.parametrize(
    ("text", "scheme", "host"),
    [
        ("mailto:a@example.com", "mailto", "example.com"),
        ("MAILTO:A@Example.COM", "mailto", "example.com"),
        ("mailto:a+b.c@example.com", "mailto", "example.com"),
        ("mailto:a%2Bb@example.com", "mailto", "example.com"),
        ("mailto:%22a%20b%22@example.com", "mailto", "example.com"),
        ("mailto:a%2Cb@example.com", "mailto", "example.com"),
        ("https://example.com/x#y", "https", "example.com"),
        ("mailto:a@example.com?subject=Reports&body=x", "mailto", "example.com"),
        ("mailto:?to=a@example.com", "mailto", "example.com"),
        ("mailto:a@%C3%BCml.example", "mailto", "xn--ml-wka.example"),
        ("mailto:a@[192.0.2.1]", "mailto", "[192.0.2.1]"),
        ("https://reports.example.com/v1/tls?x=1", "https", "reports.example.com"),
        ("HTTPS://me:pw@Reports.example.com:8443", "https", "reports.example.com"),
        ("https://[2001:db8::1]/", "https", "[2001:db8::1]"),
        ("tel:+15551234", "tel", ""),
    ],
)
def test_a_valid_uri_is_understood(text: str, scheme: str, host: str) -> None:
    (address,) = read(text)
    assert (address.scheme, address.host, address.error) == (scheme, host, "")


@pytest.mark.parametrize(
    ("text", "words", "mended"),
    [
        ("a@example.com", "needs mailto:", "mailto:a@example.com"),
        ("mailto: a@example.com", "has a space", "mailto:a@example.com"),
        ("mailto:<a@example.com>", "character", "mailto:a@example.com"),
        ('"mailto:a@example.com"', "character", "mailto:a@example.com"),
        ("mailto://a@example.com", "slashes", "mailto:a@example.com"),
        ("mailto:a@b.example mailto:c@d.example", "comma", "mailto:a@b.example,mailto:c@d.example"),
        ("mailto:a@b.example;c", "not a mail address", ""),
        ("mailto:a b@example.com", "has a space", ""),
        ("a b@example.com", "has a space", ""),
        ("nobody", "not a URI", ""),
        ("mailto:", "no mailbox", ""),
        ("mailto:nobody", "not a mail address", ""),
        ("mailto:@example.com", "not a mail address", ""),
        ("mailto:a@", "not a mail address", ""),
        ("mailto:a@@example.com", "not a mail address", ""),
        ("mailto:a@example..com", "not a mail address", ""),
        ("mailto:a@-x.example", "cannot exist", ""),
        ("mailto:a@example.com!10m", "exclamation mark", ""),
        ("https://x.example/#one#two", "character", ""),
        ("https://[::::]/", "not a valid URL", ""),
        ("https://[", "not a valid URL", ""),
        ("__mailto:a@example.com", "character", ""),
        ("https://", "no host", ""),
        ("https://x.example:port/", "not a valid URL", ""),
    ],
)
def test_an_invalid_one_is_named_and_mended_where_one_reading_is_plain(
    text: str, words: str, mended: str
) -> None:
    (address,) = read(text)
    assert words in address.error
    assert address.mended == mended
    assert not address.reaches(("mailto", "https"))


def test_a_list_is_split_at_commas_and_blanks_around_them_do_not_count() -> None:
    assert [address.host for address in read(" mailto:a@b.example ,\tmailto:c@d.example")] == [
        "b.example",
        "d.example",
    ]
    assert [bool(address.error) for address in read("mailto:a@b.example,,c@d.example,")] == [
        False,
        True,
        True,
        True,
    ]
    assert read("  ") == ()


def test_the_obsolete_size_limit_is_passed_over_where_it_may_stand() -> None:
    (address,) = read("mailto:a@example.com!10m", sizes=True)
    assert (address.text, address.error) == ("mailto:a@example.com", "")


@pytest.mark.slow
@given(st.text(max_size=40), st.sampled_from(["", "mailto:", "https://", "mailto:a@"]))
def test_any_text_can_be_read(text: str, start: str) -> None:
    for address in read(start + text):
        assert address.error or address.scheme
        assert not address.mended or not any(each.error for each in read(address.mended))
