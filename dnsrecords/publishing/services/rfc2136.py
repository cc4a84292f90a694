"""The edge to a zone's primary: reads it, and changes it by dynamic updates (RFC 2136) with TSIG (RFC 8945)."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.update

from dnsrecords.lookup import wire
from dnsrecords.publishing.services import Change, Published, PublishFailed, ZoneChanged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from dnsrecords.answers import Question
    from dnsrecords.publishing.services.reach import Reach

#: Seconds for one connection, and for one answer.
_TIMEOUT = 5.0
#: How the server answers if the prerequisites do not hold (RFC 2136 §2.2).
_CHANGED = {dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.NXDOMAIN}
_REFUSALS = {
    dns.rcode.REFUSED: (
        "update_refused",
        "{server} does not let the key {key} change or read {zone}.",
        "Allow the key in the zone's update policy (BIND: update-policy; Knot: acl with action: update). "
        "BIND also refuses an MX record whose host has no address in the zone yet. Its log tells you "
        "which it is.",
    ),
    dns.rcode.NOTAUTH: (
        "update_not_authorised",
        "{server} does not accept the key {key}, or is not the primary of {zone}.",
        "Compare key name, algorithm and secret with the server's, and make sure that it is the zone's "
        "primary.",
    ),
    dns.rcode.NOTZONE: (
        "update_not_zone",
        "{server} says that a name is not inside {zone}.",
        "Set the zone to one that the server has.",
    ),
    dns.rcode.SERVFAIL: (
        "update_servfail",
        "{server} failed to read or change {zone} (SERVFAIL).",
        "Read its log. Often it cannot write the zone's file or journal.",
    ),
}
_KEYS = {
    dns.tsig.PeerBadKey: "does not know the key {key}",
    dns.tsig.PeerBadSignature: "has a different secret or algorithm for the key {key}",
    dns.tsig.PeerBadTime: "has a clock that differs from this node's by more than five minutes",
    dns.tsig.PeerBadTruncation: "wants longer signatures",
}


@dataclass(frozen=True, slots=True)
class Tsig:
    """A key that the name server knows.

    Attributes:
        secret: base64.
    """

    name: str
    algorithm: str
    secret: str = field(repr=False)


class Rfc2136:
    """The primary of one zone.

    Args:
        server: address or name.
        reach: which addresses and ports may be connected to.

    Raises:
        PublishFailed: the key cannot be used.
    """

    def __init__(self, server: str, port: int, zone: str, tsig: Tsig, reach: Reach) -> None:
        self._server, self._port, self._reach = server, port, reach
        self._zone, self._is_primary = dns.name.from_text(zone), False
        self._words = {"server": f"{server}:{port}", "zone": zone, "key": tsig.name}
        try:
            self._key = dns.tsig.Key(tsig.name, tsig.secret, tsig.algorithm)
        except (dns.exception.DNSException, ValueError) as exc:
            raise PublishFailed(
                "The TSIG secret is not base64.", code="update_bad_key", hint="Enter it again."
            ) from exc

    def read(self, questions: Iterable[Question]) -> dict[Question, tuple[Published, ...]]:
        """Return what is published at each question; see `NameService.read`."""
        with self._connected() as sock:
            if not self._is_primary:
                self._check_zone(sock)
            return {question: self._ask(sock, *question) for question in questions}

    def _check_zone(self, sock: socket.socket) -> None:
        """Checks that the server has the zone itself, and not only one above or below."""
        query = dns.message.make_query(self._zone, "SOA")
        query.flags &= ~dns.flags.RD
        answer = self._exchange(sock, query)
        if answer.rcode() == dns.rcode.SERVFAIL:
            raise self._refused(dns.rcode.SERVFAIL)
        owners = {rrset.name for rrset in answer.answer if rrset.rdtype == dns.rdatatype.SOA}
        if not answer.flags & dns.flags.AA or self._zone not in owners:
            raise self._refused(dns.rcode.NOTAUTH)
        self._is_primary = True

    def _ask(self, sock: socket.socket, name: str, type_: str) -> tuple[Published, ...]:
        query = dns.message.make_query(name, type_)
        query.flags &= ~dns.flags.RD
        answer = self._exchange(sock, query)
        rcode = answer.rcode()
        if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            raise self._refused(rcode)
        wanted, owner = dns.rdatatype.from_text(type_), dns.name.from_text(name)
        if outside := self._outside(answer, owner):
            return (outside,) if type_ == "CNAME" else ()
        if any(rrset.name.is_wild() for rrset in answer.authority):
            return ()  # a wildcard delegates, which ends at the name like any other wildcard (RFC 4592 §4.2)
        if not answer.flags & dns.flags.AA:
            raise self._refused(dns.rcode.NOTAUTH)
        return tuple(
            Published(wire.text(data), data.to_text(), rrset.ttl)
            for rrset in answer.answer
            if rrset.name == owner and rrset.rdtype == wanted
            for data in rrset
        )

    def _outside(self, answer: dns.message.Message, name: dns.name.Name) -> Published | None:
        """What takes a name out of the zone: a DNAME record, or a zone of its own, here or on other servers."""
        clauses = {
            dns.rdatatype.DNAME: "the DNAME record at {} leads elsewhere",
            dns.rdatatype.NS: "{} is delegated to other name servers",
            dns.rdatatype.SOA: "{} is a separate zone",
        }
        for rrset in (*answer.answer, *answer.authority):
            # A DNAME record takes the names below it, perhaps below the zone's own; a zone takes its own name as well.
            free = name if rrset.rdtype == dns.rdatatype.DNAME else self._zone
            taken = rrset.name != free and rrset.name.is_subdomain(self._zone)
            if rrset.rdtype in clauses and taken and name.is_subdomain(rrset.name):
                where = rrset.name.to_text(omit_final_dot=True)
                target = wire.text(rrset[0])
                return Published(target, rrset[0].to_text(), rrset.ttl, clauses[rrset.rdtype].format(where))
        return None

    def stored(self, questions: Collection[Question]) -> frozenset[Question]:
        """As `NameService.stored`.

        An update that consists of prerequisites changes nothing and says whether they hold, and they look at what is
        stored (RFC 2136 §3.2), whatever a wildcard or the server itself makes up for questions.
        """
        every = frozenset(questions)
        if not every:
            return every
        with self._connected() as sock:
            if self._has(sock, every):
                return every
            return frozenset(question for question in every if self._has(sock, [question]))

    def _has(self, sock: socket.socket, questions: Iterable[Question]) -> bool:
        update = dns.update.UpdateMessage(self._zone)
        for name, type_ in questions:
            update.present(dns.name.from_text(name), type_)
        rcode = self._exchange(sock, update).rcode()
        if rcode not in {dns.rcode.NOERROR, *_CHANGED}:
            raise self._refused(rcode)
        return rcode == dns.rcode.NOERROR

    def apply(self, changes: Sequence[Change]) -> None:
        """Send one UPDATE (RFC 2136) with its prerequisites; see `NameService.apply`."""
        update = dns.update.UpdateMessage(self._zone)
        for change in changes:
            _require_before(update, change)
        for change in changes:
            name = dns.name.from_text(change.name)
            for raw in change.remove:
                update.delete(name, _data(change.type, raw))
            for text in change.add:
                update.add(name, change.ttl, _data(change.type, text))
        with self._connected() as sock:
            rcode = self._exchange(sock, update).rcode()
        if rcode in _CHANGED:
            raise ZoneChanged
        if rcode != dns.rcode.NOERROR:
            raise self._refused(rcode)

    def _exchange(self, sock: socket.socket, message: dns.message.Message) -> dns.message.Message:
        message.use_tsig(self._key)
        try:
            return dns.query.tcp(message, self._server, timeout=_TIMEOUT, port=self._port, sock=sock)
        except dns.tsig.PeerError as exc:
            raise self._bad_key(exc) from exc
        except (dns.tsig.BadSignature, dns.tsig.BadTime, dns.tsig.BadKey, dns.message.UnknownTSIGKey) as exc:
            raise self._failed(
                "update_bad_key",
                "{server} signs with a key other than {key}.",
                "Compare key name, algorithm and secret with the server's.",
            ) from exc
        except (dns.exception.DNSException, EOFError, OSError) as exc:
            raise self._unheard() from exc

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        with self._dialled() as sock:
            sock.setblocking(False)  # dnspython waits by itself
            yield sock

    def _dialled(self) -> socket.socket:
        """A connection to the first address of the server that answers, of those that may be asked."""
        try:
            rows = socket.getaddrinfo(self._server, self._port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as exc:
            raise self._failed(
                "update_no_server",
                "The name {server} does not resolve.",
                "Enter the address of the zone's primary name server.",
            ) from exc
        # Connect to the addresses that were checked: the name may lead elsewhere a moment later.
        addresses, objection = self._reach.allowed(dict.fromkeys(str(row[4][0]) for row in rows), self._port)
        if not addresses:
            hint = "Set the variable to the name server's address or network, and restart Quazzar."
            raise PublishFailed(objection, code="update_not_allowed", hint=hint)
        failure: OSError | None = None
        for address in addresses:
            try:
                return socket.create_connection((address, self._port), timeout=_TIMEOUT)
            except OSError as exc:
                failure = exc
        raise self._unheard() from failure

    # --- failures --------------------------------------------------------------------------------------------
    def _refused(self, rcode: dns.rcode.Rcode) -> PublishFailed:
        any_other = (
            "update_failed",
            f"{{server}} answers {dns.rcode.to_text(rcode)} for {{zone}}.",
            "Read its log.",
        )
        return self._failed(*_REFUSALS.get(rcode, any_other))

    def _bad_key(self, error: dns.tsig.PeerError) -> PublishFailed:
        what = _KEYS.get(type(error), "does not accept the key {key}")
        return self._failed(
            "update_bad_key",
            f"{{server}} {what}.",
            "Compare key name, algorithm, secret and clock with the server's.",
        )

    def _unheard(self) -> PublishFailed:
        """The same error for a closed port, a silent one and one of another service, so that nobody can probe ports."""
        return self._failed(
            "update_unreachable",
            "{server} does not accept connections over TCP, or gives no DNS answer there.",
            "Check that the zone's primary name server runs, listens there over TCP and lets this node "
            "in. If it does, compare the key: some servers hang up on a key they do not accept. The "
            "server's log says more.",
        )

    def _failed(self, code: str, message: str, hint: str) -> PublishFailed:
        return PublishFailed(message.format(**self._words), code=code, hint=hint)


def _require_before(update: dns.update.UpdateMessage, change: Change) -> None:
    """Lets the update take effect only if the values are still those that it was planned for."""
    name = dns.name.from_text(change.name)
    if change.before:
        update.present(name, *(_data(change.type, raw) for raw in change.before))
    else:
        update.absent(name, change.type)


def _data(type_: str, text: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(type_), text)
