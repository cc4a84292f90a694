"""What to change in a zone so that a domain's records are right and other people's records stay. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from dnsrecords.kinds.registry import kind_of
from dnsrecords.names import within
from dnsrecords.publishing.services import Change, Published
from dnsrecords.records.record import TTL, to_publish
from dnsrecords.text.strings import quoted
from dnsrecords.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from dnsrecords.answers import Question
    from dnsrecords.records.record import Record
    from dnsrecords.verdicts import Verdict

#: Name, type and value of something in the zone.
Entry: TypeAlias = tuple[str, str, str]
#: Types beside which a server drops a CNAME record without a word (RFC 2136 §3.4.2.2), as far as anybody uses them.
_BESIDE = ("A", "AAAA", "TXT", "MX", "SRV", "CAA", "HTTPS", "PTR")
_ADDRESSES = ("A", "AAAA")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A record that was not published, because one that is not ours is in its place.

    Attributes:
        found: the values that are there.
    """

    name: str
    type: str
    found: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        unchanged: how many records are right as they are.
        ours: what will have been put there by us.
    """

    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    unchanged: int
    ours: frozenset[Entry]


@dataclass(frozen=True, slots=True)
class Zone:
    """What is known about a zone.

    Attributes:
        present: the answers to `questions`, without what a wildcard answers: that is not in the zone at the name, so
            it is neither in the way of a record nor a prerequisite of an update (RFC 2136 §3.2, RFC 4592 §2.2.1).
        lent: addresses that hosts have by a wildcard only, which ends at a name once something is stored there or
            below (RFC 4592 §2.2.2).
    """

    present: Mapping[Question, tuple[Published, ...]]
    lent: Mapping[Question, tuple[str, ...]] = field(default_factory=dict)


def publishable(records: Iterable[Record], zone: str) -> tuple[Record, ...]:
    """The records that have a value, and a name in the zone."""
    return tuple(record for record in records if record.value and within(record.name, zone))


def questions(records: Iterable[Record], ours: Iterable[Entry]) -> tuple[Question, ...]:
    """What has to be known about the zone first."""
    asked: list[Question] = []
    for record in records:
        asked += [record.question, (record.name, "CNAME")]
        asked += [(record.name, type_) for type_ in _BESIDE if record.type == "CNAME"]
    return tuple(dict.fromkeys([*asked, *((name, type_) for name, type_, _ in ours)]))


def addresses(hosts: Iterable[str], zone: str) -> tuple[Question, ...]:
    """The questions for addresses that may turn out to be lent by a wildcard: one never answers for the zone's own."""
    inside = (host for host in dict.fromkeys(hosts) if within(host, zone) and host != zone)
    return tuple((host, type_) for host in inside for type_ in _ADDRESSES)


def plan(
    records: Sequence[Record],
    verdicts: Mapping[str, Verdict],
    zone: Zone,
    ours: Collection[Entry],
    *,
    replace: bool = False,
) -> Plan:
    """The smallest change.

    Args:
        records: those that are wanted, as `publishable` leaves them.
        verdicts: by the id of each record, on what is present; the advice in it is published instead of the value.
        zone: what it has now.
        ours: what was put there by us earlier.
        replace: also replace records that are not ours.
    """
    planner = _Planner(records, verdicts, zone.present, frozenset(ours), replace)
    for record in records:
        planner.add(record)
    planner.clear_away()
    planner.keep_addresses(zone.lent)
    return planner.plan()


class _Planner:
    def __init__(
        self,
        records: Sequence[Record],
        verdicts: Mapping[str, Verdict],
        present: Mapping[Question, tuple[Published, ...]],
        ours: frozenset[Entry],
        replace: bool,
    ) -> None:
        self._verdicts, self._present, self._ours, self._replace = verdicts, present, ours, replace
        self._wanted = {(*record.question, plain(record)) for record in records}
        self._ttls = {record.question: record.ttl for record in records}
        self._add: dict[Question, dict[str, str]] = {}
        self._remove: dict[Question, list[Published]] = {}
        self._kept = {entry for entry in ours if entry[2] in self._values(entry[:2])}
        self._conflicts: list[Conflict] = []
        self._unchanged = 0

    def add(self, record: Record) -> None:
        """Plans for one of the wanted records."""
        question, rivals, verdict = record.question, self._rivals(record), self._verdicts[record.id]
        foreign = tuple(rival for rival in rivals if (*question, rival.value) not in self._ours)
        # Already right, unless because of something that we once added for another reason.
        if verdict.ok and len(foreign) == len(rivals):
            self._unchanged += 1
            if plain(record) in self._values(question):
                # No matter who added it: it is what we would have added.
                self._kept.add((*question, plain(record)))
            return
        merged = verdict.advice if kind_of(record).merges else ""
        if outside := self._outside(record):
            message = f"{record.name} cannot be published in this zone: {outside.above}, to {outside.value}. "
            self._refuse(record, (outside,), message + "Add the record there.")
        elif blocking := self._blocking(record):
            remedy = "Delete that record if nothing needs it."
            if record.type != "CNAME":
                remedy = (
                    "It is a CNAME, and a CNAME allows no other record at its name. Publish the "
                    f"{record.type} record where it leads, or delete the CNAME if nothing needs it."
                )
            self._conflict(record, blocking, remedy)
        elif foreign and not self._replace and (left_out := verdict.left_out):
            remedy = (
                f"Merging it would lose senders: {'; '.join(left_out)}. Correct the record, or publish "
                "again and replace it."
            )
            self._conflict(record, foreign, remedy)
        elif foreign and not self._replace and verdict.status in (Status.ERROR, Status.UNCHECKED):
            self._conflict(record, foreign, f"Whether it is correct is unknown: {verdict.message}")
        elif foreign and not self._replace and not merged:
            self._conflict(record, foreign, "If nothing needs it, publish again and replace it.")
        else:
            self._put(record, to_publish(record, verdict.status, verdict.found, verdict.advice), rivals)

    def _put(self, record: Record, published: Record, rivals: Iterable[Published]) -> None:
        question, value = record.question, plain(published)
        self._remove.setdefault(question, []).extend(rival for rival in rivals if rival.value != value)
        if value not in self._values(question):
            written = quoted(value) if record.type == "TXT" else published.value
            self._add.setdefault(question, {})[value] = written
        if value == plain(record):  # another one is not ours alone: it is merged again, and never taken away
            self._kept.add((*question, value))

    def _rivals(self, record: Record) -> tuple[Published, ...]:
        """Values that cannot stand beside this one."""
        beside = self._present.get(record.question, ())
        others = (value for value in beside if (*record.question, value.value) not in self._wanted)
        return tuple(value for value in others if kind_of(record).rules_out(value.value))

    def _blocking(self, record: Record) -> tuple[Published, ...]:
        """Values of other types that keep the record's type from its name."""
        types = _BESIDE if record.type == "CNAME" else ("CNAME",)
        return tuple(value for type_ in types for value in self._present.get((record.name, type_), ()))

    def _outside(self, record: Record) -> Published | None:
        """What takes the record's name out of the zone."""
        return next((value for value in self._present.get((record.name, "CNAME"), ()) if value.above), None)

    def _conflict(self, record: Record, rivals: tuple[Published, ...], remedy: str) -> None:
        # As a zone file has it: of a null MX the host is a dot (RFC 7505 §3).
        values = (f"{rival.value}." if rival.value.endswith(" ") else rival.value for rival in rivals)
        message = f"{record.name} has {' and '.join(values)}, which Quazzar did not publish. {remedy}"
        self._refuse(record, rivals, message)

    def _refuse(self, record: Record, rivals: tuple[Published, ...], message: str) -> None:
        values = tuple(rival.value for rival in rivals)
        self._conflicts.append(Conflict(record.name, record.type, values, message))

    def clear_away(self) -> None:
        """Plans to remove what was put there by us and is no longer wanted."""
        for name, type_, value in sorted(self._kept - self._wanted):
            gone = [entry for entry in self._present.get((name, type_), ()) if entry.value == value]
            self._remove.setdefault((name, type_), []).extend(gone)

    def keep_addresses(self, lent: Mapping[Question, tuple[str, ...]]) -> None:
        """Plans for addresses that the zone would take away by what is added to it."""
        added = [name for (name, _), values in self._add.items() if values]
        for (host, type_), values in lent.items():
            ends = any(within(name, host) for name in added)
            if ends and not self._add.get((host, type_)) and not self._add.get((host, "CNAME")):
                self._add[host, type_] = {value: value for value in values}

    def _values(self, question: Question) -> set[str]:
        return {entry.value for entry in self._present.get(question, ())}

    def plan(self) -> Plan:
        """All additions and removals planned so far, one change for each name and type."""
        places = dict.fromkeys([*self._add, *self._remove])
        changes = tuple(filter(None, map(self._change, places)))
        removed = {(*question, entry.value) for question, some in self._remove.items() for entry in some}
        added = tuple((*question, value) for question, some in self._add.items() for value in some)
        return Plan(
            changes,
            tuple(self._conflicts),
            added,
            tuple(sorted(removed)),
            self._unchanged,
            frozenset(self._kept - removed),
        )

    def _change(self, question: Question) -> Change | None:
        remove = tuple(dict.fromkeys(entry.raw for entry in self._remove.get(question, ())))
        add = tuple(self._add.get(question, {}).values())
        if not remove and not add:
            return None
        present = [entry for entry in self._present.get(question, ()) if not entry.above]
        # One name and type has one TTL (RFC 2181 §5.2): that of the values that stay there, if there are some.
        ttl = next((entry.ttl for entry in present if entry.raw not in remove), 0)
        before = tuple(entry.raw for entry in present)
        return Change(*question, ttl or self._ttls.get(question, TTL), before, remove, add)


def plain(record: Record) -> str:
    """A record's value as `dnsrecords.answers` has it: names in it in lower case, without a final dot."""
    if record.type == "TXT":
        return record.value
    return " ".join(word.removesuffix(".") for word in record.value.lower().split())
