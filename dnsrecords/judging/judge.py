"""One verdict per record, over all of the zone's name servers. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.answers import Answer, Outcome
from dnsrecords.judging import detours, misplaced, propagation
from dnsrecords.kinds.registry import kind_of
from dnsrecords.names import zone_of_apex
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dnsrecords.answers import Lookup, Question, ServerAnswer
    from dnsrecords.mtasts.policy import Fetch
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record

    #: What a server answered: values, and where CNAMEs lead. The order of the values means nothing; they are sorted.
    Content = tuple[Outcome, tuple[str, ...], str]


#: What a name server did instead of answering; the words follow its name.
_DEEDS = {
    Outcome.TIMEOUT: "did not answer",
    Outcome.NO_SERVER: "cannot be reached",
    Outcome.SERVFAIL: "failed (SERVFAIL)",
    Outcome.REFUSED: "refused to answer for the zone",
    Outcome.LAME: "does not have the zone",
    Outcome.BAD: "gave an answer that cannot be used",
}


def questions(record: Record, facts: Facts, answer: Answer) -> tuple[Question, ...]:
    """What judging a record may look up in addition to its own answer, so that it can be queried in parallel.

    This does not include the names in SPF records.
    """
    return tuple(dict.fromkeys(_questions(record, facts, answer)))


def _questions(record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
    kind = kind_of(record)
    if kind.strays and not answer.exists and not faults.failed(answer.outcome):
        yield from ((name, record.type) for name in misplaced.names(record, facts, _zone(facts, answer)))
    yield from kind.questions(record, facts, answer)


def judge(record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
    """The verdict on a record, from look-ups alone. For the arguments see `Judgement`."""
    return Judgement(record, facts, answer, lookup).verdict


class Judgement:
    """How one record stands; each set of values that a server has is judged once.

    Args:
        answer: to the record's own question, with each of the zone's servers if they were asked.
        lookup: for what else has to be known: `questions`, and the names in SPF records.
        fetch: fetches the domain's MTA-STS policy.
    """

    def __init__(
        self, record: Record, facts: Facts, answer: Answer, lookup: Lookup, fetch: Fetch = lambda: None
    ) -> None:
        self._record, self._facts, self._answer, self._lookup = record, facts, answer, lookup
        self._kind = kind_of(record)
        self._by_content: dict[Content, Verdict] = {}
        if record.value:
            self.verdict = self._kind.confirm(record, facts, self._over_all_servers(), fetch)
        else:
            self.verdict = Verdict(Status.UNCHECKED, self._kind.not_yet, answer.values)

    @property
    def zone(self) -> str:
        """The zone that the record's name is in; empty: not known."""
        return self._answer.zone

    def is_right(self, values: tuple[str, ...]) -> bool:
        """Whether values are right for the record, wherever they are published."""
        outcome = Outcome.FOUND if values else Outcome.NO_DATA
        return self._verdict_on((outcome, tuple(sorted(values)), self._answer.cname)).ok

    # --- several name servers ------------------------------------------------------------------------------
    def _over_all_servers(self) -> Verdict:
        answered = [server for server in self._answer.servers if not faults.is_unheard(server)]
        main = self._answer
        # If signatures are broken, resolvers that check them return no answer, whatever the name servers say.
        if not answered or faults.failed(main.outcome):
            return self._verdict_on((main.outcome, main.values, main.cname))
        counted = Counter(map(_content, answered)).most_common()
        wrong = next((content for content, _ in counted if not self._verdict_on(content).ok), None)
        if wrong is None:
            return _with_remark(self._verdict_on(counted[0][0]), self._silent())
        if any(self._verdict_on(content).ok for content, _ in counted):
            return replace(self._verdict_on(wrong), message=self._under_way(wrong, answered))
        return self._disagreeing(wrong, [content for content, _ in counted])

    def _fault(self, answer: Answer) -> Verdict | None:
        if not answer.cname or self._kind.minds_alias:
            return faults.fault(answer)
        verdict = faults.fault(replace(answer, name=answer.cname))
        return verdict and detours.behind_alias(self._record, verdict, answer)

    def _disagreeing(self, wrong: Content, contents: list[Content]) -> Verdict:
        """All servers are wrong, in one way or in several."""
        verdict = self._verdict_on(wrong)
        kinds_of_wrong = {(self._verdict_on(content).status, content[1]) for content in contents}
        prefix = "The name servers of the zone disagree. " if len(kinds_of_wrong) > 1 else ""
        return replace(verdict, message=prefix + verdict.message)

    def _under_way(self, wrong: Content, answered: list[ServerAnswer]) -> str:
        """Some servers are right already."""
        progress = propagation.seen(self._answer.servers, self.is_right)
        late = _names(server for server in answered if not self._verdict_on(_content(server)).ok)
        by_when = "by then" if progress.worst_ttl is not None else "within a day"
        return (
            f"The correct record is {progress.sentence()}. If {late} does not follow {by_when}, the zone "
            "does not reach it: ask your DNS provider. Its current answer: "
            f"{self._verdict_on(wrong).message}"
        )

    def _silent(self) -> str:
        unheard = filter(faults.is_unheard, self._answer.servers)
        did = [(deed, server) for server in unheard if (deed := _DEEDS.get(server.outcome))]
        if not did:
            return ""
        groups = dict.fromkeys(deed for deed, _ in did)
        clauses = (f"{_names(server for deed, server in did if deed == each)} {each}" for each in groups)
        return f"The record is correct, but {', and '.join(clauses)}. Ask your DNS provider."

    # --- one set of values ---------------------------------------------------------------------------------
    def _verdict_on(self, content: Content) -> Verdict:
        if content not in self._by_content:
            outcome, values, cname = content
            answer = replace(self._answer, outcome=outcome, values=values, cname=cname, servers=())
            self._by_content[content] = self._judged(answer)
        return self._by_content[content]

    def _judged(self, answer: Answer) -> Verdict:
        if fault := self._fault(answer):
            return fault
        verdict = self._at_the_name(answer, self._lookup)
        if verdict.ok:
            return verdict
        if answer.wildcard is not None and tuple(sorted(answer.values)) == answer.wildcard:
            nothing = Answer(answer.name, answer.type, Outcome.NO_DATA)
            missing = self._at_the_name(nothing, self._lookup_elsewhere)
            return detours.by_wildcard(missing, verdict, merges=self._kind.merges)
        if (answer.cname or answer.dname) and not self._kind.minds_alias:
            return detours.behind_alias(self._record, verdict, answer)
        return verdict

    def _at_the_name(self, answer: Answer, lookup: Lookup) -> Verdict:
        """As if the answer came from the name itself."""
        unasked: list[Answer] = []

        def noting(name: str, type_: str) -> Answer:
            found = lookup(name, type_)
            if found.outcome is Outcome.UNASKED:
                unasked.append(found)
            return found

        verdict = self._kind.judge(self._record, self._facts, answer, noting)
        if unasked and not verdict.ok:
            return faults.fault(unasked[0]) or verdict
        if verdict.status is not Status.MISSING or not self._kind.strays:
            return verdict
        hint = misplaced.hint(self._record, self._facts, _zone(self._facts, answer), lookup)
        message = hint or _no_domain(self._facts, answer)
        return replace(verdict, message=message or verdict.message)

    def _lookup_elsewhere(self, name: str, type_: str) -> Answer:
        """The look-up, for which there is nothing at the record's own name."""
        if name == self._record.name:
            return Answer(name, type_, Outcome.NO_DATA)
        return self._lookup(name, type_)


def _zone(facts: Facts, answer: Answer) -> str:
    return answer.zone or zone_of_apex(facts.domain)


def _content(server: ServerAnswer) -> Content:
    return server.outcome, tuple(sorted(server.values)), server.cname


def _names(servers: Iterable[ServerAnswer]) -> str:
    return " and ".join(dict.fromkeys(server.server or server.address for server in servers))


def _with_remark(verdict: Verdict, remark: str) -> Verdict:
    return replace(verdict, message=f"{verdict.message} {remark}".strip()) if remark else verdict


def _no_domain(facts: Facts, answer: Answer) -> str:
    if answer.outcome is not Outcome.NXDOMAIN or answer.name != facts.domain:
        return ""
    if answer.zone and answer.zone != facts.domain:
        return (
            f"{facts.domain} does not exist in DNS: its zone, {answer.zone}, has nothing at or below that "
            "name. Add the record to that zone."
        )
    return (
        f"{facts.domain} does not exist in DNS. Check at the registrar that it is registered and has not "
        "expired, and add the record to its zone."
    )
