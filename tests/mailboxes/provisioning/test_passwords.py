"""Mailbox passwords: which are taken, how they are made, and the hash that Dovecot reads."""

from __future__ import annotations

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.provisioning import passwords

#: Of "plum-Tundra-77"; it must always verify.
FROZEN = (
    "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw"
    "$oVy1AshsPHcAwIZY6uYzMM2zGUtlX+pHPg/fF8AxTEw"
)
GOOD = "plum-Tundra-77"


def test_the_hash_has_the_form_and_the_cost_that_dovecot_was_measured_with() -> None:
    hashed = passwords.hash_password(GOOD)
    assert hashed.startswith("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.is_hash(hashed) and ":" not in hashed and " " not in hashed
    assert argon2.extract_parameters(hashed.removeprefix("{ARGON2ID}")).memory_cost == 19456


def test_two_hashes_of_one_password_differ() -> None:
    assert passwords.hash_password(GOOD) != passwords.hash_password(GOOD)


@pytest.mark.parametrize("plain", [GOOD, "grün €uro 💶", "a:b c#d", " ", "", "x" * 128])
def test_only_the_password_itself_is_verified(plain: str) -> None:
    hashed = passwords.hash_password(plain)
    assert passwords.verify(hashed, plain)
    assert not passwords.verify(hashed, plain + "x")
    assert not passwords.verify(hashed, plain.swapcase() + ".")


def test_a_hash_of_long_ago_still_verifies() -> None:
    assert passwords.verify(FROZEN, GOOD) and not passwords.verify(FROZEN, "plum-tundra-77")


@pytest.mark.parametrize(
    "hashed",
    ["", "{PLAIN}", "{PLAIN}x", "{CRYPT}*", "{ARGON2ID}", "x", FROZEN[:-9], FROZEN + "\n", FROZEN[10:]],
)
def test_what_is_no_hash_of_ours_verifies_nothing(hashed: str) -> None:
    for plain in ("", "x", "*", GOOD):
        assert not passwords.verify(hashed, plain)


@pytest.mark.parametrize("plain", ["a\0b", "\ud800"])
def test_what_no_program_can_send_is_not_hashed(plain: str) -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        passwords.hash_password(plain)
    assert not passwords.verify(FROZEN, plain)


@pytest.mark.parametrize(
    "plain", [GOOD, "grün €uro 💶 x", "x" * 60 + "yzq", "correct horse battery", "abcd" * 32]
)
def test_a_good_password_has_no_problems(plain: str) -> None:
    assert passwords.problems(plain, "ada@example.com") == []


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ("", "too short"), ("short-7", "too short"), ("abcde" * 26, "too long"), ("line\nbreak-xyz",
        "line break"),
        ("a\tb-quite-long", "line break"), ("nul\0quite-long", "line break"), ("esc\x1bquite-long",
        "line break"),
        ("half\ud800character", "line break"), ("sep\u2028quite-long", "line break"), (" leading-space",
        "space"),
        ("trailing-space ", "space"), ("password123", "guess"), ("PASSWORD123", "guess"), ("1234567890",
        "guess"),
        ("aaaaaaaaaaaa", "guess"), ("ababababab", "guess"), ("ada.lovelace@example.com", "address"),
        ("ADA.LOVELACE", "address"), ("example.com", "address"),
    ],
)  # fmt: skip
def test_a_bad_password_is_told_why(plain: str, words: str) -> None:
    sentences = passwords.problems(plain, "ada.lovelace@example.com")
    assert any(words in sentence for sentence in sentences)
    assert all(sentence.endswith(".") for sentence in sentences)
    assert len(plain) < 3 or not any(plain in sentence for sentence in sentences)


@pytest.mark.slow
@given(st.text(max_size=140))
def test_whatever_is_taken_can_be_hashed(plain: str) -> None:
    if not passwords.problems(plain):
        assert "\0" not in plain and len(plain) <= passwords.MAX_LENGTH
        plain.encode()


def test_what_is_generated_is_good_different_and_easy_to_read() -> None:
    made = {passwords.generate() for _ in range(200)}
    assert len(made) == 200
    for plain in made:
        assert passwords.problems(plain, "ada@example.com") == []
        assert set(plain) <= set("abcdefghjkmnpqrstuvwxyz23456789-")
        assert [len(group) for group in plain.split("-")] == [5, 5, 5, 5]
