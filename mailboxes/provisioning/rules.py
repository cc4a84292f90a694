"""What may stand in a field of a domain, mailbox or alias; each rule gives the value to store, or a sentence. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from mailboxes.provisioning import addresses, passwords
from quazzar.validation import Wrong, text

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_DESTINATIONS = 100
#: PostgreSQL's integer.
LARGEST_QUOTA_MB = 2**31 - 1
LONGEST_DISPLAY_NAME = 200
#: Control characters, halves of characters, and the two separators that some programs take for line ends.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def quota(value: object) -> int:
    """A number of MiB.

    Raises:
        ValueError: it is none, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_QUOTA_MB:
        raise ValueError(f"The quota is a whole number of MiB from 0 (no limit) to {LARGEST_QUOTA_MB}.")
    return value


def display_name(value: object) -> str:
    """A name on one line.

    Raises:
        ValueError: it is too long, or more than one line.
    """
    name = text(value).strip(" ")
    if len(name) > LONGEST_DISPLAY_NAME:
        raise ValueError(f"The display name can have {LONGEST_DISPLAY_NAME} characters at most.")
    if any(unicodedata.category(char) in _UNPRINTABLE for char in name):
        raise ValueError("The display name cannot contain line breaks or control characters.")
    return name


def local_part(value: object, domain: str) -> str:
    """The local part of an address in this domain.

    Raises:
        ValueError: it is none, or the whole address would be too long.
    """
    return addresses.split(f"{addresses.local_part(text(value))}@{domain}")[0]


def catch_all(value: object) -> str:
    """A full address, or nothing.

    Raises:
        ValueError: it is neither.
    """
    given = "" if value is None else text(value).strip(" ")
    return addresses.destination(given) if given else ""


def destinations(value: object, address: str) -> list[str]:
    """Where an alias leads: normalised, each once, in the given order.

    Raises:
        InvalidFields: with a sentence for each that is wrong.
    """
    wrong, kept = Wrong(), dict[str, None]()
    for given in value if isinstance(value, list | tuple) else []:
        one = wrong.checked(
            "destinations", lambda given: addresses.destination(text(given)), given, default=""
        )
        if one.lower() == address:
            wrong.add("destinations", f"{address} cannot lead to itself.")
        kept[one] = None
    if not isinstance(value, list | tuple) or not kept:
        wrong.add("destinations", "Give a list with at least one address.")
    if len(kept) > MOST_DESTINATIONS:
        wrong.add(
            "destinations", f"An alias leads to {MOST_DESTINATIONS} addresses at most, not {len(kept)}."
        )
    wrong.raise_if_any()
    return list(kept)


def password(value: object, address: str) -> list[str]:
    """What is wrong with a new password for this address, in sentences."""
    return passwords.problems(value, address) if isinstance(value, str) else ["The password is a text."]


def unchanged(wrong: Wrong, fixed: Mapping[str, object], given: Mapping[str, Any], sentence: str) -> None:
    """What identifies a row may be sent back as it is, and nothing else."""
    for name in fixed.keys() & given.keys():
        value = given[name]
        if (value.strip().lower() if isinstance(value, str) else value) != fixed[name]:
            wrong.add(name, sentence)
