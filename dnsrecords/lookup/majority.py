"""One answer out of what each of a zone's name servers says and what the world's resolvers say. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from dnsrecords.answers import Answer, ServerAnswer
from dnsrecords.faults import failed

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A server's name and address, and what it said.
Said = tuple[str, str, Answer]


def agreed(said: Sequence[Said], usual: Answer) -> Answer:
    """What most of those who answered say; what the resolvers said when none of them did."""
    if all(failed(answer.outcome) for _, _, answer in said):
        return usual
    through = [(server, address, _through(answer, usual)) for server, address, answer in said]
    servers = tuple(
        ServerAnswer(server, address, answer.outcome, answer.values, answer.ttl)
        for server, address, answer in through
    )
    good = [answer for _, _, answer in through if not failed(answer.outcome)]
    main = _most(good) if good else usual
    return replace(main, servers=servers, authenticated=usual.authenticated)


def _through(answer: Answer, usual: Answer) -> Answer:
    """Behind a CNAME into another zone, which the server need not know, is what the world sees there."""
    if not answer.cname or answer.values or failed(answer.outcome):
        return answer
    return replace(usual, cname=usual.cname or answer.cname)


def _most(answers: Sequence[Answer]) -> Answer:
    counted = Counter(map(_content, answers))
    return max(answers, key=lambda answer: counted[_content(answer)])


def _content(answer: Answer) -> tuple[str, ...]:
    return (answer.outcome, *sorted(answer.values))
