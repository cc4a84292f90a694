"""What is changed in a zone: the smallest change, and nothing that is not ours."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.publishing.plan import Entry, Plan, Zone, plain, plan, publishable
from dnsrecords.publishing.services import Published
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import Record
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import required

FACTS = Facts("example.com", "mail.example.com", dkim_public_key="QUJD")
WANTED = required(FACTS)
MX, SPF, DKIM, DMARC = WANTED
OK, WRONG = Verdict(Status.OK), Verdict(Status.MISMATCH, "Wrong.")
Present = dict[tuple[str, str], tuple[Published, ...]]


def zone(*values: tuple[str, str, str]) -> Present:
    present: Present = {}
    for name, type_, value in values:
        present[name, type_] = (*present.get((name, type_), ()), Published(value, f"raw {value}"))
    return present


def planned(
    present: Present, *records: Record, ours: tuple[Entry, ...] = (), advice: str = "", replace_: bool = False
) -> Plan:
    """Where a record is there word for word it is right."""
    verdicts = {
        record.id: OK
        if plain(record) in {entry.value for entry in present.get(record.question, ())}
        else replace(WRONG, advice=advice)
        for record in records
    }
    return plan(records, verdicts, Zone(present), ours, replace=replace_)


def test_only_what_has_a_value_and_is_in_the_zone_can_be_published() -> None:
    pointer = Record("ptr", "ptr", "PTR", "1.2.0.192.in-addr.arpa", "mail.example.com.", "")
    assert publishable([*WANTED, pointer, replace(DKIM, value="")], "example.com") == WANTED


def test_an_empty_zone_gets_everything_and_all_of_it_is_ours() -> None:
    outcome = planned({}, *WANTED)
    assert {change.type for change in outcome.changes} == {"MX", "TXT"}
    assert all(change.before == change.remove == () for change in outcome.changes)
    assert outcome.ours == {(*record.question, plain(record)) for record in WANTED}


def test_a_record_that_somebody_pasted_is_adopted() -> None:
    outcome = planned(zone(("example.com", "MX", "10 mail.example.com")), MX)
    assert (outcome.changes, outcome.unchanged) == ((), 1)
    assert outcome.ours == {("example.com", "MX", "10 mail.example.com")}


def test_our_own_old_value_gives_way_though_it_may_still_be_right() -> None:
    old = ("example.com", "MX", "10 old.example.com")
    outcome = plan([MX], {"mx": OK}, Zone(zone(old)), [old])
    (change,) = outcome.changes
    assert (change.remove, change.add) == (("raw 10 old.example.com",), ("10 mail.example.com.",))


def test_what_is_wanted_no_more_goes_if_it_is_ours() -> None:
    old = ("old._domainkey.example.com", "TXT", "v=DKIM1; p=QUJD")
    assert planned(zone(old), ours=(old,)).removed == (old,)
    assert planned(zone(old)).changes == ()
    assert planned({}, ours=(old,)).ours == frozenset()


def test_others_are_in_the_way_until_they_are_to_be_replaced() -> None:
    other = zone(("example.com", "MX", "5 mx.example.net"))
    outcome = planned(other, MX)
    assert outcome.changes == () and outcome.conflicts[0].found == ("5 mx.example.net",)
    (change,) = planned(other, MX, replace_=True).changes
    assert change.remove == ("raw 5 mx.example.net",)


def test_what_could_not_be_judged_is_not_called_wrong() -> None:
    other = Zone(zone(("example.com", "TXT", "v=spf1 include:a.example -all")))
    for status in (Status.ERROR, Status.UNCHECKED):
        verdict = Verdict(status, "No name server answered for a.example in time.")
        (conflict,) = plan([SPF], {"spf": verdict}, other, ()).conflicts
        assert conflict.message.endswith("is unknown: No name server answered for a.example in time.")


def test_texts_of_another_kind_are_in_nobodys_way() -> None:
    texts = zone(("example.com", "TXT", "verification=x"), ("_dmarc.example.com", "TXT", "hello"))
    outcome = planned(texts, SPF, DMARC)
    assert not outcome.conflicts and not outcome.removed
    assert [change.before for change in outcome.changes] == [("raw verification=x",), ("raw hello",)]


def test_a_merged_spf_record_takes_the_place_of_all_and_is_nobodys_to_take_away() -> None:
    both = zone(("example.com", "TXT", "v=spf1 a -all"), ("example.com", "TXT", "V=SPF1 ip4:192.0.2.1 -all"))
    outcome = planned(both, SPF, advice="v=spf1 a mx -all")
    (change,) = outcome.changes
    assert len(change.remove) == 2 and change.add == ('"v=spf1 a mx -all"',)
    assert outcome.ours == frozenset()


def test_an_alias_stands_alone() -> None:
    alias = Record("autoconfig", "autoconfig", "CNAME", "autoconfig.example.com", "mail.example.com.", "")
    assert planned(zone((alias.name, "A", "192.0.2.1")), alias, replace_=True).conflicts
    assert planned(zone((DMARC.name, "CNAME", "elsewhere")), DMARC, replace_=True).conflicts


values = st.sampled_from([plain(record) for record in WANTED] + ["v=spf1 -all", "x", "5 other.example"])
places = st.sampled_from([record.question for record in WANTED] + [("www.example.com", "A")])
rows = st.tuples(places, values).map(lambda row: (*row[0], row[1]))


@given(st.sets(rows), st.sets(rows), st.booleans())
def test_without_replacing_only_what_is_ours_is_taken_away(
    there: set[Entry], ours: set[Entry], merged: bool
) -> None:
    outcome = planned(
        zone(*sorted(there)), *WANTED, ours=tuple(sorted(ours)), advice="v=spf1 mx ip4:1.2.3.4 -all" * merged
    )
    for entry in outcome.removed:
        assert entry in ours or (merged and entry[2].startswith("v=spf1"))
    assert set(outcome.removed) <= there


@given(st.sets(rows), st.sets(rows))
def test_what_was_planned_is_not_planned_again(there: set[Entry], ours: set[Entry]) -> None:
    outcome = planned(zone(*sorted(there)), *WANTED, ours=tuple(sorted(ours)), replace_=True)
    after = (there - set(outcome.removed)) | set(outcome.added)
    again = planned(zone(*sorted(after)), *WANTED, ours=tuple(sorted(outcome.ours)), replace_=True)
    assert again.changes == ()
    assert outcome.ours <= after
