"""The servers on the way of an arrived mail: and where it crossed over to the receiving side. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dnsrecords.names import within
from dnsrecords.proof.judging.received import Hop
from dnsrecords.visibility import is_visible


@dataclass(frozen=True, slots=True)
class Chain:
    """The hops, told apart.

    Attributes:
        before: on the sending side, the first one first.
        door: where the receiving side took the mail; None: that cannot be told.
        after: inside the receiving side.
    """

    before: tuple[Hop, ...] = ()
    door: Hop | None = None
    after: tuple[Hop, ...] = ()


def cut(hops: Sequence[Hop], *, client: str = "", exchangers: Sequence[str] = ()) -> Chain:
    """Finds where the mail crossed over.

    Args:
        client: the sending address, if a field of the receiving side names it.
        exchangers: the names of the recipient's mail servers (MX).
    """
    at = _door(hops, client, exchangers)
    if at is None:
        return Chain(tuple(hops))
    return Chain(tuple(hops[:at]), hops[at], tuple(hops[at + 1 :]))


def _door(hops: Sequence[Hop], client: str, exchangers: Sequence[str]) -> int | None:
    handed = [at for at, hop in enumerate(hops) if hop.ip]
    if client and (named := [at for at in handed if hops[at].ip == client]):
        return named[-1]
    theirs = [at for at in handed if any(are_related(hops[at].by, name) for name in exchangers)]
    if theirs:
        return theirs[0]
    # The last server that got it from an address that others can see.
    seen = [at for at in handed if is_visible(hops[at].ip) and not are_related(hops[at].by, hops[at].sender)]
    return seen[-1] if seen else None


def are_related(one: str, other: str) -> bool:
    """Whether two hosts seem to be of the same operator: equal, or alike in their last two labels at least."""
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    if not one or not other or one.replace(".", "").isdigit() or other.replace(".", "").isdigit():
        return one == other != ""
    if one == other:
        return True
    tail = ".".join(one.split(".")[-2:])
    # example.co.uk and other.co.uk have two labels in common, and nothing else.
    short = len(tail) <= 7 and "." in tail and len(one.split(".")) > 2
    tail = ".".join(one.split(".")[-3:]) if short else tail
    return "." in tail and within(other, tail)
