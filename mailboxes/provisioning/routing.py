"""Where mail for an address goes, as Postfix decides it: mailbox, alias, role address, catch-all, or elsewhere. Pure.

Postfix looks an address up without its ``+tag``, then its ``@domain``, in ``virtual_alias_maps`` (virtual(5), "TABLE
SEARCH ORDER"). It looks up what it finds in turn, until an address leads to itself or to nothing. An address that comes
back to itself in more than one step makes it give up with a temporary error (postconf(5),
``virtual_alias_recursion_limit``), so the mail never gets in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

#: Every mail domain must take mail for these: RFC 5321 section 4.5.1, and RFC 2142 sections 2 and 4.
ROLES = ("postmaster", "abuse")
#: In the domain of the hostname also what Postfix completes by itself: root, and the sender of its own notices.
HOST_ROLES = (*ROLES, "root", "double-bounce")
#: What programs send about our mail: bounces, and the reports of RFC 7489 and RFC 8460. Quazzar's own mailbox gets it.
OWN_ROLES = ("bounces", "dmarc", "tlsrpt")


class Kind(StrEnum):
    """What takes the mail for an address."""

    MAILBOX = "mailbox"
    ALIAS = "alias"
    ROLE = "role"
    CATCH_ALL = "catch_all"
    OUTSIDE = "outside"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox that receives.

    Attributes:
        forward_to: other addresses that get its mail.
        keep_copy: it keeps the mail as well; without ``forward_to`` it always does.
    """

    forward_to: tuple[str, ...] = ()
    keep_copy: bool = True


@dataclass(frozen=True, slots=True)
class Directory:
    """What the rows say, or those of them that matter. Disabled aliases and mailboxes that do not receive are left out.

    Attributes:
        domains: each of our domains → its catch-all, "" for none.
        aliases: address → destinations.
        roles: address that must exist → where it leads if no mailbox and no alias has it.
    """

    domains: Mapping[str, str] = field(default_factory=dict)
    mailboxes: Mapping[str, Box] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hop:
    """The first step of mail for an address.

    Attributes:
        key: what Postfix finds: the address without its tag, or ``@domain``.
        targets: where the mail goes next.
        stays: the mail has arrived, whatever else gets a copy.
    """

    kind: Kind
    key: str
    targets: tuple[str, ...] = ()
    stays: bool = False


def hop(address: str, directory: Directory) -> Hop:
    """The first step of mail for the address; ``@domain`` stands for any address in it that nobody has."""
    key = untagged(address)
    domain = key.rpartition("@")[2]
    if domain not in directory.domains:
        return Hop(Kind.OUTSIDE, key, stays=True)
    box, alias = directory.mailboxes.get(key), directory.aliases.get(key, ())
    if box is not None:
        # If two requests raced and an address is both mailbox and alias, its mail is kept and forwarded.
        return Hop(Kind.MAILBOX, key, box.forward_to + alias, box.keep_copy or not box.forward_to)
    if alias:
        return Hop(Kind.ALIAS, key, alias)
    if key in directory.roles:
        return Hop(Kind.ROLE, key, directory.roles[key])
    if catch_all := directory.domains[domain]:
        return Hop(Kind.CATCH_ALL, f"@{domain}", (catch_all,))
    return Hop(Kind.NOBODY, key)


class Map:
    """Every step that mail for some addresses can take.

    Args:
        starts: addresses, or ``@domain`` for its catch-all.
        look: returns the hops of some addresses; asked once for each step away from the starts.
    """

    def __init__(self, starts: Iterable[str], look: Callable[[Collection[str]], Mapping[str, Hop]]) -> None:
        self.hops: dict[str, Hop] = {}
        self._keys: dict[str, str] = {}
        ahead = set(starts)
        while ahead:
            found = look(ahead)
            self._keys |= {address: found[address].key for address in ahead}
            fresh = {hop.key: hop for hop in found.values() if hop.key not in self.hops}
            self.hops |= fresh
            self._keys |= {key: key for key in fresh}
            ahead = {target for hop in fresh.values() for target in hop.targets} - self._keys.keys()

    def hop(self, address: str) -> Hop:
        """The step for an address on the map."""
        return self.hops[self._keys[address]]

    def next(self, key: str) -> list[tuple[str, str]]:
        """The targets of a row, each with the row that it leads to.

        A catch-all whose target nobody has leads to itself, and is left out: Postfix stops there.
        """
        hop = self.hops[key]
        steps = ((target, self._keys[target]) for target in hop.targets)
        return [(target, to) for target, to in steps if to != key or hop.kind is not Kind.CATCH_ALL]

    def staying(self) -> set[str]:
        """The rows where mail stays. A mailbox that forwards to nobody keeps its mail, or it would be lost."""
        stays = {key for key, hop in self.hops.items() if hop.stays}
        arriving = self._leading_to(stays)
        return stays | {
            key for key, hop in self.hops.items() if hop.kind is Kind.MAILBOX and key not in arriving
        }

    def arriving(self) -> set[str]:
        """The rows whose mail arrives: in a mailbox or outside, directly or through other rows."""
        return self._leading_to(self.staying())

    def _leading_to(self, goals: set[str]) -> set[str]:
        leading = set(goals)
        undecided = self.hops.keys() - leading
        # Backwards from the goals, so that rows that only lead to each other never count.
        while decided := {key for key in undecided if any(to in leading for _, to in self.next(key))}:
            leading |= decided
            undecided -= decided
        return leading

    def circling(self) -> set[str]:
        """The rows from which a circle can be reached: Postfix would always refuse their mail."""
        left = set(self.hops)
        while ended := {key for key in left if not any(to in left for _, to in self.next(key))}:
            left -= ended
        return left

    def circle(self, start: str) -> list[str]:
        """The addresses of a circle through the row of this address, which is the first and the last; or none."""
        home = self._keys[start]
        came_from: dict[str, tuple[str, str]] = {}
        ahead = [home]
        while ahead:
            here = ahead.pop(0)
            for target, to in self.next(here):
                if to not in came_from:
                    came_from[to] = (here, target)
                    ahead.append(to)
            if home in came_from:
                return _path(home, came_from)
        return []

    def ends(self, address: str) -> list[str]:
        """Where mail for the address arrives in the end: mailboxes, and addresses outside, without duplicates."""
        ends: dict[str, None] = {}
        seen, ahead, staying = set[str](), [address], self.staying()
        while ahead:
            here = ahead.pop(0)
            hop = self.hop(here)
            if hop.key in staying:
                ends[here if hop.kind is Kind.OUTSIDE else hop.key] = None
            if hop.key not in seen:
                seen.add(hop.key)
                ahead += [target for target, _ in self.next(hop.key)]
        return list(ends)


def _path(home: str, came_from: Mapping[str, tuple[str, str]]) -> list[str]:
    here, path = home, list[str]()
    while not path or here != home:
        here, target = came_from[here]
        path.append(target)
    path.reverse()
    # The catch-all's row is shown as the address that falls to it.
    shown = path[-1] if home.startswith("@") else home
    return [shown, *path[:-1], shown]


def untagged(address: str) -> str:
    """The address as Postfix finally looks it up: in lower case, without ``+tag``."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"
