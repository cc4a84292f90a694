"""The check of addresses: existing circles, and aliases and role addresses that nobody reads."""

from __future__ import annotations

from itertools import chain

from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import deadends, routes
from mailboxes.provisioning.routing import Map
from quazzar import words
from quazzar.monitoring import doctor

#: The most problems that the finding names; the others are only counted.
_MOST_NAMED = 3


def examine() -> doctor.Finding:
    """Whether mail to every address that we accept reaches somebody."""
    if not Stack.load().enabled:
        return doctor.idle("The mail server is not enabled.")
    domains, aliases = list(Domain.objects.all()), list(Alias.objects.filter(enabled=True))
    forwarding = list(Mailbox.objects.live().exclude(forward_to=[]))
    problems = _circles(domains, aliases, forwarding)
    for row, sentences in chain(
        zip(domains, deadends.of_domains(domains).values(), strict=True),
        zip(aliases, deadends.of_aliases(aliases).values(), strict=True),
        zip(forwarding, deadends.of_mailboxes(forwarding).values(), strict=True),
    ):
        problems += [f"{row}: {sentence}" for sentence in sentences]
    if not problems:
        return doctor.ok("Mail to every address is delivered to someone.")
    more = len(problems) - _MOST_NAMED
    named = " ".join(problems[:_MOST_NAMED]) + (
        f" And {words.count(more, 'more problem')}." if more > 0 else ""
    )
    return doctor.warning(named, "Correct these addresses in the Mailboxes tab.")


def _circles(domains: list[Domain], aliases: list[Alias], forwarding: list[Mailbox]) -> list[str]:
    """Circles from before they were refused. The tables break them, so that mail still arrives."""
    starts = [row.address for row in aliases] + [row.address for row in forwarding]
    starts += [f"@{row.name}" for row in domains if row.catch_all]
    routes_ = Map(starts, routes.look)
    circling = routes_.circling()
    sentences: list[str] = []
    seen: set[str] = set()
    for start in starts:
        key = routes_.hop(start).key
        if key in circling and key not in seen and (path := routes_.circle(start)):
            seen |= {routes_.hop(address).key for address in path}
            sentences.append(
                f"Mail is forwarded in a circle: {' → '.join(path)}. It is only delivered to the addresses "
                "outside the circle."
            )
    return sentences
