"""The edge to DNS: sends many queries in parallel, within a fixed time.

Every possible answer of DNS is a value, not an exception.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

import dns.asyncquery
import dns.exception
import dns.flags
import dns.inet
import dns.rcode
import dns.resolver

from dnsrecords.answers import Answer, Outcome, Question, ServerAnswer
from dnsrecords.faults import failed
from dnsrecords.lookup import addresses, majority, wire
from dnsrecords.lookup.addresses import Address
from dnsrecords.names import within

#: Name and address of a name server.
Server: TypeAlias = tuple[str, Address]
T = TypeVar("T")

#: Seconds that each try waits. UDP gets lost, so there are two; a resolver may have to ask many others first.
_TRIES, _TRIES_OF_RESOLVERS = (1.5, 1.5), (1.5, 3.0)
#: Seconds for one question to all resolvers together, so that silent ones do not use up the whole time.
_QUESTION = 6.0
#: The least time in seconds that gives a server a fair chance; with less left, it is not asked, and not called silent.
_CHANCE = 0.5
#: Queries in progress at once: each has a socket, and sixteen parallel checks must not reach 1,024.
_AT_ONCE = 40
#: Name servers of a zone that are asked; no zone needs more to be judged.
_MOST_SERVERS = 8
#: How a server answers that does not know EDNS (RFC 6891 §7).
_WITHOUT_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP)
#: Nobody answered, so another query may end in the same way and take as long.
_UNHEARD = (Outcome.TIMEOUT, Outcome.UNASKED, Outcome.NO_SERVER)
_BROKEN = (dns.exception.DNSException, EOFError)
#: Not the server's fault: this node is short of sockets or memory for a moment.
_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EADDRNOTAVAIL}


class Resolver:
    """Asks the questions of one check. It remembers answers, and which name servers are silent, until it is closed.

    Args:
        servers: recursive ones, ``address`` or ``address:port``; empty: those of this machine.
        deadline: seconds from now for everything that is asked. What it leaves no time for is `Outcome.UNASKED`.
        zones: zone → its name servers as ``address:port``, on machines whose DNS does not know the zone.
        port: where the name servers of zones listen.
    """

    def __init__(
        self,
        servers: Iterable[str] = (),
        deadline: float = 10.0,
        zones: Mapping[str, tuple[str, ...]] | None = None,
        port: int = 53,
    ) -> None:
        self._recursive = [addresses.parse(server) for server in servers] or _of_this_machine()
        self._started = time.monotonic()
        self._deadline = deadline
        self._end = self._started + deadline
        self._port = port
        self._zones = {
            zone: [(server, addresses.parse(server, port)) for server in pinned]
            for zone, pinned in (zones or {}).items()
        }
        self._types = addresses.reachable_types()
        self._answers: dict[Question, Answer] = {}
        self._zone_names: dict[str, str] = {}
        self._responsive: set[Address] = set()
        self._silent: set[Address] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers.clear()

    # --- for callers -----------------------------------------------------------------------------------------
    def allow(self, share: float) -> None:
        """Lets what is asked next take time until this share of the deadline has passed, counted from the start."""
        self._end = self._started + share * self._deadline

    def lookup(self, name: str, type_: str) -> Answer:
        """The answer of the recursive servers."""
        return self.lookup_all([(name, type_)])[name, type_]

    def lookup_all(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """The answers of the recursive servers to many questions, queried in parallel."""
        return self._all(questions, self._recursively)

    def authoritative(self, name: str, type_: str) -> Answer:
        """The answer of the zone's own name servers; of the recursive ones if none of those can be reached."""
        return self.authoritative_all([(name, type_)])[name, type_]

    def authoritative_all(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """The answers of the zones' own name servers to many questions, queried in parallel."""
        return self._all(questions, self._authoritatively)

    def by_each(self, questions: Iterable[Question]) -> dict[Question, tuple[ServerAnswer, ...]]:
        """The answers of each single recursive server, queried in parallel: how far a change has spread."""
        distinct = list(dict.fromkeys(questions))

        async def gathered() -> list[list[ServerAnswer]]:
            bound = _Bound()
            asked = (
                asyncio.gather(*(self._from_resolver(at, *question, bound) for at in self._recursive))
                for question in distinct
            )
            return list(await asyncio.gather(*asked))

        answers = map(tuple, asyncio.run(gathered()))
        return dict(zip(distinct, answers, strict=True))

    def _all(
        self, questions: Iterable[Question], ask: Callable[[str, str, _Bound], Awaitable[Answer]]
    ) -> dict[Question, Answer]:
        distinct = list(dict.fromkeys(questions))

        async def gathered() -> list[Answer]:
            bound = _Bound()
            return list(await asyncio.gather(*(ask(name, type_, bound) for name, type_ in distinct)))

        return dict(zip(distinct, asyncio.run(gathered()), strict=True)) if distinct else {}

    # --- recursive servers -----------------------------------------------------------------------------------
    async def _recursively(self, name: str, type_: str, bound: _Bound) -> Answer:
        return await bound.once(
            ("recursive", name, type_), lambda: self._recursive_answer(name, type_, bound)
        )

    async def _recursive_answer(self, name: str, type_: str, bound: _Bound) -> Answer:
        if (name, type_) not in self._answers:
            async with bound.places:
                answer = await self._ask_resolvers(name, type_)
            if answer.outcome is Outcome.UNASKED:
                return answer  # there may be time later
            self._answers[name, type_] = answer
        return self._answers[name, type_]

    async def _ask_resolvers(self, name: str, type_: str, flags: int = dns.flags.RD | dns.flags.AD) -> Answer:
        """The first answer that is not a failure; else the first failure that says more than silence."""
        query = wire.query(name, type_, flags)
        if query is None:
            return Answer(name, type_, Outcome.BAD)
        end = min(self._end, time.monotonic() + _QUESTION)
        # A resolver may be silent about one name only, so silent ones are asked last, but asked.
        waiting = sorted(self._recursive, key=self._silent.__contains__)
        failures = [] if waiting else [Outcome.NO_SERVER]
        silence: list[Outcome] = []
        tries = _TRIES_OF_RESOLVERS[: 1 if all(map(self._is_down, waiting)) else None]
        for seconds in tries:
            for address in tuple(waiting):
                reply = await self._try(address, query, seconds, end)
                if reply is Outcome.TIMEOUT or reply is Outcome.UNASKED:
                    silence.append(reply)
                    if reply is Outcome.TIMEOUT and time.monotonic() < end:
                        self._silent.add(address)
                    continue
                waiting.remove(address)
                if isinstance(reply, Outcome):
                    failures.append(reply)
                    continue
                answer = reply.answer(name, type_)
                self._note_zone(reply, name)
                if not failed(answer.outcome):
                    return answer
                failures.append(answer.outcome)
        telling = [outcome for outcome in failures if outcome is not Outcome.NO_SERVER]
        silence.sort(key=Outcome.UNASKED.__eq__)
        return Answer(name, type_, [*telling, *silence, *failures][0])

    def _note_zone(self, reply: wire.Reply, name: str) -> None:
        zone = reply.zone()
        # Behind a CNAME it is the zone of where that leads.
        if zone and within(name, zone):
            self._zone_names.setdefault(name, zone)

    async def _from_resolver(self, address: Address, name: str, type_: str, bound: _Bound) -> ServerAnswer:
        async with bound.places:
            reply = await self._ask(address, name, type_, dns.flags.RD)
        where = f"{address[0]}:{address[1]}"
        if isinstance(reply, Outcome):
            return ServerAnswer(where, where, reply)
        answer = reply.answer(name, type_)
        return ServerAnswer(where, where, answer.outcome, answer.values, answer.ttl)

    # --- authoritative servers -------------------------------------------------------------------------------
    async def _authoritatively(self, name: str, type_: str, bound: _Bound) -> Answer:
        from_resolvers, servers = await asyncio.gather(
            self._recursively(name, type_, bound), self._servers_for(name, bound)
        )
        answers = await asyncio.gather(
            *(self._from_server(address, name, type_, bound) for _, address in servers)
        )
        from_servers = [(host, at, answer) for (host, (at, _)), answer in zip(servers, answers, strict=True)]
        behind = {
            target: await self._recursively(target, type_, bound)
            for target in majority.targets(answers, from_resolvers)
        }
        agreed = majority.agreed(from_servers, from_resolvers, behind)
        if from_resolvers.outcome is Outcome.SERVFAIL and not failed(agreed.outcome):
            unchecked = await self._ask_resolvers(name, type_, dns.flags.RD | dns.flags.CD)
            if not failed(unchecked.outcome):
                # Its signature is broken: nobody who checks it will use what the name servers say.
                agreed = replace(from_resolvers, servers=agreed.servers)
        return replace(agreed, zone=await self._zone(name, bound))

    async def _from_server(self, address: Address, name: str, type_: str, bound: _Bound) -> Answer:
        async with bound.places:
            reply = await self._ask(address, name, type_)
        if isinstance(reply, Outcome):
            return Answer(name, type_, reply)
        answer = reply.answer(name, type_)
        if not failed(answer.outcome) and not reply.flags & dns.flags.AA:
            # It refers to other servers, or answers from its cache: it is not a server of this zone.
            return Answer(name, type_, Outcome.LAME)
        return answer

    async def _servers_for(self, name: str, bound: _Bound) -> list[Server]:
        """The name servers of the zone that a name is in."""
        for zone, pinned in self._zones.items():
            if within(name, zone):
                return pinned
        zone = await self._zone(name, bound)
        return await bound.once(("servers", zone, ""), lambda: self._servers(zone, bound)) if zone else []

    async def _zone(self, name: str, bound: _Bound) -> str:
        """The nearest zone at or above the name; empty if that is a registry's, whose servers know no more."""
        while "." in name:
            answer = await self._recursively(name, "SOA", bound)
            zone = self._zone_names.get(name, "")
            if zone:
                return zone if "." in zone else ""
            if answer.outcome in _UNHEARD:
                return (
                    ""  # each name above would take as long, and its servers would know nothing of this one
                )
            name = name.partition(".")[2]
        return ""

    async def _servers(self, zone: str, bound: _Bound) -> list[Server]:
        names = sorted((await self._recursively(zone, "NS", bound)).values)[:_MOST_SERVERS]
        hosts = await asyncio.gather(*(self._addresses(name, bound) for name in names))
        return [
            (name, address)
            for name, its_addresses in zip(names, hosts, strict=True)
            for address in its_addresses
        ]

    async def _addresses(self, host: str, bound: _Bound) -> list[Address]:
        """At most one address of a server: that is enough."""
        for type_ in self._types:
            if values := (await self._recursively(host, type_, bound)).values:
                return [(min(values), self._port)]
        return []

    # --- one question to one server --------------------------------------------------------------------------
    async def _ask(self, address: Address, name: str, type_: str, flags: int = 0) -> wire.Reply | Outcome:
        """The server's reply, or why there is none."""
        query = wire.query(name, type_, flags)
        if query is None:
            return Outcome.BAD
        outcome = Outcome.UNASKED
        for seconds in _TRIES:
            if self._is_down(address):
                return Outcome.TIMEOUT
            reply = await self._try(address, query, seconds, self._end)
            if reply is Outcome.TIMEOUT:
                outcome = reply
            elif reply is not Outcome.UNASKED:
                return reply
        if outcome is Outcome.TIMEOUT and time.monotonic() < self._end:
            self._silent.add(address)
        return outcome

    def _is_down(self, address: Address) -> bool:
        """Whether it never answered, and was given its time: the next question need not wait for it."""
        return address in self._silent and address not in self._responsive

    async def _try(
        self, address: Address, query: wire.Query, seconds: float, end: float
    ) -> wire.Reply | Outcome:
        """The server's reply, or why there is none: a server that had no chance to answer is not silent."""
        end = min(time.monotonic() + seconds, end)
        while (left := end - time.monotonic()) > _CHANCE:
            try:
                reply = await _exchange(query, address, left)
            except dns.exception.Timeout:
                return Outcome.TIMEOUT
            except OSError as exc:
                if exc.errno not in _SHORT:
                    return Outcome.NO_SERVER
                await asyncio.sleep(0.05)
                continue
            except _BROKEN:
                return Outcome.BAD
            self._responsive.add(address)
            self._silent.discard(address)
            if reply.rcode not in _WITHOUT_EDNS or not query.edns:
                return reply
            query = query.without_edns()
        return Outcome.UNASKED


class _Bound:
    """What belongs to one event loop: the places for questions under way, and the answers that are being waited for."""

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[tuple[str, str, str], asyncio.Future[object]] = {}

    async def once(self, key: tuple[str, str, str], ask: Callable[[], Awaitable[T]]) -> T:
        """The outcome of `ask`; callers with the same key share one call."""
        if key not in self._under_way:
            self._under_way[key] = asyncio.ensure_future(ask())
        return await self._under_way[key]  # type: ignore[return-value]


async def _exchange(query: wire.Query, address: Address, seconds: float) -> wire.Reply:
    """By UDP, and by TCP where that is cut short. Answers to other questions are passed over."""
    try:
        async with asyncio.timeout(seconds):
            try:
                return await _by_udp(query, address)
            except wire.Truncated:
                host, port = address
                return wire.Message(await dns.asyncquery.tcp(query.message, host, timeout=seconds, port=port))
    except TimeoutError as exc:
        raise dns.exception.Timeout from exc


async def _by_udp(query: wire.Query, address: Address) -> wire.Reply:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[wire.Reply] = loop.create_future()
    with socket.socket(dns.inet.af_for_address(address[0]), socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        # A connected socket learns when nobody listens there; without that, each closed port would cost the whole wait.
        sock.connect(address)
        sock.send(query.data)
        loop.add_reader(sock.fileno(), _receive, sock, query, answered)
        try:
            return await answered
        finally:
            loop.remove_reader(sock.fileno())


def _receive(sock: socket.socket, query: wire.Query, answered: asyncio.Future[wire.Reply]) -> None:
    """Takes one packet from the socket."""
    if answered.done():
        return
    try:
        reply = query.read(sock.recv(65535))
    except BlockingIOError:
        return
    except (OSError, wire.Truncated) as exc:
        answered.set_exception(exc)
    else:
        if reply is not None:
            answered.set_result(reply)


def _of_this_machine() -> list[Address]:
    try:
        return [(str(server), 53) for server in dns.resolver.Resolver().nameservers]
    except dns.resolver.NoResolverConfiguration:
        return []
