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
from django.db import transaction

from mailrelay.mail import mime, payload
from mailrelay.models import Message
from mailrelay.queue import nullsender, outbox
from mailrelay.relay import logins, target
from mailrelay.relay.logins import Hold
from mailrelay.relay.target import Relay
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Envelope, Outcome
from mailrelay.smtp.pipeline import Down, Event, Job, LoginGate, Opened, Pipeline, Pool, Result
from quazzar.errors import DeliveryError, QuazzarError, Unreadable
from quazzar.sealing import keyring

logger = logging.getLogger(__name__)

#: How many messages are claimed at once, and at how few waiting ones more are claimed.
_CLAIM = 100
_LOW_WATER = 20
_RENEW_SECONDS = 15.0

#: Stages at which nobody answered, and how many seconds to try whether somebody does now.
_UNREACHABLE = ("resolve", "connect", "tls")
_PROBE_SECONDS = 8.0
#: Kinds of failure that end when the key is put back into the key file.
_UNREADABLE = ("unreadable", "body_unreadable")

_pool = Pool()
_draining = threading.Lock()
_rung = threading.Event()
_stopping = threading.Event()


def drain() -> int:
    """Send everything that is due, and return how many messages left.

    Only one drain runs in a process: a call while another one runs makes that one look again.
    """
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
    """Let a running drain finish what is on the wire and claim no more."""
    _stopping.set()


def close_idle_connections(seconds: float | None = None) -> None:
    """Close connections that no drain has used for so many seconds (by default ``pipeline.IDLE_SECONDS``)."""
    _pool.close_idle() if seconds is None else _pool.close_idle(seconds)


def owner_name() -> str:
    """A new name for one drain: host and process-id namespace, process id, and a nonce."""
    return f"{_here()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"


def _here() -> str:
    """The host and its process-id namespace: containers may share a host name, but not their process ids."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return f"{socket.gethostname()[:60]}:{namespace}"


def retry_if_relay_is_back() -> bool:
    """If mail waits because the relay could not be reached, try to connect, and make that mail due if it works.

    It does not sign in: a wrong password every few seconds would lock the account.
    """
    if not outbox.waiting_for_the_relay(_UNREACHABLE).exists():
        return False
    try:
        address = replace(target.load().target, username="")
        Connection(address, deadline=time.monotonic() + _PROBE_SECONDS).open().close()
    except QuazzarError:
        return False
    return bool(outbox.bring_forward(_UNREACHABLE))


def retry_if_keys_changed() -> bool:
    """Make mail due that waits because no key opens it, or the relay password, if the key file has other keys now."""
    return bool(outbox.bring_forward_unreadable(_keys_at_hand()))


def _keys_at_hand() -> str:
    """The headers of the keys in the key file, in hex; empty when the file cannot be used."""
    try:
        ring = keyring.existing()
    except QuazzarError:
        return ""
    return " ".join(header.hex() for header in ring.headers) if ring else ""


def free_dead_owners() -> int:
    """Free what killed processes of this host had claimed, without waiting for their leases to run out."""
    freed = 0
    for owner in outbox.owners():
        place, pid, _nonce = owner.rsplit(":", 2)
        if place == _here() and not Path(f"/proc/{pid}").exists():
            freed += outbox.free_owner(owner)
    return freed


@dataclass
class Drain:
    """One run through everything that is due.

    Attributes:
        owner: the name under which it claims messages.
        sent: how many messages left.
    """

    owner: str = field(default_factory=owner_name)
    sent: int = 0
    _rows: dict[int, Message] = field(default_factory=dict)
    _renewed: float = field(default_factory=time.monotonic)
    _answered: bool = False
    _down: DeliveryError | None = None
    _hold: Hold | None = None

    def run(self) -> int:
        """Send until nothing is due or the relay stops answering; return how many messages left."""
        try:
            relay = target.load()
        except QuazzarError as exc:
            self._nowhere_to_go(exc)
            return 0
        self._relay = relay
        if relay.refusals and outbox.anything_due():
            self._hold = logins.hold(relay)
        self._gate = LoginGate(self._hold.error if self._hold else None)
        pipeline = Pipeline(relay.target, _pool, settings.QUAZZAR_RELAY_CONNECTIONS, self._gate)
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
        """Claim messages and submit them; False when none was due, or when the relay settings were changed."""
        if not target.unchanged(self._relay):
            _rung.set()  # the next drain uses the new settings
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
        """There is no relay, or its password cannot be read: what is due is put off with that reason."""
        error = DeliveryError(
            exc.message, stage="auth" if isinstance(exc, Unreadable) else "resolve", kind=exc.code
        )
        for message in outbox.claim(self.owner, _CLAIM):
            self._rows[message.pk] = message
            self._fail(message, error)

    # --- out -----------------------------------------------------------------------------------------------
    def _settle(self, pipeline: Pipeline, events: list[Event]) -> None:
        """Record a small batch of results in one transaction, and only then give back their permits."""
        if not events:
            return
        results = [event for event in events if isinstance(event, Result)]
        if final := [result for result in results if not self._once_more(pipeline, result)]:
            self._record(final)
        pipeline.settle(sum(result.in_doubt for result in results))
        for event in events:
            if isinstance(event, Opened):
                self._opened(event)
            elif isinstance(event, Down):
                self._lost_connection(pipeline, event)

    def _once_more(self, pipeline: Pipeline, result: Result) -> bool:
        """Whether the mail goes out again at once: a relay did not take it without a sender."""
        if result.job.envelope.sender:
            return False
        sender = target.default_from(self._relay.from_address, self._relay.target.username)
        envelope = nullsender.once_more(result.job.envelope, result.outcome, sender)
        if envelope is not None:
            pipeline.submit(Job(result.job.key, envelope))
        return envelope is not None

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
        refusal = self._gate.refusal
        if (
            refusal is not None
            and event.error is refusal
            and not (self._hold and self._hold.error is refusal)
        ):
            self._hold = Hold(refusal, logins.refused(self._relay, refusal))
        if pipeline.alive == 0:
            self._down = event.error
            logger.warning(
                "relay unreachable stage=%s kind=%s: %s", event.error.stage, event.error.kind, event.error
            )

    def _take_back(self, pipeline: Pipeline) -> None:
        """Jobs that no connection has started: fail them with the relay's own failure, or, at a stop, leave them to
        ``run``, which releases them."""
        jobs = list(pipeline.abandon())
        if self._down is not None and jobs:
            with transaction.atomic():
                for job in jobs:
                    self._fail(self._rows[job.key], self._down)

    def _record(self, results: list[Result]) -> None:
        """Record results: in one statement if everybody got every message, else in one transaction."""
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
        """Whether every recipient got the message in this very attempt."""
        recipients = self._rows[result.job.key].recipients
        fresh = all(recipient["status"] == "pending" for recipient in recipients)
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
        """Some recipients were refused: each keeps its own state, and those refused for now are tried again."""
        for recipient in message.recipients:
            if recipient["status"] == "pending":
                error = refused.get(recipient["address"])
                recipient["status"] = (
                    "sent" if error is None else ("failed" if error.permanent else "pending")
                )
                recipient.update({} if error is None else {"code": error.smtp_code, "message": error.message})
        temporary = [error for error in refused.values() if not error.permanent]
        failed = [recipient for recipient in message.recipients if recipient["status"] == "failed"]
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
        """The whole message failed.

        A failure of the relay itself (its name, its port, our password) says nothing about the mail: it waits for the
        operator to repair that, until it is given up.
        """
        permanent = error.permanent and error.stage in ("sender", "recipient", "data")
        if permanent:
            for recipient in message.recipients:
                if recipient["status"] == "pending":
                    recipient.update(status="failed", code=error.smtp_code, message=error.message)
        self._write_failure(message, error, permanent=permanent)

    def _write_failure(self, message: Message, error: DeliveryError, *, permanent: bool) -> None:
        detail = {"stage": error.stage, "code": error.smtp_code, "message": error.message}
        if error.kind in _UNREADABLE:
            detail["keys"] = _keys_at_hand()
        # All mail waits for one common login.
        not_before = self._hold.until if self._hold and self._hold.error is error else None
        outbox.record_failure(self.owner, message, detail, permanent=permanent, not_before=not_before)
        log = logger.error if permanent else logger.info
        details = (message.pk, error.stage, error.smtp_code, permanent, error.message)
        log("message %s not delivered stage=%s code=%s permanent=%s: %s", *details)
        self._rows.pop(message.pk, None)

    def _renew(self) -> None:
        if time.monotonic() - self._renewed > _RENEW_SECONDS:
            self._renewed = time.monotonic()
            outbox.renew(self.owner)


def _envelope(message: Message, relay: Relay) -> Envelope:
    """The message as it goes out, for the recipients that do not have it yet.

    Raises:
        Unreadable: its sealed body cannot be opened.
        ValueError: it cannot be rendered.
    """
    pending = tuple(
        recipient["address"] for recipient in message.recipients if recipient["status"] == "pending"
    )
    if message.body is None:
        raise ValueError("its body was removed")
    content = payload.load(bytes(message.body.reveal()))
    if isinstance(content, bytes):
        utf8 = any(not address.isascii() for address in (message.envelope_sender, *pending))
        return Envelope(message.envelope_sender, pending, content, utf8)
    rendered = mime.render(
        content,
        message_id=message.message_id,
        date=message.created_at,
        default_from=message.envelope_sender,
        default_name=relay.from_name,
    )
    return Envelope(message.envelope_sender, pending, rendered.data, rendered.utf8)
