"""Answers for a name that does not have the record: a CNAME record in its place, or a wildcard. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from dnsrecords.answers import Answer
    from dnsrecords.records.record import Record

_NAME_LIMIT, _LABEL_LIMIT = 253, 63


# --- CNAME records -----------------------------------------------------------------------------------------
def behind_alias(record: Record, verdict: Verdict, answer: Answer) -> Verdict:
    """The verdict on what CNAME records lead to, with the two ways to put it right.

    Nothing can be added beside a CNAME record (RFC 1034 §3.6.2), and the operator of its target may have put the record
    there.
    """
    target = answer.cname or answer.values[0]
    there = f"{record.name} is a CNAME to {target}"
    delete = "delete the CNAME"
    if answer.dname:
        there = f"{record.name} leads to {target} by the DNAME record at {answer.dname}"
        delete = "delete the DNAME record"
    if verdict.status is Status.MISSING:
        message = (
            f"{_without_remedy(verdict.message)} {there}, and nothing can be added beside it. Have the {record.type} "
            f"record published at {target}, or {delete} and then add the suggested record."
        )
    elif verdict.status is Status.ERROR:
        message = (
            f"{verdict.message} {there}: have it fixed there, or {delete} and then add the suggested record."
        )
    else:
        message = (
            f"{verdict.message} {there}: have the record changed there, or {delete} and then add the suggested "
            f"{record.type} record at {record.name}."
        )
    return replace(verdict, message=message.strip())


def _without_remedy(message: str) -> str:
    """The sentences without a last one that says to add the record: that is not possible yet."""
    *sentences, last = message.removesuffix(".").split(". ")
    return ". ".join(sentences) + "." if sentences and last.startswith(("Add ", "Publish ")) else message


# --- wildcards ---------------------------------------------------------------------------------------------
def unused_names(name: str, zone: str, label: str) -> tuple[str, ...]:
    """A name beside another one, and one below it, that nobody has; none for the zone's own name.

    A wildcard that answers for a name answers for both: they have the same closest encloser (RFC 4592 §3.3.1). If the
    name exists, the one below it has that as its closest encloser, and the wildcard does not answer for it.

    Args:
        zone: that the name is in; empty: not known.
        label: that nobody uses.
    """
    parent = name.partition(".")[2]
    if name == zone or "." not in parent:
        return ()
    names = (f"{label}.{parent}", f"{label}.{name}")
    return names if max(map(len, names)) <= _NAME_LIMIT and len(label) <= _LABEL_LIMIT else ()


def is_wildcard(beside: Answer, below: Answer) -> bool:
    """Whether a wildcard answers for both of `unused_names`."""
    for answer in (beside, below):
        if answer.dname or not (answer.exists or answer.cname):
            return False
    return beside.cname == below.cname and (bool(beside.cname) or {*beside.values} == {*below.values})


def by_wildcard(missing: Verdict, verdict: Verdict, *, merges: bool) -> Verdict:
    """The verdict on a record for which only a wildcard answers.

    Args:
        missing: as if nothing were there.
        verdict: on what the wildcard answers.
        merges: whether advice keeps what is published, which holds for senders that a wildcard authorises, too.
    """
    remark = "The text found there comes from a wildcard record (*), which you can keep."
    return replace(
        missing, message=f"{missing.message} {remark}", advice=verdict.advice if merges else missing.advice
    )
