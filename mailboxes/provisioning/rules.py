"""The rules for the fields of domains, mailboxes and aliases. Pure.

Each rule returns the value to store, or raises ``ValueError`` with a sentence for the operator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailboxes.provisioning import addresses, passwords
from quazzar import validation
from quazzar.validation import Wrong, text

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_DESTINATIONS = 100
#: PostgreSQL's integer.
LARGEST_QUOTA_MB = 2**31 - 1
LONGEST_DISPLAY_NAME = 200


def quota(value: object) -> int:
    """A quota in MiB; 0 means no limit.

    Raises:
        ValueError: it is not a whole number, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_QUOTA_MB:
        raise ValueError(f"The quota must be a whole number of MiB from 0 (no limit) to {LARGEST_QUOTA_MB}.")
    return value


def display_name(value: object) -> str:
    """A person's or a mailbox's name, on one line, without spaces around it.

    Raises:
        ValueError: it is too long, or has characters in it that nobody sees.
    """
    name = text(value).strip(" ")
    if len(name) > LONGEST_DISPLAY_NAME:
        raise ValueError(f"The display name can have at most {LONGEST_DISPLAY_NAME} characters.")
    return validation.name(name, "The display name")


def local_part(value: object, domain: str) -> str:
    """The local part of an address in this domain, in lower case.

    Raises:
        ValueError: it breaks a rule, or the whole address would be too long.
    """
    return addresses.split(f"{addresses.local_part(text(value))}@{domain}")[0]


def one_destination(value: object) -> str:
    """A full address; "" for None or an empty text.

    Raises:
        ValueError: it is not an address.
    """
    address = "" if value is None else text(value).strip(" ")
    return addresses.destination(address) if address else ""


def destinations(value: object, address: str) -> list[str]:
    """The addresses that the alias ``address`` forwards to, normalised and without duplicates, in their order.

    Raises:
        InvalidFields: with a sentence about each address that breaks a rule.
    """
    wrong, unique = Wrong(), dict[str, None]()
    for item in value if isinstance(value, list | tuple) else []:
        target = wrong.checked(
            "destinations", lambda item: addresses.destination(text(item)), item, default=""
        )
        if target and target.lower() == address:
            wrong.add("destinations", f"{address} cannot forward to itself.")
        unique[target] = None
    if not isinstance(value, list | tuple) or not unique:
        wrong.add("destinations", "Enter at least one address.")
    if len(unique) > MOST_DESTINATIONS:
        wrong.add("destinations", f"Mail can go to at most {MOST_DESTINATIONS} addresses, not {len(unique)}.")
    wrong.raise_if_any()
    return list(unique)


def forward_to(value: object, address: str) -> list[str]:
    """The addresses that also get the mail of the mailbox ``address``; none for None or an empty list.

    Raises:
        InvalidFields: as ``destinations``.
    """
    return [] if value is None or value == [] else destinations(value, address)


def password(value: object, address: str) -> list[str]:
    """Sentences about what is wrong with a new password for this address; empty if it is acceptable."""
    return passwords.problems(value, address) if isinstance(value, str) else ["The password must be text."]


def unchanged(wrong: Wrong, fixed: Mapping[str, object], fields: Mapping[str, Any], sentence: str) -> None:
    """Adds the sentence for each of the ``fixed`` fields that comes with another value than the stored one."""
    for name in fixed.keys() & fields.keys():
        value = fields[name]
        if (value.strip().lower() if isinstance(value, str) else value) != fixed[name]:
            wrong.add(name, sentence)
