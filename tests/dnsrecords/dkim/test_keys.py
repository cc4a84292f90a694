"""How a published key differs from the right one, in words."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.dkim import keys
from tests.dnsrecords.mistakes import key_pair

KEY, PRIVATE = key_pair()
OTHER = key_pair(2)[0]
#: The key alone, without the 24 bytes that say that it is one of RSA.
PKCS1 = base64.b64encode(base64.b64decode(KEY)[24:]).decode()


@pytest.mark.parametrize(
    ("published", "words"),
    [
        (KEY[:200], "cut off after 200 of 392"),
        (KEY + "AB", "has extra text after its end: 'AB'"),
        (KEY.upper(), "upper and lower case"),
        (KEY[:150] + KEY[151:], "damaged from character"),
        (f'{KEY[:200]}" "{KEY[200:]}', "quotes or backslashes"),
        (PKCS1, "lacks its first bytes"),
        (OTHER, "not the key this node signs with (it is another RSA key, of 2048 bits)"),
        ("AAAA", "not the key this node signs with"),
        ("not base64!", "not the key this node signs with"),
    ],
)
def test_the_difference_is_named(published: str, words: str) -> None:
    assert words in keys.difference(KEY, published)


def test_only_a_private_key_is_private() -> None:
    assert keys.is_private(PRIVATE)
    assert not keys.is_private(KEY)
    assert not keys.is_private(PKCS1)
    assert not keys.is_private("")


@given(st.binary(max_size=100))
def test_any_bytes_can_be_compared(data: bytes) -> None:
    published = base64.b64encode(data).decode()
    assert not keys.is_private(published)
    assert keys.difference(KEY, published)


def test_no_sentence_contains_the_key() -> None:
    for published in (KEY, PRIVATE, OTHER, KEY[:300]):
        assert published[60:120] not in keys.difference(OTHER, published)
