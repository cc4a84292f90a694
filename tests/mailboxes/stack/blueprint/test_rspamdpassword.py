"""The hash of Rspamd's controller password; that a real Rspamd takes it is in test_configuration.py."""

from __future__ import annotations

import re

import pytest

from mailboxes.stack.blueprint import rspamdpassword

# Made by rspamadm pw --type pbkdf2; both stand in Rspamd's own tests.
KNOWN = [
    ("q1", "nxnwqu5t6ruqfzb4h7bs47ogmdk9sb74", "c8mbmcfyd6aic1sm48qzxuzkw4nhx6te6h7owgxz63bcd7fqu1dy"),
    ("nq1", "rhzzahtm8a5homdhh7z4qiiy7j8pzp4u", "k5toro136brshjjuy9t39r785td69qodmd39qzygxuyehn9tqauy"),
]


def decoded(text: str) -> bytes:
    bits = sum(rspamdpassword._ALPHABET.index(sign) << (5 * place) for place, sign in enumerate(text))
    return bits.to_bytes(len(text) * 5 // 8, "little")


@pytest.mark.parametrize(("password", "salt", "key"), KNOWN)
def test_it_derives_what_rspamd_derives(password: str, salt: str, key: str) -> None:
    derived = rspamdpassword._derive(password.encode(), decoded(salt))
    assert rspamdpassword._base32(derived) == key


def test_it_has_rspamds_format() -> None:
    assert re.fullmatch(r"\$1\$[a-z0-9]{32}\$[a-z0-9]{52}", rspamdpassword.hash_password("a password"))


def test_the_same_password_gives_the_same_hash() -> None:
    assert rspamdpassword.hash_password("one") == rspamdpassword.hash_password("one")


def test_another_password_gives_another_salt_and_key() -> None:
    (_, _, salt, key), (_, _, other_salt, other_key) = (
        rspamdpassword.hash_password(password).split("$") for password in ("one", "two")
    )
    assert salt != other_salt
    assert key != other_key


def test_an_empty_password_is_nobodys() -> None:
    assert decoded(rspamdpassword.hash_password("").split("$")[3]) == bytes(32)


def test_a_password_longer_than_the_functions_key_is_taken_whole() -> None:
    assert rspamdpassword.hash_password("x" * 65) != rspamdpassword.hash_password("x" * 66)
