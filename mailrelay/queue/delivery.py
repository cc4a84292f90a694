"""From the queue to the relay: claims messages, feeds the pipeline, records what became of each message."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from mailrelay.queue import outbox, recording, rendering
from mailrelay.queue.recording import Recorder
from mailrelay.queue.statements import Claimed
from mailrelay.relay import logins, presets, target
from mailrelay.relay.logins import Hold
from mailrelay.relay.target import Relay
from mailrelay.smtp import nullsender, parts
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Down, Envelope, Event, Job, Opened, Result
from mailrelay.smtp.pipeline import Pipeline
from mailrelay.smtp.pool import LoginGate, Pool
from mailrelay.suppression import listing
from quazzar.errors import DeliveryError, QuazzarError, Unreadable
from quazzar.sealing import agreement

logger = logging.getLogger(__name__)

#: How many messages are claimed at once, and at how few waiting ones more are claimed.
_CLAIM = 100
_LOW_WATER = 20
_RENEW_SECONDS = 15.0

#: Stages at which nobody answered, and how many seconds to try whether somebody does now.
_UNREACHABLE = ("resolve", "connect", "tls")
_PROBE_SECONDS = 8.0

_pool = Pool()
#: The owners of the drains that run in this process.
_at_work: set[str] = set()
_draining = threading.Lock()
_rung = threading.Event()
_stopping = threading.Event()


def drain() -> int:
    """Send everything that is due, and return how many messages left.

    Only one drain runs in a process: a call while another one runs makes that one look again. A machine with another
    key file than the others sends nothing: it could not open what it claims.
    """
    if not agreement.agrees():
        return 0
    _rung.set()
    sent = 0
    while _rung.is_set() and not _stopping.is_set():
        if not _draining.acquire(blocking=False):
            return sent
        drain = Drain()
        _at_work.add(drain.owner)
        try:
            _rung.clear()
            sent += drain.run()
        finally:
            _at_work.discard(drain.owner)
            _draining.release()
    return sent


def stop() -> None:
    """Let a running drain finish what is on the wire and claim no more."""
    _stopping.set()


def close_idle_connections(seconds: float | None = None) -> None:
    """Close connections that no drain has used for so many seconds (by default ``pool.IDLE_SECONDS``)."""
    _pool.close_idle() if seconds is None else _pool.close_idle(seconds)


def owner_name() -> str:
    """A new name for one drain: host and process-id namespace, process, and a nonce."""
    return f"{_here()}:{os.getpid()}-{_began(os.getpid())}:{uuid.uuid4().hex[:12]}"


def _here() -> str:
    """The host, its boot and its process-id namespace: machines and containers may share a host name, but not their
    process ids. The number of the namespace tells containers of one kernel apart, the boot's id kernels."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        namespace, boot = 0, ""
    return f"{socket.gethostname()[:60]}:{boot}:{namespace}"


def retry_if_relay_is_back() -> bool:
    """If mail waits because the relay could not be reached, try to connect, and make that mail due if it works.

    It does not sign in: a wrong password every few seconds would lock the account.
    """
    if not any(outbox.waiting_for(stage, timezone.now()).exists() for stage in _UNREACHABLE):
        return False
    try:
        address = replace(target.load().target, username="")
        Connection(address, deadline=time.monotonic() + _PROBE_SECONDS).open().close()
    except QuazzarError:
        return False
    return bool(outbox.bring_forward(_UNREACHABLE))


def retry_if_keys_changed() -> bool:
    """Make mail due that waits because no key opens it, or the relay password, if the key file has other keys now."""
    return bool(outbox.bring_forward_unreadable(recording.keys_at_hand()))


def free_dead_owners() -> int:
    """Free what drains of this host had claimed that were killed, or that ended without a database to give it back,
    and what a lease has run out for elsewhere; returns how many.

    Leases of this host's living drains do not count: when the clock is set forward, they only seem to run out.
    """
    here: list[str] = []
    elsewhere: list[str] = []
    for owner in outbox.owners():
        (here if owner.rsplit(":", 2)[0] == _here() else elsewhere).append(owner)
    freed = sum(outbox.free_owner(owner) for owner in here if not _is_alive(owner))
    # Of those that were there a moment ago: another may begin, and the clock be set, between one query and the next.
    return freed + outbox.expire_leases(elsewhere)


def _is_alive(owner: str) -> bool:
    """Whether a drain of this host is at work; of another process, whether that lives."""
    process = owner.rsplit(":", 2)[1]
    pid, _, began = process.partition("-")
    if pid == str(os.getpid()):
        return owner in _at_work
    return bool(began) and _began(int(pid)) == began


def _began(pid: int) -> str:
    """When a process began, in clock ticks since the boot (proc(5)); empty if there is none, or if it is over and only
    its parent has not heard of it. Numbers of processes are used again."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in ("Z", "X") else rest[18]


@dataclass
class Drain:
    """One run through everything that is due.

    Attributes:
        owner: the name under which it claims messages.
    """

    owner: str = field(default_factory=owner_name)
    _renewed: float = field(default_factory=lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    _answered: bool = False
    _down: DeliveryError | None = None
    _down_seconds: float | None = None

    def __post_init__(self) -> None:
        self._recorder = Recorder(self.owner)

    def run(self) -> int:
        """Send until nothing is due or the relay stops answering; return how many messages left."""
        try:
            relay = target.load()
        except QuazzarError as exc:
            self._nowhere_to_go(exc)
            return 0
        self._relay = relay
        self._recorder.host = f"{relay.target.host}:{relay.target.port}"
        has_turn = False
        if relay.refusals:
            is_due = outbox.anything_due()
            self._recorder.hold = logins.hold(relay, needed=is_due)
            has_turn = is_due and self._recorder.hold is None
        self._gate = LoginGate(self._recorder.hold.error if self._recorder.hold else None)
        pipeline = Pipeline(relay.target, _pool, _most_connections(relay), self._gate)
        try:
            self._loop(pipeline)
        finally:
            pipeline.close()
            self._recorder.close()
            if self._recorder.rows:
                outbox.release(self.owner, list(self._recorder.rows))
        if has_turn and not (self._answered or self._down or _stopping.is_set()):
            self._sign_in()
        return self._recorder.sent

    def _sign_in(self) -> None:
        """Use the turn to sign in, although there was nothing to send: another drain has claimed the mail meanwhile,
        and put it off until after this turn."""
        try:
            Connection(self._relay.target, signing_in=self._gate).open().close()
        except DeliveryError as exc:
            if self._gate.refusal is exc:
                logins.refused(self._relay, exc)
            logger.warning("relay unreachable stage=%s kind=%s: %s", exc.stage, exc.kind, exc)
            return
        logins.accepted(self._relay)
        if outbox.bring_forward():
            _rung.set()

    def _loop(self, pipeline: Pipeline) -> None:
        more = True
        while True:
            if more and not self._down and not _stopping.is_set() and pipeline.waiting <= _LOW_WATER:
                more = self._refill(pipeline)
            if self._down or _stopping.is_set():
                self._take_back(pipeline)
            if not pipeline.outstanding:
                if self._down or _stopping.is_set() or not more:
                    return
                continue
            if not self._down:
                pipeline.grow()
            events = pipeline.collect(1.0)
            more = (
                not self._renew(pipeline) or more
            )  # before permits are given back, with which more would be sent
            self._settle(pipeline, events)

    # --- in ------------------------------------------------------------------------------------------------
    def _refill(self, pipeline: Pipeline) -> bool:
        """Claim messages and submit them; False when none was due, or when the relay settings were changed."""
        if not target.unchanged(self._relay):
            _rung.set()  # the next drain uses the new settings
            return False
        claimed = outbox.claim(self.owner, _CLAIM)
        suppressed = listing.among(
            recipient["address"] for message in claimed for recipient in message.recipients
        )
        for message in claimed:
            if message.pk in self._recorder.rows:
                continue  # a machine whose clock is wrong has freed it, but it is on its way from here
            self._recorder.rows[message.pk] = message
            if suppressed and not self._recorder.without(message, suppressed):
                continue
            job = self._job(message)
            if job is not None:
                pipeline.submit(job)
        return bool(claimed)

    def _job(self, message: Claimed) -> Job | None:
        try:
            envelope = _envelope(message, self._relay)
        except Unreadable as exc:
            self._recorder.fail([message], DeliveryError(exc.message, stage="data", kind="body_unreadable"))
        except ValueError as exc:
            self._recorder.fail(
                [message],
                DeliveryError(f"The mail cannot be generated: {exc}.", stage="data", permanent=True),
            )
        else:
            return parts.job(message.pk, envelope, _pool.most(self._relay.target))
        return None

    def _nowhere_to_go(self, exc: QuazzarError) -> None:
        """There is no relay, or its password cannot be read: what is due is put off with that reason."""
        error = DeliveryError(
            exc.message, stage="auth" if isinstance(exc, Unreadable) else "resolve", kind=exc.code
        )
        self._recorder.rows = {message.pk: message for message in outbox.claim(self.owner, _CLAIM)}
        self._recorder.fail([*self._recorder.rows.values()], error)

    # --- out -----------------------------------------------------------------------------------------------
    def _settle(self, pipeline: Pipeline, events: list[Event]) -> None:
        """Record a small batch of results in one transaction, and only then give back their permits."""
        if not events:
            return
        results = [event for event in events if isinstance(event, Result)]
        if final := [result for result in results if not self._goes_on(pipeline, result)]:
            self._recorder.record(final, more=pipeline.outstanding > 0)
        pipeline.settle(sum(result.in_doubt for result in results))
        for event in events:
            if isinstance(event, Opened):
                self._opened(event)
            elif isinstance(event, Down):
                self._lost_connection(pipeline, event)

    def _goes_on(self, pipeline: Pipeline, result: Result) -> bool:
        """Whether there is more to send of this mail, now: without its null sender, or to further recipients."""
        job, outcome = result.job, result.outcome
        if not job.envelope.sender:
            sender = target.default_from(self._relay.from_address, self._relay.target.username)
            envelope = nullsender.once_more(job.envelope, outcome, sender)
            if envelope is not None:
                pipeline.submit(replace(job, envelope=envelope, reopened=False))
                return True
        if not (job.part or outcome.most):
            return False
        if outcome.most:
            _pool.remember_most(self._relay.target, outcome.most)
        following = self._recorder.record_part(result)
        if following is not None:
            pipeline.submit(following)
        return True

    def _opened(self, event: Opened) -> None:
        if event.new:
            logins.accepted(self._relay)
        if not self._answered:
            self._answered = True
            if outbox.bring_forward():
                _rung.set()

    def _lost_connection(self, pipeline: Pipeline, event: Down) -> None:
        if event.job is not None:
            pipeline.outstanding -= 1
            pipeline.submit(event.job)
        hold = self._recorder.hold
        if self._gate.refusal is event.error and not (hold and hold.error is event.error):
            hold = self._recorder.hold = Hold(event.error, logins.refused(self._relay, event.error))
            logger.warning("login refused, next attempt at %s: %s", hold.until.isoformat(), event.error)
        if pipeline.alive == 0:
            self._down, self._down_seconds = event.error, event.seconds
            logger.log(
                logging.INFO if hold and hold.error is event.error else logging.WARNING,
                "relay unreachable stage=%s kind=%s: %s",
                *(event.error.stage, event.error.kind, event.error),
            )

    def _take_back(self, pipeline: Pipeline) -> None:
        """Jobs that no connection has started: fail them with the relay's own failure, or, at a stop, leave them to
        ``run``, which releases them."""
        jobs = list(pipeline.abandon())
        if self._down is not None and jobs:
            rows = [self._recorder.rows[job.key] for job in jobs]
            self._recorder.fail(rows, self._down, self._down_seconds)

    def _renew(self, pipeline: Pipeline) -> bool:
        """Extend the leases; returns whether all were still ours.

        When a machine was suspended for a while, others have taken its messages over: what no connection has started
        must not be sent from here, too.
        """
        now = time.clock_gettime(time.CLOCK_BOOTTIME)  # goes on while the machine is suspended
        if now - self._renewed <= _RENEW_SECONDS:
            return True
        self._renewed = now
        if outbox.renew(self.owner) >= len(self._recorder.rows):
            return True
        keys = [job.key for job in pipeline.abandon()]
        logger.warning("%s messages given back whose lease has run out", len(keys))
        outbox.release(self.owner, keys)
        for key in keys:
            self._recorder.rows.pop(key, None)
        return False


def _most_connections(relay: Relay) -> int:
    preset = presets.by_id(relay.provider) or presets.PRESETS[-1]
    return settings.QUAZZAR_RELAY_CONNECTIONS or preset.connections


def _envelope(message: Claimed, relay: Relay) -> Envelope:
    """The message as it goes out, for the recipients that do not have it yet.

    Raises:
        Unreadable: its sealed body cannot be opened.
        ValueError: it cannot be rendered.
    """
    pending = tuple(
        recipient["address"] for recipient in message.recipients if recipient["status"] == "pending"
    )
    data, utf8 = rendering.rendered(message, relay.from_name)
    sender = message.envelope_sender
    if relay.returns is not None and sender:
        sender = relay.returns.of(message.pk, message.message_id)
    utf8 = utf8 or any(not address.isascii() for address in (sender, *pending))
    return Envelope(sender, pending, data, utf8)
