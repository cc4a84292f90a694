"""Mailbox passwords: the rules, a generator, and the hash that Dovecot checks. Pure."""

from __future__ import annotations

import re
import secrets
import unicodedata
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

MIN_LENGTH, MAX_LENGTH = 8, 128
_SCHEME = "{ARGON2ID}"
# 45 ms a login; argon2-cffi's own choice takes 230 ms, and 4 s for twenty at once in Dovecot's one process.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_HASH = re.compile(
    r"\{ARGON2ID\}\$argon2id\$v=19\$m=[0-9]{1,8},t=[0-9]{1,3},p=[0-9]{1,3}"
    r"\$[A-Za-z0-9+/]{11,128}\$[A-Za-z0-9+/]{16,128}"
)
# Without what looks alike in some fonts (0 o, 1 l i), and in one case: it is typed on telephones too.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 5


def hash_password(plain: str) -> str:
    """The password as Dovecot's passwd-file holds it.

    Raises:
        ValueError: it holds half a character, or a NUL, at which some programs would end it.
    """
    if "\0" in plain or not _encodable(plain):
        raise ValueError("The password contains a character that cannot be used.")
    return _SCHEME + _HASHER.hash(plain)


def verify(hashed: str, plain: str) -> bool:
    """Whether the password belongs to the hash; what is no hash of ours belongs to none."""
    if not is_hash(hashed) or not _encodable(plain):
        return False
    try:
        return _HASHER.verify(hashed.removeprefix(_SCHEME), plain)
    except (VerificationError, InvalidHashError):
        return False


def is_hash(text: str) -> bool:
    """Whether it is a hash in the one form that may stand in the users file."""
    return _HASH.fullmatch(text) is not None


def problems(plain: str, address: str = "") -> list[str]:
    """What is wrong with a new password, in sentences; empty when it will do."""
    found = []
    if len(plain) < MIN_LENGTH:
        found.append(f"The password is too short: use at least {MIN_LENGTH} characters.")
    if len(plain) > MAX_LENGTH:
        found.append(f"The password is too long: use at most {MAX_LENGTH} characters.")
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in plain):
        found.append("The password contains a line break or another character that cannot be typed.")
    if plain != plain.strip():
        found.append("The password begins or ends with a space, which mail programs may cut off.")
    if _is_guessed(plain):
        found.append("The password is too easy to guess: it is among the first that are tried.")
    if _is_the_address(plain, address):
        found.append("The password must not be the address, or a part of it.")
    return found


def generate() -> str:
    """A password of 99 bits that is easy to read out and to type."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


@lru_cache(maxsize=1)
def _common() -> CommonPasswordValidator:
    return CommonPasswordValidator()


def _is_guessed(plain: str) -> bool:
    """In the list of the most common ones, or the same key over and over."""
    try:
        _common().validate(plain)
    except ValidationError:
        return True
    return len(set(plain)) < 4


def _is_the_address(plain: str, address: str) -> bool:
    local, _, domain = address.lower().partition("@")
    return bool(address) and plain.lower() in {address.lower(), local, domain}


def _encodable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)
