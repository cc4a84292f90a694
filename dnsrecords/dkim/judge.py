"""Parses DKIM key records (RFC 6376 §3.6.1), and compares them with the key that signs. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.dkim import keys
from dnsrecords.text import taglists
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer
    from dnsrecords.records.record import Record
    from dnsrecords.text.taglists import TagList

#: The type of key and the service that a record means when it lacks k= or s=.
DEFAULT_TYPE, DEFAULT_SERVICE = "rsa", "*"
KEY_TYPES = ("rsa", "ed25519")
_LOOKS_LIKE_A_KEY = re.compile(r"\b[vkp]\s*=", re.IGNORECASE)
PASTE = "Replace it with the suggested value."


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key record as verifiers read it.

    Attributes:
        key_type: ``k=``, for example rsa.
        key: the value of ``p=``, without white space.
        hashes: the hashes that ``h=`` allows; empty means all.
        services: the services that ``s=`` allows; ``*`` means all.
        flags: ``t=``.
        errors: clauses saying why verifiers ignore the record.
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
        """Whether an empty ``p=`` says that the key is no longer to be trusted."""
        return "p" in self.tags and not self.key

    @property
    def testing(self) -> bool:
        """Whether ``t=y`` asks verifiers to treat mail signed with the key like unsigned mail."""
        return "y" in self.flags


def parse(text: str) -> KeyRecord:
    """Parses any text as a key record; problems are in ``errors``."""
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
    """The items of a list that colons separate."""
    stripped = (item.strip(taglists.BLANKS) for item in value.split(":"))
    return tuple(item for item in stripped if item)


def _version_errors(tags: TagList) -> Iterator[str]:
    if "v" not in tags:
        return  # it is only recommended
    if tags.first() != "v":
        yield "v=DKIM1 must come first"
    if tags.get("v") != "DKIM1":
        yield f"its version is {taglists.shown(tags.get('v'))}, not DKIM1"


def _key_errors(tags: TagList, key: str) -> Iterator[str]:
    if "p" not in tags:
        yield "the tag p=, which holds the key, is missing"
    try:
        base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        yield "the key in p= is not base64"


# --- the comparison ----------------------------------------------------------------------------------------
def judge(record: Record, answer: Answer) -> Verdict:
    """Compares the published records with the wanted one; ``answer`` is a look-up that did not fail."""
    if not answer.values:
        return Verdict(Status.MISSING, _missing(record))
    problem = _several(answer) or _difference(record, answer.values[0])
    return Verdict(Status.MISMATCH if problem else Status.OK, problem, answer.values)


def _missing(record: Record) -> str:
    # A record that is not required belongs to a key that may not sign yet.
    why = (
        "the signatures on this domain's mail cannot be verified"
        if record.required
        else "nobody can use this key"
    )
    return f"No DKIM key is published at {record.name}, so {why}. Add the TXT record."


def _several(answer: Answer) -> str:
    if len(answer.values) < 2:
        return ""
    return (
        f"{len(answer.values)} TXT records are published under this selector, and verifiers may read the wrong one. "
        "Keep only the suggested one."
    )


def _difference(record: Record, published: str) -> str:
    """A sentence saying what is wrong with the published record; empty if nothing is."""
    if not _LOOKS_LIKE_A_KEY.search(published):
        return f"The record published there is not a DKIM key: {taglists.shown(published)}. {PASTE}"
    wanted, parsed = parse(record.value), parse(published)
    return (
        _private(published)
        or _revoked(parsed)
        or _unlike(wanted, parsed, published)
        or _invalid(parsed)
        or _restricted(wanted, parsed)
    )


def _private(published: str) -> str:
    if not keys.is_private(parse(published).key) and "PRIVATE KEY" not in published:
        return ""
    return (
        "The PRIVATE key is published there, so anyone can sign mail as this domain. Replace it with the "
        "suggested value, and rotate the key at once."
    )


def _revoked(parsed: KeyRecord) -> str:
    if not parsed.revoked:
        return ""
    return (
        "The key is revoked: p= is empty, so every signature fails. Publish the suggested value, or "
        "rotate to a new selector."
    )


def _invalid(parsed: KeyRecord) -> str:
    return f"Verifiers ignore the record, because {parsed.errors[0]}. {PASTE}" if parsed.errors else ""


def _unlike(wanted: KeyRecord, parsed: KeyRecord, published: str) -> str:
    """How the key differs from the one that signs. Judged before the grammar, because it explains more."""
    if "p" not in parsed.tags or parsed.key == wanted.key:
        return ""
    how = keys.difference(wanted.key, parsed.key)
    if "-----BEGIN" in published:
        how = "includes the BEGIN and END lines of a key file"
    return f"The key that is published {how}, so every signature fails. {PASTE}"


def _restricted(wanted: KeyRecord, parsed: KeyRecord) -> str:
    """Why verifiers do not use the key for this domain's mail, although it is the right one."""
    if parsed.key_type != wanted.key_type:
        type_tag = (
            f"k={taglists.printable(parsed.key_type)}" if "k" in parsed.tags else "no k=, which means rsa"
        )
        return f"The record says {type_tag}, but the key is of the type {wanted.key_type}. {PASTE}"
    if parsed.hashes and "sha256" not in parsed.hashes:
        allowed = taglists.printable(":".join(parsed.hashes))
        return f"The tag h={allowed} does not allow sha256, which this node signs with. Delete the tag h=."
    if not {"*", "email"} & set(parsed.services):
        services = taglists.printable(":".join(parsed.services))
        return f"The tag s={services} says the key is not for mail. Delete the tag s=."
    if parsed.testing:
        return (
            "The tag t=y says you are only testing, so receivers treat signed mail like unsigned mail. "
            "Delete the tag t=y."
        )
    return ""
