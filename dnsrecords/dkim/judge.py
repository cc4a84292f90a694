"""DKIM key records: taken apart after RFC 6376 §3.6.1, and compared with the key that signs. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.dkim import keys as dkimkeys
from dnsrecords.text import taglists
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer
    from dnsrecords.records.record import Record
    from dnsrecords.text.taglists import TagList

#: What a record that lacks a tag means by it.
DEFAULT_TYPE, DEFAULT_SERVICE = "rsa", "*"
KEY_TYPES = ("rsa", "ed25519")
_LOOKS_LIKE_A_KEY = re.compile(r"\b[vkp]\s*=", re.IGNORECASE)
PASTE = "Replace it by the value given here."


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as verifiers read it.

    Attributes:
        key: what ``p=`` holds, without white space.
        hashes: what ``h=`` allows; empty: every one.
        errors: why verifiers ignore the record; each a clause.
    """

    tags: TagList
    key_type: str
    key: str
    hashes: tuple[str, ...]
    services: tuple[str, ...]
    flags: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def revoked(self) -> bool:
        """Whether it says that the key is no longer to be trusted: an empty ``p=``."""
        return "p" in self.tags and not self.key

    @property
    def testing(self) -> bool:
        """Whether mail that is signed by it is to be treated like unsigned mail."""
        return "y" in self.flags


def parse(text: str) -> KeyRecord:
    """Takes a record apart, whatever it is."""
    tags = taglists.parse(text)
    key = re.sub(rf"[{taglists.BLANKS}]", "", tags.get("p"))
    errors = (*_version_errors(tags), *_key_errors(tags, key), *tags.errors)
    return KeyRecord(
        tags=tags,
        key_type=tags.get("k", DEFAULT_TYPE),
        key=key,
        hashes=_listed(tags.get("h")),
        services=_listed(tags.get("s", DEFAULT_SERVICE)),
        flags=_listed(tags.get("t")),
        errors=errors,
    )


def _listed(value: str) -> tuple[str, ...]:
    return tuple(part for part in (each.strip(taglists.BLANKS) for each in value.split(":")) if part)


def _version_errors(tags: TagList) -> Iterator[str]:
    if "v" not in tags:
        return  # it is only recommended
    if tags.first() != "v":
        yield "v=DKIM1 has to stand first"
    if tags.get("v") != "DKIM1":
        yield f"its version is {taglists.shown(tags.get('v'))} instead of DKIM1"


def _key_errors(tags: TagList, key: str) -> Iterator[str]:
    if "p" not in tags:
        yield "p= with the key is missing"
    try:
        base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        yield "the key in p= is no base64"


# --- the comparison ----------------------------------------------------------------------------------------
def judge(record: Record, answer: Answer) -> Verdict:
    """Whether a key is published as it has to be; the look-up itself went well."""
    if not answer.values:
        return Verdict(Status.MISSING, _missing(record, answer))
    problem = _several(answer) or _difference(record, answer.values[0])
    if problem and answer.cname:
        problem = (
            f"{record.name} is a CNAME to {answer.cname}, where another key is published. "
            "Delete the CNAME, and add the TXT record given here."
        )
    return Verdict(Status.MISMATCH if problem else Status.OK, problem, answer.values)


def _missing(record: Record, answer: Answer) -> str:
    if answer.cname:
        return (
            f"{record.name} is a CNAME to {answer.cname}, where no key is published. "
            "Delete the CNAME, and add the TXT record given here."
        )
    # Another key of the domain need not be signing yet.
    what = "the signatures on this domain's mail" if record.required else "what this key signs"
    return f"No DKIM key is published at {record.name}, so {what} cannot be verified. Add the TXT record."


def _several(answer: Answer) -> str:
    if len(answer.values) < 2:
        return ""
    return (
        f"{len(answer.values)} TXT records are published under this selector, and verifiers may read the wrong one. "
        "Keep only the one given here."
    )


def _difference(record: Record, found: str) -> str:
    """What is wrong with a published record, as a sentence; empty: nothing."""
    if not _LOOKS_LIKE_A_KEY.search(found):
        return (
            f"What is published there is no DKIM key: {taglists.shown(found)}. If it comes from a wildcard record (*), "
            "that one may stay. Add the TXT record given here."
        )
    wanted, parsed = parse(record.value), parse(found)
    return (
        _private(found)
        or _revoked(parsed)
        or _unlike(wanted, parsed, found)
        or _invalid(parsed)
        or _restricted(wanted, parsed)
    )


def _private(found: str) -> str:
    if not dkimkeys.is_private(parse(found).key) and "PRIVATE KEY" not in found:
        return ""
    return (
        "The PRIVATE key is published there, so that anybody can sign in the name of this domain. "
        "Replace it by the value given here, and rotate the key at once."
    )


def _revoked(parsed: KeyRecord) -> str:
    if not parsed.revoked:
        return ""
    return (
        "The key is revoked: p= is empty, so that every signature fails. "
        "Put the value given here there, or rotate to a new selector."
    )


def _invalid(parsed: KeyRecord) -> str:
    return f"Verifiers ignore the record, because {parsed.errors[0]}. {PASTE}" if parsed.errors else ""


def _unlike(wanted: KeyRecord, parsed: KeyRecord, found: str) -> str:
    """How the key differs from the one that signs. Comes before the grammar: it explains more."""
    if "p" not in parsed.tags or parsed.key == wanted.key:
        return ""
    how = dkimkeys.difference(wanted.key, parsed.key)
    if "-----BEGIN" in found:
        how = "holds the lines BEGIN and END of a key file as well"
    return f"The key that is published {how}, so that every signature fails. {PASTE}"


def _restricted(wanted: KeyRecord, parsed: KeyRecord) -> str:
    """What keeps a right key from being used for this mail."""
    if parsed.key_type != wanted.key_type:
        said = f"k={parsed.key_type}" if "k" in parsed.tags else "no k=, which means rsa"
        return f"The record says {said}, but the key is of the type {wanted.key_type}. {PASTE}"
    if parsed.hashes and "sha256" not in parsed.hashes:
        allowed = ":".join(parsed.hashes)
        return f"The tag h={allowed} does not allow sha256, which this node signs with. Delete the tag h=."
    if not {"*", "email"} & set(parsed.services):
        return f"The tag s={':'.join(parsed.services)} says that the key is not for mail. Delete the tag s=."
    if parsed.testing:
        return (
            "The tag t=y says that you are only testing, so signed mail is treated like unsigned mail. "
            "Delete the tag t=y."
        )
    return ""
