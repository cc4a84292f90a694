"""Failed look-ups, and what the operator can do about each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.answers import Outcome
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from dnsrecords.answers import Answer, ServerAnswer

_SENTENCES = {
    Outcome.SERVFAIL: (
        "The name servers of {name} fail (SERVFAIL). Often the DNSSEC signature is broken or has expired, "
        "or the zone has an error and was not loaded. Check the zone at your DNS provider. If the domain "
        "has changed providers, delete the old DS record at the registrar."
    ),
    Outcome.TIMEOUT: (
        "No name server answered for {name} in time. Check again in a few minutes. If this persists, find "
        "out whether the domain's name servers are running and reachable on port 53 over UDP and TCP."
    ),
    Outcome.REFUSED: (
        "The name servers refuse to answer for {name}: they do not have its zone. Create the zone there, "
        "or enter the correct name servers at the registrar."
    ),
    Outcome.LAME: (
        "The name servers entered at the registrar for {name} do not have its zone. Enter the name "
        "servers of your DNS provider at the registrar, or create the zone on the current ones."
    ),
    Outcome.NO_SERVER: (
        "This node's resolver cannot be reached, so nothing is known about {name}. Set "
        "QUAZZAR_DNS_RESOLVERS to resolvers that answer here, or fix /etc/resolv.conf, and check again."
    ),
    Outcome.BAD: (
        "The answer for {name} cannot be used: it is garbled, or CNAMEs form a loop. Check the CNAME "
        "records of this name, or ask your DNS provider."
    ),
    Outcome.UNASKED: (
        "This check ran out of time before it could look up {name}, because other name servers did not "
        "answer. Check again in a few minutes."
    ),
}


def fault(answer: Answer) -> Verdict | None:
    """The verdict on a look-up that failed; None: it was answered, if only by "there is nothing"."""
    sentence = _SENTENCES.get(answer.outcome)
    if sentence is None:
        return None
    status = Status.UNCHECKED if answer.outcome is Outcome.UNASKED else Status.ERROR
    return Verdict(status, sentence.format(name=answer.name))


def failed(outcome: Outcome) -> bool:
    """Whether an outcome is a failure, and not an answer."""
    return outcome in _SENTENCES


def is_unheard(server: ServerAnswer) -> bool:
    """Whether a name server gave no answer. One that leads on by a CNAME did, whatever is found there."""
    return failed(server.outcome) and not server.cname
