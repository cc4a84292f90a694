"""What is wanted against what was found: one verdict per record, over all of the zone's name servers. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.answers import Outcome
from dnsrecords.dkim import judge as dkimrecords
from dnsrecords.dmarc import judge as dmarcrecords
from dnsrecords.judging import hosts as hostrecords
from dnsrecords.judging import misplaced, propagation
from dnsrecords.judging import mx as mxrecords
from dnsrecords.mtasts import texts as policytexts
from dnsrecords.spf import judge as spf
from dnsrecords.text import mistakes as textmistakes
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dnsrecords.answers import Answer, ServerAnswer
    from dnsrecords.records.build import Facts, Record
    from dnsrecords.spf.evaluate import Lookup

    Question = tuple[str, str]

#: What a TXT record of a kind starts with; SPF looks after itself, as there is a merged record to offer.
_MARKERS = {"dkim": "v=DKIM1", "dmarc": "v=DMARC1", "mta_sts": "v=STSv1", "tls_rpt": "v=TLSRPTv1"}
_NOT_YET = {
    "mx": "The stack has no hostname yet: set it up first.",
    "dkim": "There is no key yet: it is made when the stack is enabled.",
}
_BY_TYPE: dict[str, Callable[[Record, Facts, Answer, Lookup], Verdict]] = {
    "MX": mxrecords.judge,
    "A": lambda record, facts, answer, _: hostrecords.judge_address(record, facts, answer),
    "AAAA": lambda record, facts, answer, _: hostrecords.judge_address(record, facts, answer),
    "PTR": hostrecords.judge_pointer,
    "CNAME": hostrecords.judge_alias,
    "SRV": lambda record, _, answer, __: hostrecords.judge_service(record, answer),
    "TLSA": lambda record, _, answer, __: hostrecords.judge_pin(record, answer),
}


def kind(record: Record) -> str:
    """What a record is for: its id, without the selector of a further DKIM key."""
    return "dkim" if record.id.startswith("dkim") else record.id


# --- the verdict -------------------------------------------------------------------------------------------
def judge(record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
    """How a record stands.

    Args:
        answer: for the record's own name and type, from each of the zone's servers if they were asked.
        lookup: for what else has to be known; `questions` and `further_questions` say what it will be asked, but for
            what stands in SPF records.
    """
    if not record.value:
        return Verdict(Status.UNCHECKED, _NOT_YET.get(kind(record), "Not known yet."), answer.values)
    answered = [each for each in answer.servers if not faults.failed(each.outcome)]
    # Behind a CNAME each server says no more than where it points.
    if not answered or answer.cname:
        return faults.fault(answer) or _judged(record, facts, answer, lookup)
    verdicts = {
        key: _judged(record, facts, replace(answer, outcome=key[0], values=key[1]), lookup)
        for key in dict.fromkeys(map(_said, answered))
    }
    return _together(verdicts, answered, answer)


def right(record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Callable[[tuple[str, ...]], bool]:
    """Whether values are right for a record, as `propagation.seen` wants to know."""

    def good(values: tuple[str, ...]) -> bool:
        outcome = Outcome.FOUND if values else Outcome.NO_DATA
        return _judged(record, facts, replace(answer, outcome=outcome, values=values, servers=()), lookup).ok

    return good


def _said(server: ServerAnswer) -> tuple[Outcome, tuple[str, ...]]:
    # In which order a server gives the values of a name means nothing.
    return server.outcome, tuple(sorted(server.values))


def _together(
    verdicts: dict[tuple[Outcome, tuple[str, ...]], Verdict], answered: list[ServerAnswer], answer: Answer
) -> Verdict:
    counted = Counter(map(_said, answered)).most_common()
    wrong = next((key for key, _ in counted if not verdicts[key].ok), None)
    if wrong is None:
        return _with_remark(verdicts[counted[0][0]], _silent(answer))
    verdict = verdicts[wrong]
    if all(not each.ok for each in verdicts.values()):
        disagree = (
            len({each.status for each in verdicts.values()}) > 1 or len({key[1] for key in verdicts}) > 1
        )
        prefix = "The name servers of the zone do not say the same. " if disagree else ""
        return replace(verdict, message=prefix + verdict.message)
    return replace(verdict, message=_under_way(verdict, verdicts, answered, answer))


def _under_way(
    verdict: Verdict,
    verdicts: dict[tuple[Outcome, tuple[str, ...]], Verdict],
    answered: list[ServerAnswer],
    answer: Answer,
) -> str:
    values = {key[1] for key, each in verdicts.items() if each.ok}
    progress = propagation.seen(answer, lambda found: tuple(sorted(found)) in values)
    late = _names([each for each in answered if not verdicts[_said(each)].ok])
    return (
        f"The right record is {progress.sentence()}. If {late} does not follow by then, the zone is not passed on to "
        f"it: ask your DNS provider. It says as yet: {verdict.message}"
    )


def _silent(answer: Answer) -> str:
    silent = [each for each in answer.servers if faults.failed(each.outcome)]
    if not silent:
        return ""
    return (
        f"{_names(silent)} did not answer ({', '.join(dict.fromkeys(each.outcome for each in silent))}): the record is "
        "right, but a name server of the zone fails. Ask your DNS provider."
    )


def _names(servers: list[ServerAnswer]) -> str:
    return " and ".join(dict.fromkeys(each.server or each.address for each in servers))


def _with_remark(verdict: Verdict, remark: str) -> Verdict:
    return replace(verdict, message=f"{verdict.message} {remark}".strip()) if remark else verdict


# --- one set of values -------------------------------------------------------------------------------------
def _judged(record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
    verdict = _disfigured(record, answer) or _by_kind(record, facts, answer, lookup)
    if verdict.status is Status.MISSING and (record.required or kind(record) == "dkim"):
        message = misplaced.hint(record, facts, lookup) or _no_domain(facts, answer)
        return replace(verdict, message=message or verdict.message)
    if verdict.ok and record.id == "dmarc":
        return _with_remark(verdict, _unwanted_reports(facts, verdict, lookup))
    return verdict


def _by_kind(record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
    match kind(record):
        case "spf":
            return spf.judge(
                facts.domain, record.value, facts.addresses, facts.relay_include, answer.values, lookup
            )
        case "dkim":
            return dkimrecords.judge(record, answer)
        case "dmarc":
            return dmarcrecords.judge(record, answer)
    if record.type == "TXT":
        return policytexts.judge(record, answer)
    return _BY_TYPE[record.type](record, facts, answer, lookup)


def _disfigured(record: Record, answer: Answer) -> Verdict | None:
    """What a form or copying has done to a TXT record; None: nothing that is known."""
    marker = _MARKERS.get(kind(record))
    if not marker:
        return None
    broken = {value: textmistakes.mistake(value, marker) for value in answer.values}
    found = tuple(value for value, sentence in broken.items() if sentence)
    return Verdict(Status.MISMATCH, broken[found[0]], found) if found else None


def _no_domain(facts: Facts, answer: Answer) -> str:
    if answer.outcome is not Outcome.NXDOMAIN or answer.name != facts.domain:
        return ""
    return (
        f"{facts.domain} does not exist in DNS. See at the registrar whether it is registered and has not expired, "
        "and add the record to its zone."
    )


def _unwanted_reports(facts: Facts, verdict: Verdict, lookup: Lookup) -> str:
    for name in _consents(facts, verdict.found):
        answer = lookup(name, "TXT")
        if not faults.failed(answer.outcome) and not any(map(dmarcrecords.is_policy, answer.values)):
            other = name.rpartition("._report._dmarc.")[2]
            return (
                f"The reports do not reach {other}, because it has not agreed to get them: its owner has to add the "
                f'TXT record "v=DMARC1" at {name}.'
            )
    return ""


def _consents(facts: Facts, values: tuple[str, ...]) -> tuple[str, ...]:
    policies = [dmarcrecords.parse(value) for value in values if dmarcrecords.is_policy(value)]
    return tuple(name for each in policies for name in dmarcrecords.foreign_reports(each, facts.domain))


# --- what has to be asked ----------------------------------------------------------------------------------
def questions(record: Record, facts: Facts) -> tuple[Question, ...]:
    """What can be asked for a record before anything is known: first the record itself."""
    own = (record.name, record.type)
    if kind(record) in ("mx", "spf") and facts.hostname:
        return (own, (facts.hostname, "A"), (facts.hostname, "AAAA"), (facts.domain, "MX"))
    return (own,)


def further_questions(record: Record, facts: Facts, answer: Answer) -> tuple[Question, ...]:
    """What has to be asked once a record's own answer is there, so that it can be asked side by side."""
    return tuple(dict.fromkeys(_further(record, facts, answer)))


def _further(record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
    if (
        not answer.values
        and not faults.failed(answer.outcome)
        and (record.required or kind(record) == "dkim")
    ):
        yield from ((name, record.type) for name in misplaced.names(record, facts))
    match record.type:
        case "MX":
            hosts = [each.host for each in mxrecords.exchanges(answer.values) if each.host]
            yield from ((host, type_) for host in hosts for type_ in ("A", "AAAA"))
        case "PTR":
            yield (facts.hostname, "AAAA" if record.name.endswith("ip6.arpa") else "A")
        case "CNAME" if record.value.rstrip(".") not in answer.values:
            yield from ((record.name, type_) for type_ in ("A", "AAAA"))
    if record.id == "dmarc":
        yield from ((name, "TXT") for name in _consents(facts, answer.values))
