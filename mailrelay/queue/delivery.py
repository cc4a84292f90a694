"""From the queue to the relay: claims messages, feeds the pipeline, writes what became of each."""

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
from django.db import transaction

from mailrelay.mail import mime, payload
from mailrelay.models import Message
from mailrelay.queue import outbox
from mailrelay.relay import target as relaytarget
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Envelope, Outcome
from mailrelay.smtp.pipeline import Down, Event, Job, Opened, Pipeline, Pool, Result
from quazzar.errors import DeliveryError, QuazzarError, Unreadable
from quazzar.sealing import keyring

logger = logging.getLogger(__name__)

#: Messages claimed at once, and how few may be left before more are claimed.
_CLAIM = 100
_LOW_WATER = 20
_RENEW_SECONDS = 15.0

#: Stages that say that nobody was there, and how long to try whether somebody is now.
_UNREACHABLE = ("resolve", "connect", "tls")
_PROBE_SECONDS = 8.0
#: Kinds of failure that end when a key is put back into the key file.
_UNREADABLE = ("unreadable", "body_unreadable")

_pool = Pool()
_draining = threading.Lock()
_rung = threading.Event()
_stopping = threading.Event()


def drain() -> int:
    """Sends everything that is due, and returns how many messages left. One drain runs per process: a call while
    another runs makes that one look again."""
    _rung.set()
    sent = 0
    while _rung.is_set() and not _stopping.is_set():
        if not _draining.acquire(blocking=False):
            return sent
        try:
            _rung.clear()
            sent += Drain().run()
        finally:
            _draining.release()
    return sent


def stop() -> None:
    """Lets a running drain finish what is on the wire and claim no more."""
    _stopping.set()


def close_idle_connections(seconds: float | None = None) -> None:
    """Hangs up connections that no drain has used for a while."""
    _pool.close_idle() if seconds is None else _pool.close_idle(seconds)


def owner_name() -> str:
    """A name for one drain: where it runs, the process, and a nonce."""
    return f"{_here()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"


def _here() -> str:
    """The host and its process-id namespace (containers may share a host name, and then their pids mean nothing
    to each other)."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return f"{socket.gethostname()[:60]}:{namespace}"


def look_whether_the_relay_is_back() -> bool:
    """Where mail waits because the relay could not be reached: connects, without signing in (a wrong password every
    few seconds would lock the account), and makes that mail due when it can be."""
    if not outbox.waiting_for_the_relay(_UNREACHABLE).exists():
        return False
    try:
        target = relaytarget.load().target
        Connection(replace(target, username=""), deadline=time.monotonic() + _PROBE_SECONDS).open().close()
    except QuazzarError:
        return False
    return bool(outbox.bring_forward(_UNREACHABLE))


def look_whether_a_key_is_back() -> bool:
    """Where mail waits because no key opens it, or the relay's password: makes it due when the key file has other
    keys than it had then."""
    return bool(outbox.bring_forward_unreadable(_keys_at_hand()))


def _keys_at_hand() -> str:
    """The ids of the keys in the key file; empty when that cannot be used."""
    try:
        ring = keyring.existing()
    except QuazzarError:
        return ""
    return " ".join(header.hex() for header in ring.headers) if ring else ""


def free_dead_owners() -> int:
    """Takes up what a killed process of this host held, without waiting for its leases to run out."""
    freed = 0
    for owner in outbox.owners():
        place, pid, _nonce = owner.rsplit(":", 2)
        if place == _here() and not Path(f"/proc/{pid}").exists():
            freed += outbox.free_owner(owner)
    return freed


@dataclass
class Drain:
    """One run through what is due."""

    owner: str = field(default_factory=owner_name)
    sent: int = 0
    _rows: dict[int, Message] = field(default_factory=dict)
    _renewed: float = field(default_factory=time.monotonic)
    _answered: bool = False
    _down: DeliveryError | None = None

    def run(self) -> int:
        """Until nothing is due, or the relay does not answer."""
        try:
            relay = relaytarget.load()
        except QuazzarError as exc:
            self._nowhere_to_go(exc)
            return 0
        self._relay = relay
        pipeline = Pipeline(relay.target, _pool, settings.QUAZZAR_RELAY_CONNECTIONS)
        try:
            self._loop(pipeline)
        finally:
            pipeline.close()
            if self._rows:
                outbox.release(self.owner, list(self._rows))
        return self.sent

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
            self._settle(pipeline, pipeline.collect(1.0))
            self._renew()

    # --- in ------------------------------------------------------------------------------------------------
    def _refill(self, pipeline: Pipeline) -> bool:
        """Claims and submits; False when nothing was due, or when the relay was changed meanwhile."""
        if not relaytarget.unchanged(self._relay):
            _rung.set()  # the next drain goes where the operator says now
            return False
        claimed = outbox.claim(self.owner, _CLAIM)
        for message in claimed:
            self._rows[message.pk] = message
            job = self._job(message)
            if job is not None:
                pipeline.submit(job)
        return bool(claimed)

    def _job(self, message: Message) -> Job | None:
        try:
            envelope = _envelope(message, self._relay)
        except Unreadable as exc:
            self._fail(message, DeliveryError(exc.message, stage="data", kind="body_unreadable"))
        except ValueError as exc:
            self._fail(
                message, DeliveryError(f"The mail cannot be written: {exc}.", stage="data", permanent=True)
            )
        else:
            return Job(message.pk, envelope)
        return None

    def _nowhere_to_go(self, exc: QuazzarError) -> None:
        """No relay, or its password cannot be read: what is due waits, and says why."""
        error = DeliveryError(
            exc.message, stage="auth" if isinstance(exc, Unreadable) else "resolve", kind=exc.code
        )
        for message in outbox.claim(self.owner, _CLAIM):
            self._rows[message.pk] = message
            self._fail(message, error)

    # --- out -----------------------------------------------------------------------------------------------
    def _settle(self, pipeline: Pipeline, events: list[Event]) -> None:
        """Writes a small batch of results in one transaction; only then are their permits given back."""
        if not events:
            return
        results = [event for event in events if isinstance(event, Result)]
        if results:
            self._record(results)
        pipeline.settle(sum(result.in_doubt for result in results))
        for event in events:
            if isinstance(event, Opened):
                self._opened()
            elif isinstance(event, Down):
                self._lost_connection(pipeline, event)

    def _opened(self) -> None:
        if not self._answered:
            self._answered = True
            if outbox.bring_forward():
                _rung.set()

    def _lost_connection(self, pipeline: Pipeline, event: Down) -> None:
        if event.job is not None:
            pipeline.outstanding -= 1
            pipeline.submit(event.job)
        if pipeline.alive == 0:
            self._down = event.error
            logger.warning(
                "relay unreachable stage=%s kind=%s: %s", event.error.stage, event.error.kind, event.error
            )

    def _take_back(self, pipeline: Pipeline) -> None:
        """Jobs that nobody has begun: failed with the relay's own failure, or given back when we must stop."""
        jobs = list(pipeline.abandon())
        if self._down is not None and jobs:
            with transaction.atomic():
                for job in jobs:
                    self._fail(self._rows[job.key], self._down)

    def _record(self, results: list[Result]) -> None:
        """In one statement when all of them were simply sent, else in one transaction."""
        clean = [result for result in results if self._clean(result)]
        if len(clean) == len(results):
            self._record_clean(clean)
            return
        with transaction.atomic():
            self._record_clean(clean)
            for result in results:
                if result.job.key in self._rows:
                    self._record_rest(self._rows[result.job.key], result.outcome)

    def _clean(self, result: Result) -> bool:
        """Everybody got it, in this attempt."""
        recipients = self._rows[result.job.key].recipients
        fresh = all(one["status"] == "pending" for one in recipients)
        return fresh and result.outcome.error is None and not result.outcome.refused

    def _record_clean(self, results: list[Result]) -> None:
        if results:
            keys = [result.job.key for result in results]
            outbox.record_sent(self.owner, keys)
            self.sent += len(keys)
            for key in keys:
                del self._rows[key]

    def _record_rest(self, message: Message, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._fail(message, outcome.error)
        else:
            self._partly(message, outcome.refused)

    def _partly(self, message: Message, refused: dict[str, DeliveryError]) -> None:
        """Recipients differ: each keeps its own state, and only those that may still succeed are tried again."""
        for one in message.recipients:
            if one["status"] == "pending":
                error = refused.get(one["address"])
                one["status"] = "sent" if error is None else ("failed" if error.permanent else "pending")
                one.update({} if error is None else {"code": error.smtp_code, "message": error.message})
        temporary = [error for error in refused.values() if not error.permanent]
        failed = [one for one in message.recipients if one["status"] == "failed"]
        if temporary:
            self._write_failure(message, temporary[0], permanent=False)
        elif failed:
            self._write_dead_letter(message, failed)
        else:
            outbox.held(self.owner).filter(pk=message.pk).update(recipients=message.recipients)
            outbox.record_sent(self.owner, [message.pk])
            self.sent += 1
            del self._rows[message.pk]

    def _write_dead_letter(self, message: Message, failed: list[dict[str, object]]) -> None:
        first = failed[0]
        rest = (
            f" ({len(failed)} of {len(message.recipients)} recipients were refused)"
            if len(failed) > 1
            else ""
        )
        sentence = f"{first['address']}: {first.get('message', '')}{rest}"
        code = first.get("code")
        error = DeliveryError(
            sentence, stage="recipient", smtp_code=code if isinstance(code, int) else None, permanent=True
        )
        self._write_failure(message, error, permanent=True)

    def _fail(self, message: Message, error: DeliveryError) -> None:
        """The whole message failed. What is wrong with the relay itself (its name, its port, our password) is no
        verdict on the mail: it waits for the operator to mend that, until its time to give up has come."""
        permanent = error.permanent and error.stage in ("sender", "recipient", "data")
        if permanent:
            for one in message.recipients:
                if one["status"] == "pending":
                    one.update(status="failed", code=error.smtp_code, message=error.message)
        self._write_failure(message, error, permanent=permanent)

    def _write_failure(self, message: Message, error: DeliveryError, *, permanent: bool) -> None:
        detail = {"stage": error.stage, "code": error.smtp_code, "message": error.message}
        if error.kind in _UNREADABLE:
            detail["keys"] = _keys_at_hand()
        outbox.record_failure(self.owner, message, detail, permanent=permanent)
        log = logger.error if permanent else logger.info
        log("message %s not delivered stage=%s code=%s permanent=%s", message.pk, error.stage, error.smtp_code,
            permanent)  # fmt: skip
        self._rows.pop(message.pk, None)

    def _renew(self) -> None:
        if time.monotonic() - self._renewed > _RENEW_SECONDS:
            self._renewed = time.monotonic()
            outbox.renew(self.owner)


def _envelope(message: Message, relay: relaytarget.Relay) -> Envelope:
    """The message on the wire, for the recipients that do not have it yet.

    Raises:
        Unreadable: its sealed body cannot be opened.
        ValueError: it cannot be rendered.
    """
    pending = tuple(one["address"] for one in message.recipients if one["status"] == "pending")
    if message.body is None:
        raise ValueError("its body was removed")
    content = payload.load(bytes(message.body.reveal()))
    if isinstance(content, bytes):
        utf8 = any(not address.isascii() for address in (message.envelope_sender, *pending))
        return Envelope(message.envelope_sender, pending, mime.crlf(content), utf8)
    rendered = mime.render(
        content,
        message_id=message.message_id,
        date=message.created_at,
        default_from=message.envelope_sender,
        default_name=relay.from_name,
    )
    return Envelope(message.envelope_sender, pending, rendered.data, rendered.utf8)
