"""What to change in a zone so that a domain's records are right and what is not ours stays. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.publishing.services import Change, Found
from dnsrecords.records import build as records
from dnsrecords.spf import advice as spfadvice
from dnsrecords.text import strings as txt

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from dnsrecords.records.build import Record
    from dnsrecords.verdicts import Verdict

Question = tuple[str, str]
#: Name, type, value: what was put there by us.
Ours = tuple[str, str, str]
#: What may not stand beside a CNAME, as far as it matters here.
_BESIDE = ("A", "AAAA", "TXT", "MX")
#: Kind of a TXT record, by its beginning in lower case: only such ones get in each other's way.
_BEGINNINGS = ("v=spf1", "v=dmarc1", "v=stsv1", "v=tlsrptv1")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A record that was left alone, because something that is not ours stands in its place."""

    name: str
    type: str
    found: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        added, removed: (name, type, value) for the operator.
        unchanged: how many records are right as they are.
        ours: what will have been put there by us.
    """

    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    added: tuple[Ours, ...]
    removed: tuple[Ours, ...]
    unchanged: int
    ours: frozenset[Ours]


def publishable(wanted: Iterable[Record], zone: str) -> tuple[Record, ...]:
    """Those that have a value, and a name in the zone."""
    return tuple(each for each in wanted if each.value and records.within(each.name, zone))


def questions(wanted: Iterable[Record], ours: Iterable[Ours]) -> tuple[Question, ...]:
    """What has to be known of the zone first."""
    asked: list[Question] = []
    for each in wanted:
        asked += [(each.name, each.type), (each.name, "CNAME")]
        asked += [(each.name, type_) for type_ in _BESIDE if each.type == "CNAME"]
    return tuple(dict.fromkeys([*asked, *((name, type_) for name, type_, _ in ours)]))


def plan(
    wanted: Sequence[Record],
    verdicts: Mapping[str, Verdict],
    found: Mapping[Question, tuple[Found, ...]],
    ours: Collection[Ours],
    *,
    replace: bool = False,
) -> Plan:
    """The smallest change.

    Args:
        wanted: as `publishable` leaves them.
        verdicts: by the id of each record, on what is found; the advice in it is published instead of the value.
        found: the answers to `questions`.
        replace: what is not ours gives way too.
    """
    planner = _Planner(wanted, verdicts, found, frozenset(ours), replace)
    for each in wanted:
        planner.take(each)
    planner.clear_away()
    return planner.plan()


class _Planner:
    def __init__(
        self,
        wanted: Sequence[Record],
        verdicts: Mapping[str, Verdict],
        found: Mapping[Question, tuple[Found, ...]],
        ours: frozenset[Ours],
        replace: bool,
    ) -> None:
        self._verdicts, self._found, self._ours, self._replace = verdicts, found, ours, replace
        self._values = {(each.name, each.type, plain(each)) for each in wanted}
        self._ttls = {(each.name, each.type): each.ttl for each in wanted}
        self._add: dict[Question, dict[str, str]] = {}
        self._remove: dict[Question, list[Found]] = {}
        self._kept = {each for each in ours if each[2] in self._there(each[0], each[1])}
        self._conflicts: list[Conflict] = []
        self._unchanged = 0

    def take(self, record: Record) -> None:
        """One record of those that are wanted."""
        question, rivals = (record.name, record.type), self._rivals(record)
        foreign = tuple(each for each in rivals if (*question, each.value) not in self._ours)
        # Right as it is, unless by something that we once put there for another reason.
        if self._verdicts[record.id].ok and len(foreign) == len(rivals):
            self._unchanged += 1
            if plain(record) in self._there(*question):
                self._kept.add((*question, plain(record)))  # whoever put it there: it is what we would have
            return
        # Merged with what is there, an SPF record takes nothing away from anybody.
        advice = self._verdicts[record.id].advice if foreign and _is_spf(record) else ""
        if blocking := self._blocking(record):
            self._conflict(record, blocking, "Delete that record, if nothing needs it.")
        elif foreign and not self._replace and not advice:
            self._conflict(record, foreign, "Publish again and replace it, if nothing needs it.")
        else:
            self._put(record, advice, rivals)

    def _put(self, record: Record, advice: str, rivals: Iterable[Found]) -> None:
        question = (record.name, record.type)
        value = advice or plain(record)
        self._remove.setdefault(question, []).extend(each for each in rivals if each.value != value)
        if value not in self._there(*question):
            written = txt.quoted(value) if record.type == "TXT" else record.value
            self._add.setdefault(question, {})[value] = written
        if not advice:  # a merged one is not ours alone: it is merged again, and never taken away
            self._kept.add((*question, value))

    def _rivals(self, record: Record) -> tuple[Found, ...]:
        """Values that cannot stand beside this one."""
        beside = self._found.get((record.name, record.type), ())
        others = (each for each in beside if (record.name, record.type, each.value) not in self._values)
        return tuple(each for each in others if record.type != "TXT" or _alike(record, each.value))

    def _blocking(self, record: Record) -> tuple[Found, ...]:
        if record.type != "CNAME":
            return self._found.get((record.name, "CNAME"), ())
        return tuple(each for type_ in _BESIDE for each in self._found.get((record.name, type_), ()))

    def _conflict(self, record: Record, found: tuple[Found, ...], remedy: str) -> None:
        values = tuple(each.value for each in found)
        message = f"{record.name} has {' and '.join(values)}, which was not put there by Quazzar. {remedy}"
        self._conflicts.append(Conflict(record.name, record.type, values, message))

    def clear_away(self) -> None:
        """What was put there by us and is wanted no more."""
        for name, type_, value in sorted(self._kept - self._values):
            gone = [each for each in self._found.get((name, type_), ()) if each.value == value]
            self._remove.setdefault((name, type_), []).extend(gone)

    def _there(self, name: str, type_: str) -> set[str]:
        return {each.value for each in self._found.get((name, type_), ())}

    def plan(self) -> Plan:
        """All of it."""
        places = dict.fromkeys([*self._add, *self._remove])
        changes = tuple(filter(None, map(self._change, places)))
        removed = {(*question, each.value) for question, some in self._remove.items() for each in some}
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
        remove = tuple(dict.fromkeys(each.raw for each in self._remove.get(question, ())))
        add = tuple(self._add.get(question, {}).values())
        if not remove and not add:
            return None
        before = tuple(each.raw for each in self._found.get(question, ()))
        return Change(*question, self._ttls.get(question, records.TTL), before, remove, add)


def plain(record: Record) -> str:
    """A record's value as `dnsrecords.answers` has it: names in it in lower case, without a final dot."""
    if record.type == "TXT":
        return record.value
    return " ".join(_plain_words(record.value.lower().split()))


def _plain_words(words: Iterable[str]) -> Iterator[str]:
    yield from (word.removesuffix(".") for word in words)


def _is_spf(record: Record) -> bool:
    return record.id == "spf"


def _alike(record: Record, value: str) -> bool:
    if _is_spf(record) and spfadvice.meant(value):
        return True
    beginning = next((each for each in _BEGINNINGS if record.value.lower().startswith(each)), "")
    # At the name of a DKIM selector nothing else has a place.
    return value.lower().lstrip().startswith(beginning)
