"""One answer out of those of a zone's name servers and that of the node's resolvers. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from dnsrecords.answers import Answer, Outcome, ServerAnswer
from dnsrecords.faults import failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: A server's name and address, and its answer.
FromServer: TypeAlias = tuple[str, str, Answer]


def targets(answers: Iterable[Answer], from_resolvers: Answer) -> tuple[str, ...]:
    """Where CNAMEs lead by single servers, of which neither these nor the resolvers say what is there.

    None while the servers agree, and the resolvers have followed what these say.
    """
    heard = {_content(answer) for answer in answers if not failed(answer.outcome)}
    if len(heard) < 2 and from_resolvers.cname:
        return ()
    names = (answer.cname for answer in answers if _leads_on(answer))
    return tuple(name for name in dict.fromkeys(names) if name != from_resolvers.cname)


def agreed(
    from_servers: Sequence[FromServer],
    from_resolvers: Answer,
    behind: Mapping[str, Answer] = MappingProxyType({}),
) -> Answer:
    """The answer that most servers give; the resolvers' one if all of the servers failed.

    Args:
        behind: what the resolvers answer for each of the `targets`.
    """
    if all(failed(answer.outcome) for _, _, answer in from_servers):
        tried = (answer.outcome for _, _, answer in from_servers if answer.outcome is not Outcome.UNASKED)
        silence = from_resolvers.outcome is Outcome.UNASKED
        return replace(from_resolvers, outcome=next(tried, Outcome.UNASKED)) if silence else from_resolvers
    followed = [
        (server, address, _followed(answer, behind.get(answer.cname), from_resolvers))
        for server, address, answer in from_servers
    ]
    servers = tuple(
        ServerAnswer(server, address, answer.outcome, answer.values, answer.ttl, answer.cname)
        for server, address, answer in followed
    )
    answers = [answer for _, _, answer in followed if not failed(answer.outcome)]
    aliases = (answer.cname for _, _, answer in from_servers if answer.cname)
    main = _most_frequent(answers) if answers else replace(from_resolvers, cname=next(aliases, ""))
    return replace(main, servers=servers, authenticated=from_resolvers.authenticated)


def _followed(answer: Answer, behind: Answer | None, from_resolvers: Answer) -> Answer:
    """Behind a CNAME into another zone, which the server need not know, counts what the resolvers see there."""
    if not _leads_on(answer):
        return answer
    if behind is not None:
        return replace(behind, name=answer.name, cname=answer.cname, dname=answer.dname)
    return replace(from_resolvers, cname=from_resolvers.cname or answer.cname)


def _leads_on(answer: Answer) -> bool:
    return bool(answer.cname) and not answer.values and not failed(answer.outcome)


def _most_frequent(answers: Sequence[Answer]) -> Answer:
    counted = Counter(map(_content, answers))
    return max(answers, key=lambda answer: counted[_content(answer)])


def _content(answer: Answer) -> tuple[str, ...]:
    return (answer.outcome, answer.cname, *sorted(answer.values))
