"""The edge to DNS: asks name servers, many questions side by side, and never longer than agreed.

Whatever DNS can answer is a value, and not an exception.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.rcode
import dns.resolver

from dnsrecords.answers import Answer, Outcome, Question, ServerAnswer
from dnsrecords.faults import failed
from dnsrecords.lookup import addresses, majority, wire
from dnsrecords.lookup.addresses import Address
from dnsrecords.names import within

Server = tuple[str, Address]
T = TypeVar("T")

#: Seconds that each try waits. UDP gets lost, so there are two; a resolver may have to ask many others first.
_TRIES, _TRIES_OF_RESOLVERS = (1.5, 1.5), (1.5, 3.0)
#: Seconds for one question to all resolvers together, lest silent ones use up the whole time.
_QUESTION = 6.0
#: Questions under way at once: each has a socket, and sixteen checks side by side must not reach 1,024.
_AT_ONCE = 40
#: Name servers of a zone that are asked; no zone needs more to be judged.
_MOST_SERVERS = 8
#: What a server says that does not know EDNS (RFC 6891 §7).
_WITHOUT_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP)
_BROKEN = (dns.exception.DNSException, EOFError)
#: Not the server's fault: this node is short of sockets or memory for a moment.
_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EADDRNOTAVAIL}


class Resolver:
    """Asks for one check, whose time begins now. What it has learned of name servers it keeps until it is closed.

    Args:
        servers: recursive ones, ``address`` or ``address:port``; empty: those of this machine.
        deadline: seconds for everything that is asked of it. Afterwards each answer is a time-out.
        zones: zone → its name servers as ``address:port``, where DNS does not say so: on machines without one.
        port: where the name servers of zones listen.
    """

    def __init__(
        self,
        servers: Iterable[str] = (),
        deadline: float = 10.0,
        zones: Mapping[str, tuple[str, ...]] | None = None,
        port: int = 53,
    ) -> None:
        self._recursive = [addresses.parse(each) for each in servers] or _of_this_machine()
        self._end = time.monotonic() + deadline
        self._port = port
        self._zones = {
            zone: [(each, addresses.parse(each, port)) for each in found]
            for zone, found in (zones or {}).items()
        }
        self._types = addresses.reachable_types()
        self._known: dict[Question, Answer] = {}
        self._zone_names: dict[str, str] = {}
        self._heard: set[Address] = set()
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

    def by_each(self, questions: Iterable[Question]) -> dict[Question, tuple[ServerAnswer, ...]]:
        """What each of the recursive servers has, side by side: how far a change has spread."""
        wanted = list(dict.fromkeys(questions))

        async def gathered() -> list[list[ServerAnswer]]:
            bound = _Bound()
            asked = (
                asyncio.gather(*(self._heard_by(at, *each, bound) for at in self._recursive))
                for each in wanted
            )
            return list(await asyncio.gather(*asked))

        return {each: tuple(said) for each, said in zip(wanted, asyncio.run(gathered()), strict=True)}

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
            async with bound.places:
                self._known[name, type_] = await self._ask_resolvers(name, type_)
        return self._known[name, type_]

    async def _ask_resolvers(self, name: str, type_: str, flags: int = dns.flags.RD | dns.flags.AD) -> Answer:
        """The first answer that is one; else the first failure that says more than silence."""
        query = wire.query(name, type_, flags)
        if query is None:
            return Answer(name, type_, Outcome.BAD)
        end = min(self._end, time.monotonic() + _QUESTION)
        # A resolver may be silent about one name only, so those are asked last, but asked.
        waiting = sorted(self._recursive, key=self._silent.__contains__)
        failures = [] if waiting else [Outcome.NO_SERVER]
        tries = _TRIES_OF_RESOLVERS[: 1 if all(map(self._deaf, waiting)) else None]
        for seconds in tries:
            for address in tuple(waiting):
                found = await self._try(address, query, min(end, time.monotonic() + seconds))
                if found is Outcome.TIMEOUT:
                    self._silent.add(address)
                    continue
                waiting.remove(address)
                said = found if isinstance(found, Outcome) else self._said(found, name, type_)
                if isinstance(said, Answer) and not failed(said.outcome):
                    return said
                failures.append(said.outcome if isinstance(said, Answer) else said)
        silence = [Outcome.TIMEOUT] if waiting else []
        heard = [each for each in failures if each is not Outcome.NO_SERVER]
        return Answer(name, type_, [*heard, *silence, *failures][0])

    async def _heard_by(self, address: Address, name: str, type_: str, bound: _Bound) -> ServerAnswer:
        async with bound.places:
            found = await self._ask(address, name, type_, dns.flags.RD)
        said = found if isinstance(found, Outcome) else wire.answer(found, name, type_)
        where = f"{address[0]}:{address[1]}"
        if isinstance(said, Outcome):
            return ServerAnswer(where, where, said)
        return ServerAnswer(where, where, said.outcome, said.values, said.ttl)

    def _said(self, message: dns.message.Message, name: str, type_: str) -> Answer:
        zone = wire.zone_of(message)
        # Behind a CNAME it is the zone of where that leads.
        if zone and (within(name, zone)):
            self._zone_names.setdefault(name, zone)
        return wire.answer(message, name, type_)

    # --- authoritative ---------------------------------------------------------------------------------------
    async def _authoritatively(self, name: str, type_: str, bound: _Bound) -> Answer:
        usual, servers = await asyncio.gather(
            self._recursively(name, type_, bound), self._servers_for(name, bound)
        )
        answers = await asyncio.gather(*(self._one(address, name, type_, bound) for _, address in servers))
        said = [(host, at, answer) for (host, (at, _)), answer in zip(servers, answers, strict=True)]
        agreed = majority.agreed(said, usual)
        if usual.outcome is Outcome.SERVFAIL and not failed(agreed.outcome):
            unchecked = await self._ask_resolvers(name, type_, dns.flags.RD | dns.flags.CD)
            if not failed(unchecked.outcome):
                # Its signature is broken: nobody who checks it will use what the name servers say.
                return replace(usual, servers=agreed.servers)
        return agreed

    async def _one(self, address: Address, name: str, type_: str, bound: _Bound) -> Answer:
        async with bound.places:
            found = await self._ask(address, name, type_)
        if isinstance(found, Outcome):
            return Answer(name, type_, found)
        answer = wire.answer(found, name, type_)
        if not failed(answer.outcome) and not found.flags & dns.flags.AA:
            # It refers to others, or knows it by hearsay: not a server of this zone.
            return Answer(name, type_, Outcome.LAME)
        return answer

    async def _servers_for(self, name: str, bound: _Bound) -> list[Server]:
        """(name, address) of each name server of the zone that a name is in."""
        for zone, pinned in self._zones.items():
            if within(name, zone):
                return pinned
        zone = await self._zone(name, bound)
        return await bound.once(("servers", zone, ""), lambda: self._servers(zone, bound)) if zone else []

    async def _zone(self, name: str, bound: _Bound) -> str:
        """The nearest at or above the name; empty when only a registry's is left, whose servers know no more."""
        while "." in name:
            await self._recursively(name, "SOA", bound)
            zone = self._zone_names.get(name, "")
            if zone:
                return zone if "." in zone else ""
            name = name.partition(".")[2]
        return ""

    async def _servers(self, zone: str, bound: _Bound) -> list[Server]:
        names = sorted((await self._recursively(zone, "NS", bound)).values)[:_MOST_SERVERS]
        found = await asyncio.gather(*(self._addresses(each, bound) for each in names))
        return [(name, address) for name, some in zip(names, found, strict=True) for address in some]

    async def _addresses(self, host: str, bound: _Bound) -> list[Address]:
        """One of a server is enough."""
        for type_ in self._types:
            if values := (await self._recursively(host, type_, bound)).values:
                return [(min(values), self._port)]
        return []

    # --- one question to one server --------------------------------------------------------------------------
    async def _ask(
        self, address: Address, name: str, type_: str, flags: int = 0
    ) -> dns.message.Message | Outcome:
        query = wire.query(name, type_, flags)
        if query is None:
            return Outcome.BAD
        for seconds in _TRIES:
            if self._deaf(address):
                return Outcome.TIMEOUT
            found = await self._try(address, query, min(self._end, time.monotonic() + seconds))
            if found is not Outcome.TIMEOUT:
                return found
        self._silent.add(address)
        return Outcome.TIMEOUT

    def _deaf(self, address: Address) -> bool:
        """It never answered, and was given its time: the next question need not wait for it."""
        return address in self._silent and address not in self._heard

    async def _try(
        self, address: Address, query: dns.message.Message, end: float
    ) -> dns.message.Message | Outcome:
        while (left := end - time.monotonic()) > 0:
            try:
                found = await _exchange(query, address, left)
            except dns.exception.Timeout:
                break
            except OSError as exc:
                if exc.errno not in _SHORT:
                    return Outcome.NO_SERVER
                await asyncio.sleep(0.05)
                continue
            except _BROKEN:
                return Outcome.BAD
            self._heard.add(address)
            self._silent.discard(address)
            if found.rcode() not in _WITHOUT_EDNS or query.edns < 0:
                return found
            query.use_edns(False)
        return Outcome.TIMEOUT


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


def _of_this_machine() -> list[Address]:
    try:
        return [(str(each), 53) for each in dns.resolver.Resolver().nameservers]
    except dns.resolver.NoResolverConfiguration:
        return []
