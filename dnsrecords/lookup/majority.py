"""One answer out of those of a zone's name servers and that of the node's resolvers. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from dnsrecords.answers import Answer, Outcome, ServerAnswer
from dnsrecords.faults import failed

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A server's name and address, and its answer.
FromServer: TypeAlias = tuple[str, str, Answer]


def agreed(from_servers: Sequence[FromServer], from_resolvers: Answer) -> Answer:
    """The answer that most servers give; the resolvers' one if all of the servers failed."""
    if all(failed(answer.outcome) for _, _, answer in from_servers):
        tried = (answer.outcome for _, _, answer in from_servers if answer.outcome is not Outcome.UNASKED)
        silence = from_resolvers.outcome is Outcome.UNASKED
        return replace(from_resolvers, outcome=next(tried, Outcome.UNASKED)) if silence else from_resolvers
    followed = [
        (server, address, _followed(answer, from_resolvers)) for server, address, answer in from_servers
    ]
    servers = tuple(
        ServerAnswer(server, address, answer.outcome, answer.values, answer.ttl)
        for server, address, answer in followed
    )
    answers = [answer for _, _, answer in followed if not failed(answer.outcome)]
    aliases = (answer.cname for _, _, answer in from_servers if answer.cname)
    main = _most_frequent(answers) if answers else replace(from_resolvers, cname=next(aliases, ""))
    return replace(main, servers=servers, authenticated=from_resolvers.authenticated)


def _followed(answer: Answer, from_resolvers: Answer) -> Answer:
    """Behind a CNAME into another zone, which the server need not know, counts what the resolvers see there."""
    if not answer.cname or answer.values or failed(answer.outcome):
        return answer
    return replace(from_resolvers, cname=from_resolvers.cname or answer.cname)


def _most_frequent(answers: Sequence[Answer]) -> Answer:
    counted = Counter(map(_content, answers))
    return max(answers, key=lambda answer: counted[_content(answer)])


def _content(answer: Answer) -> tuple[str, ...]:
    return (answer.outcome, *sorted(answer.values))
