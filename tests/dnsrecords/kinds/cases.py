"""One record and what is published for it, judged by its kind alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dnsrecords.answers import Answer, Outcome
from dnsrecords.kinds.registry import kind_of
from tests.dnsrecords.mistakes import facts_of, record_of
from tests.dnsrecords.zonelookups import nothing

if TYPE_CHECKING:
    from dnsrecords.answers import Lookup
    from dnsrecords.records.facts import Facts
    from dnsrecords.verdicts import Verdict

PIN = "3 1 1 " + "ab" * 32
#: Of a node that serves everything, in a signed zone.
FACTS = replace(
    facts_of(),
    addresses=("192.0.2.1",),
    autoconfig=True,
    mta_sts="20260101",
    signed=True,
    tlsa=(PIN,),
)


def verdict(
    record_id: str, *values: str, lookup: Lookup = nothing, cname: str = "", facts: Facts = FACTS
) -> Verdict:
    record = record_of(facts, record_id)
    answer = Answer(*record.question, Outcome.FOUND if values else Outcome.NO_DATA, values, 300, cname)
    return kind_of(record).judge(record, facts, answer, lookup)
