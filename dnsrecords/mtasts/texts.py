"""The TXT records of MTA-STS (RFC 8461 §3.1) and of the reports on TLS (RFC 8460 §3). Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dnsrecords.text import taglists
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from dnsrecords.answers import Answer
    from dnsrecords.records.build import Record

_VERSION = re.compile(r"v=[A-Za-z0-9]+")


def judge(record: Record, answer: Answer) -> Verdict:
    """Whether one record of this kind is there, and says what it has to."""
    version = _version(record.value)
    found = tuple(value for value in answer.values if _version(value) == version)
    if len(found) > 1:
        message = (
            f"There are {len(found)} records with {version}, so that senders heed none of them. Keep one."
        )
        return Verdict(Status.MISMATCH, message, found)
    if found:
        problem = _difference(record, found[0])
        return Verdict(Status.MISMATCH if problem else Status.OK, problem, found)
    if answer.values:
        message = (
            f"What is published there does not start with {version}: {taglists.shown(answer.values[0])}. "
            "Add the TXT record given here."
        )
        return Verdict(Status.MISMATCH, message, answer.values)
    return Verdict(Status.MISSING, f"Nothing is published at {record.name}. Add the TXT record.")


def _version(text: str) -> str:
    match = _VERSION.match(text)
    return match[0] if match else ""


def _difference(record: Record, found: str) -> str:
    tags, wanted = taglists.parse(found), taglists.parse(record.value)
    if tags.errors:
        return f"The record is invalid: {tags.errors[0]}. Replace it by the value given here."
    if "id" in wanted and tags.get("id") != wanted.get("id"):
        return (
            f"The id is {taglists.shown(tags.get('id'))}, but the policy that this node serves has changed since. "
            f"Enter {wanted.get('id')}, so that others fetch it anew."
        )
    if "rua" in wanted and not tags.get("rua"):
        return "No address for the reports (rua=) is named. Replace the record by the value given here."
    return ""
