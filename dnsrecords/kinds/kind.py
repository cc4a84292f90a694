"""What all kinds of record share: a class for each says what to publish, what to ask, and how to judge the answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from dnsrecords.records.record import Record
from dnsrecords.text import mistakes
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dnsrecords.answers import Answer, Lookup, Question
    from dnsrecords.mtasts.policy import Fetch
    from dnsrecords.records.facts import Facts


class Kind(ABC):
    """A kind of DNS record. Stateless: an instance serves every domain.

    Attributes:
        key: ``Record.kind`` of its records, and the id of the only or first one.
        type: of its records in DNS.
        label: the heading on the DNS tab.
        required: whether mail depends on it; other kinds are recommended.
        not_yet: what to say while the value is not known.
        strays: whether operators tend to publish it under a neighbouring name, where it is then looked for.
        merges: whether the advice in a verdict keeps what others published, so that publishing it does no harm.
        minds_alias: whether `judge` itself says what to do about a CNAME record in the record's place.
        zone_of_others: whether somebody else edits the zone, so that it does not matter how the values got there.
    """

    key: str
    type: str
    label: str
    required: ClassVar[bool] = False
    not_yet: ClassVar[str] = "Not known yet."
    strays: ClassVar[bool] = False
    merges: ClassVar[bool] = False
    minds_alias: ClassVar[bool] = False
    zone_of_others: ClassVar[bool] = False

    # --- what to publish -----------------------------------------------------------------------------------
    @abstractmethod
    def wanted(self, facts: Facts) -> Iterator[Record]:
        """The records of this kind that a domain needs, each with its purpose; none where it does not apply."""

    def record(self, name: str, value: str, purpose: str, *, record_id: str = "") -> Record:
        """A record of this kind; its id is the kind's key unless another is given."""
        return Record(record_id or self.key, self.key, self.type, name, value, purpose, self.required)

    def numbered(self, values: Iterable[str]) -> Iterator[tuple[str, str]]:
        """(id, value) of each distinct value: ``host_a``, ``host_a_2``, …"""
        for number, value in enumerate(dict.fromkeys(values), 1):
            yield (self.key if number == 1 else f"{self.key}_{number}"), value

    # --- how to judge it -----------------------------------------------------------------------------------
    def questions(self, record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
        """What `judge` may look up once the record's own answer is known, so that it can be queried in parallel."""
        yield from ()

    @abstractmethod
    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """How the record stands, by one set of values.

        Args:
            answer: to the record's own question; it was answered, if only by "there is nothing".
            lookup: for everything that `questions` names.
        """

    def confirm(self, record: Record, facts: Facts, verdict: Verdict, fetch: Fetch) -> Verdict:
        """The verdict with what can be seen outside of DNS; most kinds have nothing to add.

        Args:
            fetch: fetches the domain's MTA-STS policy.
        """
        return verdict

    def recognises(self, record: Record, facts: Facts, value: str) -> bool:
        """Whether a value that stands under a neighbouring name was meant to be this record; for kinds that stray."""
        return False

    def rules_out(self, value: str) -> bool:
        """Whether a value at the same name and type cannot stand beside a record of this kind."""
        return True


class TextKind(Kind):
    """A kind of TXT record that starts with a marker.

    Attributes:
        marker: what each such record starts with.
    """

    type = "TXT"
    label = "TXT"
    marker: ClassVar[str]

    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """First what a form or copying did to the text; then as `compare` says."""
        return self._disfigured(answer) or self.compare(record, facts, answer, lookup)

    @abstractmethod
    def compare(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """How the record stands where its text can be read."""

    def rules_out(self, value: str) -> bool:
        """Texts for other purposes may stand at the same name."""
        return value.lstrip().lower().startswith(self.marker.lower())

    def _disfigured(self, answer: Answer) -> Verdict | None:
        sentences = {value: mistakes.mistake(value, self.marker) for value in answer.values}
        values = tuple(value for value, sentence in sentences.items() if sentence)
        return Verdict(Status.MISMATCH, sentences[values[0]], values) if values else None
