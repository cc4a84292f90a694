"""Mailbox passwords: their rules, a generator, and the hash that Dovecot verifies. Pure."""

from __future__ import annotations

import secrets
import unicodedata
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

from mailboxes.provisioning import foreignhashes

MIN_LENGTH, MAX_LENGTH = 8, 128
_SCHEME = "{ARGON2ID}"
# A login takes 45 ms. argon2-cffi's defaults take 230 ms, and 4 s for twenty at once in Dovecot's one process.
#: The cost of creating and checking one of our hashes.
MEMORY_KIB = 19456
_HASHER = PasswordHasher(time_cost=2, memory_cost=MEMORY_KIB, parallelism=1)
# Lower case only, because passwords are typed on phones too, and without letters that look alike (0 o, 1 l i).
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 5


def hash_password(plain: str) -> str:
    """The password's hash as it stands in Dovecot's passwd-file: ``{ARGON2ID}$argon2id$…``.

    Raises:
        ValueError: the password has a NUL in it, where some programs would end it, or a lone surrogate.
    """
    if "\0" in plain or not _encodable(plain):
        raise ValueError("The password contains a character that cannot be used.")
    return _SCHEME + _HASHER.hash(plain)


def verify(hashed: str, plain: str) -> bool:
    """Whether the password belongs to the hash; False if it is not a hash that `hash_password` makes."""
    if not hashed.startswith(_SCHEME) or not is_hash(hashed) or not _encodable(plain):
        return False
    try:
        return _HASHER.verify(hashed.removeprefix(_SCHEME), plain)
    except (VerificationError, InvalidHashError):
        return False


def is_hash(text: str) -> bool:
    """Whether the text is a hash in one of the forms that the users file may hold."""
    return foreignhashes.is_stored(text)


def problems(plain: str, address: str = "") -> list[str]:
    """Sentences about what is wrong with a new password; empty if it is acceptable."""
    if foreignhashes.is_foreign(plain):
        return [
            "This is a password hash. Type the password itself. Imports accept some hashes, in the column "
            "password_hash."
        ]
    sentences = []
    if len(plain) < MIN_LENGTH:
        sentences.append(f"The password is too short: use at least {MIN_LENGTH} characters.")
    if len(plain) > MAX_LENGTH:
        sentences.append(f"The password is too long: use at most {MAX_LENGTH} characters.")
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in plain):
        sentences.append("The password contains a line break or another character that cannot be typed.")
    if plain != plain.strip():
        sentences.append("The password begins or ends with a space, which mail programs may cut off.")
    if _is_easy_to_guess(plain):
        sentences.append("The password is too easy to guess: it is one of the first that attackers try.")
    if _is_the_address(plain, address):
        sentences.append("The password must not be the address or a part of it.")
    return sentences


def generate() -> str:
    """A new password of 99 bits that is easy to read aloud and to type."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


@lru_cache(maxsize=1)
def _common() -> CommonPasswordValidator:
    return CommonPasswordValidator()


def _is_easy_to_guess(plain: str) -> bool:
    """Whether it is among the most common passwords, or has fewer than four different characters."""
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
