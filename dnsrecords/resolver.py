"""The edge to DNS: asks name servers, many questions side by side, and never longer than agreed.

Whatever DNS can answer is a value, and not an exception.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.resolver
import dns.rrset

from dnsrecords.answers import Answer, Outcome, ServerAnswer

Question = tuple[str, str]
Address = tuple[str, int]
T = TypeVar("T")

#: Seconds for one try; UDP gets lost, so there are two.
_TRY, _TRIES = 1.5, 2
#: Questions under way at once.
_AT_ONCE = 100
#: Name servers of a zone that are asked; no zone needs more to be judged.
_MOST_SERVERS = 8
#: What a server may say that is no answer.
_FAILED = frozenset(Outcome) - {Outcome.FOUND, Outcome.NO_DATA, Outcome.NXDOMAIN}
_RCODES = {
    dns.rcode.NXDOMAIN: Outcome.NXDOMAIN,
    dns.rcode.SERVFAIL: Outcome.SERVFAIL,
    dns.rcode.REFUSED: Outcome.REFUSED,
    dns.rcode.NOTAUTH: Outcome.REFUSED,
}
#: CNAMEs followed within a message; a longer chain is a circle, or might as well be one.
_MOST_ALIASES = 8
_BROKEN = (dns.exception.DNSException, OSError, EOFError, asyncio.IncompleteReadError)


class Resolver:
    """Asks for one check, whose time begins now. What it has learned of name servers it keeps until it is closed.

    Args:
        servers: recursive ones, ``address`` or ``address:port``; empty: those of this machine.
        deadline: seconds for everything that is asked of it. Afterwards each answer is a time-out.
        zones: zone → its name servers as ``address:port``, where DNS does not say so: on machines without one.
    """

    def __init__(
        self,
        servers: Iterable[str] = (),
        deadline: float = 10.0,
        zones: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._recursive = [_address(each) for each in servers] or _of_this_machine()
        self._end = time.monotonic() + deadline
        self._zones = {
            zone: [(each, _address(each)) for each in found] for zone, found in (zones or {}).items()
        }
        self._known: dict[Question, Answer] = {}
        self._zone_names: dict[str, str] = {}
        self._silent: set[Address] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._known.clear()

    # --- asked from outside ----------------------------------------------------------------------------------
    def lookup(self, name: str, type_: str) -> Answer:
        """By the recursive servers."""
        return self.lookup_all([(name, type_)])[name, type_]

    def lookup_all(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """The same for many, side by side."""
        return self._all(questions, self._recursively)

    def authoritative(self, name: str, type_: str) -> Answer:
        """By each of the zone's own name servers; by the recursive ones if none of those can be reached."""
        return self.authoritative_all([(name, type_)])[name, type_]

    def authoritative_all(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """The same for many, side by side."""
        return self._all(questions, self._authoritatively)

    def _all(
        self, questions: Iterable[Question], ask: Callable[[str, str, _Bound], Awaitable[Answer]]
    ) -> dict[Question, Answer]:
        wanted = list(dict.fromkeys(questions))

        async def gathered() -> list[Answer]:
            bound = _Bound()
            return list(await asyncio.gather(*(ask(name, type_, bound) for name, type_ in wanted)))

        return dict(zip(wanted, asyncio.run(gathered()), strict=True)) if wanted else {}

    # --- recursive -------------------------------------------------------------------------------------------
    async def _recursively(self, name: str, type_: str, bound: _Bound) -> Answer:
        return await bound.once(
            ("recursive", name, type_), lambda: self._recursive_answer(name, type_, bound)
        )

    async def _recursive_answer(self, name: str, type_: str, bound: _Bound) -> Answer:
        if (name, type_) not in self._known:
            self._known[name, type_] = await self._ask_resolvers(name, type_, bound)
        return self._known[name, type_]

    async def _ask_resolvers(self, name: str, type_: str, bound: _Bound) -> Answer:
        """The first answer that is one; else what the first resolver said."""
        failed: list[Answer] = []
        for address in self._recursive:
            found = await self._ask(address, name, type_, bound, recursive=True)
            if isinstance(found, Outcome):
                failed.append(Answer(name, type_, found))
                continue
            said = _answer(found, name, type_, recursive=True)
            self._note_zone(name, found)
            if said.outcome not in _FAILED:
                return said
            failed.append(said)
        return failed[0] if failed else Answer(name, type_, Outcome.NO_SERVER)

    def _note_zone(self, name: str, message: dns.message.Message) -> None:
        if zone := _zone_of(message):
            self._zone_names.setdefault(name, zone)

    # --- authoritative ---------------------------------------------------------------------------------------
    async def _authoritatively(self, name: str, type_: str, bound: _Bound) -> Answer:
        usual, servers = await asyncio.gather(
            self._recursively(name, type_, bound), self._servers_for(name, bound)
        )
        said = await asyncio.gather(*(self._one(server, name, type_, bound) for server in servers))
        if all(each.outcome in _FAILED for each, _ in said):
            return usual
        return self._together(name, type_, [each for each, _ in said], [each for _, each in said], usual)

    async def _one(
        self, server: tuple[str, Address], name: str, type_: str, bound: _Bound
    ) -> tuple[ServerAnswer, Answer]:
        host, address = server
        found = await self._ask(address, name, type_, bound, recursive=False)
        if isinstance(found, Outcome):
            answer = Answer(name, type_, found)
        else:
            answer = _answer(found, name, type_, recursive=False)
        return ServerAnswer(host, address[0], answer.outcome, answer.values, answer.ttl), answer

    def _together(
        self, name: str, type_: str, servers: list[ServerAnswer], answers: list[Answer], usual: Answer
    ) -> Answer:
        """What most of those who answered say."""
        good = [each for each in answers if each.outcome not in _FAILED]
        counted = Counter((each.outcome, tuple(sorted(each.values))) for each in good)
        (outcome, values), _ = counted.most_common(1)[0]
        main = next(each for each in good if (each.outcome, tuple(sorted(each.values))) == (outcome, values))
        if main.cname and not main.values:
            # It leads into another zone, which these servers need not know.
            main = replace(usual, cname=usual.cname or main.cname)
        return replace(main, servers=tuple(servers), authenticated=usual.authenticated)

    async def _servers_for(self, name: str, bound: _Bound) -> list[tuple[str, Address]]:
        """(name, address) of each name server of the zone that a name is in."""
        for zone, pinned in self._zones.items():
            if name == zone or name.endswith(f".{zone}"):
                return pinned
        zone = await bound.once(("zone", name, ""), lambda: self._zone(name, bound))
        # Of a name directly below a top-level domain that is not there, the registry's servers know no more.
        return (
            await bound.once(("servers", zone, ""), lambda: self._servers(zone, bound)) if "." in zone else []
        )

    async def _zone(self, name: str, bound: _Bound) -> str:
        if name not in self._zone_names:
            await self._recursively(name, "SOA", bound)
        return self._zone_names.get(name, "")

    async def _servers(self, zone: str, bound: _Bound) -> list[tuple[str, Address]]:
        names = sorted((await self._recursively(zone, "NS", bound)).values)[:_MOST_SERVERS]
        found = await asyncio.gather(*(self._addresses(each, bound) for each in names))
        return [(name, address) for name, some in zip(names, found, strict=True) for address in some]

    async def _addresses(self, host: str, bound: _Bound) -> list[Address]:
        """One of a server is enough, an IPv4 one if there is one: many nodes have no other way out."""
        for type_ in ("A", "AAAA"):
            if values := (await self._recursively(host, type_, bound)).values:
                return [(sorted(values)[0], 53)]
        return []

    # --- one question to one server --------------------------------------------------------------------------
    async def _ask(
        self, address: Address, name: str, type_: str, bound: _Bound, *, recursive: bool
    ) -> dns.message.Message | Outcome:
        try:
            query = _query(name, type_, recursive=recursive)
        except ValueError:
            return Outcome.BAD
        if address in self._silent:
            return Outcome.TIMEOUT
        outcome = Outcome.TIMEOUT
        async with bound.places:
            for _ in range(_TRIES):
                left = min(_TRY, self._end - time.monotonic())
                if left <= 0:
                    return Outcome.TIMEOUT
                try:
                    return await _exchange(query, address, left)
                except dns.exception.Timeout:
                    outcome = Outcome.TIMEOUT
                except OSError:
                    return Outcome.NO_SERVER
                except _BROKEN:
                    outcome = Outcome.BAD
        if outcome is Outcome.TIMEOUT:
            self._silent.add(address)  # two tries were lost: the next question need not wait for it
        return outcome


class _Bound:
    """What belongs to one event loop: the places for questions under way, and what is being found out already."""

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[tuple[str, str, str], asyncio.Future[object]] = {}

    async def once(self, key: tuple[str, str, str], find: Callable[[], Awaitable[T]]) -> T:
        """What `find` finds; whoever asks for the same meanwhile waits for that."""
        if key not in self._under_way:
            self._under_way[key] = asyncio.ensure_future(find())
        return await self._under_way[key]  # type: ignore[return-value]


async def _exchange(query: dns.message.Message, address: Address, seconds: float) -> dns.message.Message:
    """By UDP, and by TCP where that is cut short. Answers to other questions are passed over."""
    host, port = address
    try:
        async with asyncio.timeout(seconds), await _connected(address) as sock:
            found, _ = await dns.asyncquery.udp_with_fallback(
                query,
                host,
                timeout=seconds,
                port=port,
                ignore_unexpected=True,
                ignore_errors=True,
                udp_sock=sock,
            )
    except TimeoutError as exc:
        raise dns.exception.Timeout from exc
    return found


async def _connected(address: Address) -> Any:
    """A socket that hears of it when nobody listens there; without that, each closed port would cost the whole wait."""
    family = dns.inet.af_for_address(address[0])
    backend = dns.asyncbackend.get_default_backend()
    return await backend.make_socket(family, socket.SOCK_DGRAM, 0, None, address)  # type: ignore[no-untyped-call]


def _address(text: str) -> Address:
    """``192.0.2.1``, ``192.0.2.1:5353``, ``2001:db8::1`` or ``[2001:db8::1]:5353``."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, int(port.removeprefix(":") or 53)
    host, colon, port = text.partition(":")
    return (host, int(port or 53)) if colon and ":" not in port else (text, 53)


def _of_this_machine() -> list[Address]:
    try:
        return [(str(each), 53) for each in dns.resolver.Resolver().nameservers]
    except dns.resolver.NoResolverConfiguration:
        return []


# --- messages ----------------------------------------------------------------------------------------------
def _query(name: str, type_: str, *, recursive: bool) -> dns.message.Message:
    """A question, as it goes over the wire.

    Raises:
        ValueError: that cannot be the name of anything.
    """
    try:
        asked = dns.message.make_query(name, type_, use_edns=0, payload=1232)
    except (dns.name.BadLabelType, dns.exception.DNSException, UnicodeError) as exc:
        raise ValueError(f"{name!a} is no name.") from exc
    if not recursive:
        asked.flags &= ~dns.flags.RD
    return asked


def _answer(message: dns.message.Message, name: str, type_: str, *, recursive: bool) -> Answer:
    """What a message says to a question."""
    rcode = message.rcode()
    if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return Answer(name, type_, _RCODES.get(rcode, Outcome.BAD))
    aliases = list(_aliases(message, name))
    if len(aliases) > _MOST_ALIASES:
        return Answer(name, type_, Outcome.BAD, cname=aliases[0])
    last = aliases[-1] if aliases else name
    found = _rrset(message, last, type_)
    authenticated = bool(message.flags & dns.flags.AD)
    cname = aliases[-1] if aliases and type_ != "CNAME" else ""
    if found is not None:
        values = tuple(_text(each) for each in found)
        return Answer(name, type_, Outcome.FOUND, values, found.ttl, cname=cname, authenticated=authenticated)
    if not recursive and not aliases and not message.flags & dns.flags.AA:
        # It refers to others, or knows nothing: not a server of this zone.
        return Answer(name, type_, Outcome.LAME)
    outcome = Outcome.NXDOMAIN if rcode == dns.rcode.NXDOMAIN else Outcome.NO_DATA
    return Answer(name, type_, outcome, ttl=_negative_ttl(message), cname=cname, authenticated=authenticated)


def _zone_of(message: dns.message.Message) -> str:
    """The zone that the SOA record in an answer names; empty when there is none."""
    for section in (message.answer, message.authority):
        for rrset in section:
            if rrset.rdtype == dns.rdatatype.SOA:
                return _plain(rrset.name)
    return ""


def _plain(name: dns.name.Name) -> str:
    """Lower case, without a final dot; the root is the empty text."""
    return name.canonicalize().to_text(omit_final_dot=True) if len(name) > 1 else ""


def _aliases(message: dns.message.Message, name: str) -> Iterator[str]:
    """Where the CNAMEs in a message lead, one after the other."""
    current = name
    for _ in range(_MOST_ALIASES + 1):
        found = _rrset(message, current, "CNAME")
        if found is None:
            return
        current = _plain(found[0].target)
        yield current


def _rrset(message: dns.message.Message, name: str, type_: str) -> dns.rrset.RRset | None:
    for rrset in message.answer:
        if _plain(rrset.name) == name.lower() and dns.rdatatype.to_text(rrset.rdtype) == type_:
            return rrset
    return None


def _negative_ttl(message: dns.message.Message) -> int | None:
    """How long caches may keep that there is nothing (RFC 2308 §5)."""
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return int(min(rrset.ttl, rrset[0].minimum))
    return None


def _text(data: dns.rdata.Rdata) -> str:
    match dns.rdatatype.to_text(data.rdtype):
        case "TXT":
            return b"".join(data.strings).decode("latin-1")  # type: ignore[attr-defined]
        case "MX":
            return f"{data.preference} {_plain(data.exchange)}"  # type: ignore[attr-defined]
        case "CNAME" | "PTR" | "NS":
            return _plain(data.target)  # type: ignore[attr-defined]
        case "SRV":
            return f"{data.priority} {data.weight} {data.port} {_plain(data.target)}"  # type: ignore[attr-defined]
    return data.to_text()
