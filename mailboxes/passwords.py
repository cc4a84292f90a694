"""Mailbox passwords: Dovecot's hash, what a password must be, and good new ones. Pure."""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import TYPE_CHECKING

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from django.contrib.auth.password_validation import CommonPasswordValidator

if TYPE_CHECKING:
    from collections.abc import Container

#: OWASP's choice for 19 MiB. argon2-cffi's default, 64 MiB, would let twenty logins at once wait four seconds.
_HASHER = PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
SCHEME = "{ARGON2ID}"
SHORTEST, LONGEST = 10, 128
# No letter or digit that is taken for another one when it is read out or typed from paper.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LENGTH = 5, 4


def hash_password(plain: str) -> str:
    """What stands in the users file. About 20 ms; it does not hold the interpreter's lock."""
    return SCHEME + _HASHER.hash(plain)


def verify(hashed: str, plain: str) -> bool:
    """Whether this is the password."""
    try:
        return _HASHER.verify(hashed.removeprefix(SCHEME), plain)
    except (VerificationError, InvalidHashError):
        return False


def problems(plain: str, address: str = "") -> list[str]:
    """What is wrong with a new password, in sentences; empty when it is fine."""
    found = []
    if len(plain) < SHORTEST:
        found.append(f"The password needs {SHORTEST} characters at least.")
    if len(plain.encode(errors="replace")) > LONGEST:
        found.append(f"The password can have {LONGEST} bytes at most.")
    if any(ord(char) < 32 or 127 <= ord(char) < 160 or "\ud800" <= char <= "\udfff" for char in plain):
        found.append("The password cannot contain line breaks or control characters.")
    if plain != plain.strip():
        # Mail programs cut it off, and the login fails without a reason that anybody could see.
        found.append("The password cannot begin or end with a space.")
    folded = plain.lower()
    if address and folded in {address, address.partition("@")[0], address.partition("@")[2]}:
        found.append("The password cannot be the address.")
    elif folded.strip() in _common() or (plain and len(set(folded)) <= 3):
        found.append("This password is one of the first that anybody would try.")
    return found


def generate() -> str:
    """A new one: 20 characters of 32, hence 100 bits, in groups that are easy to read out and to type."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


@lru_cache
def _common() -> Container[str]:
    return frozenset(CommonPasswordValidator().passwords)
