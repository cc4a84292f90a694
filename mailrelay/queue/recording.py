"""What became of each message, into its row."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from mailrelay import history
from mailrelay.history import Entry
from mailrelay.models import Message
from mailrelay.queue import counts, outbox, statements
from mailrelay.queue.statements import Claimed
from mailrelay.relay.logins import Hold
from mailrelay.smtp import parts
from mailrelay.smtp.dialogue import Job, Outcome, Result
from mailrelay.smtp.wire import Reply
from mailrelay.suppression import listing
from quazzar import words
from quazzar.errors import DeliveryError, QuazzarError
from quazzar.sealing import keyring

logger = logging.getLogger("mailrelay.queue.delivery")

#: How many results may wait for the disk, and for how many seconds (see ``statements.wait_for_disk``).
_UNSYNCED, _UNSYNCED_SECONDS = 40, 0.5
#: Kinds of failure that end when the key is put back into the key file.
_UNREADABLE = ("unreadable", "body_unreadable")


def keys_at_hand() -> str:
    """The headers of the keys in the key file, in hex; empty when the file cannot be used."""
    try:
        ring = keyring.existing()
    except QuazzarError:
        return ""
    return " ".join(header.hex() for header in ring.headers) if ring else ""


def _pending(message: Claimed) -> list[str]:
    return [recipient["address"] for recipient in message.recipients if recipient["status"] == "pending"]


def _latest_refusal(message: Claimed) -> DeliveryError:
    """Why somebody still waits, as an earlier part of the mail has stored it."""
    waiting = [recipient for recipient in message.recipients if recipient["status"] == "pending"]
    last: dict[str, Any] = next(
        (recipient for recipient in reversed(waiting) if recipient.get("message")), {}
    )
    return DeliveryError(str(last.get("message", "")), stage="recipient", smtp_code=last.get("code"))


def _answer(reply: Reply | None) -> dict[str, Any]:
    """Code and words with which the server took a mail, as recipients keep them."""
    if reply is None:
        return {"code": None, "message": ""}
    return {"code": reply.code, "message": words.one_line(reply.text, history.LONGEST)}


@dataclass
class Recorder:
    """Records results for the messages that one drain has claimed.

    Attributes:
        rows: the claimed messages, by id, until their result is recorded.
        sent: how many messages left.
        hold: the refused login that all mail waits after.
        host: ``host:port`` of the relay.
    """

    owner: str
    rows: dict[int, Claimed] = field(default_factory=dict)
    sent: int = 0
    hold: Hold | None = None
    host: str = ""
    _tally: Counter[str] = field(default_factory=Counter)
    _waits: bool = True
    _unsynced: int = 0
    _synced_at: float = field(default_factory=time.monotonic)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Write results, and how many of each there were, in one transaction."""
        self._tally = Counter()
        with transaction.atomic():
            yield
            counts.add(self._tally)

    def record(self, results: list[Result], *, more: bool = False) -> None:
        """Record results in one transaction; those that everybody got in one statement.

        Args:
            more: further results are to come, so the disk need not have these at once.
        """
        clean = [result for result in results if self._clean(result)]
        self._wait_for_disk(len(results), more)
        with self._counted():
            self._record_clean(clean)
            for result in results:
                if result.job.key in self.rows:
                    self._record_rest(self.rows[result.job.key], result.outcome, result.seconds)

    def _wait_for_disk(self, results: int, more: bool) -> None:
        """Let the commit of so many results wait for the disk, unless ``more`` are to come and few have not."""
        self._unsynced += results
        now = time.monotonic()
        wait = not more or self._unsynced > _UNSYNCED or now - self._synced_at >= _UNSYNCED_SECONDS
        if wait != self._waits:
            statements.wait_for_disk(wait)
            self._waits = wait
        if wait:
            self._unsynced, self._synced_at = 0, now

    def close(self) -> None:
        """Let commits wait for the disk again."""
        if not self._waits:
            statements.wait_for_disk(True)
            self._waits = True

    def _clean(self, result: Result) -> bool:
        """Whether every recipient got the message in this very attempt."""
        recipients = self.rows[result.job.key].recipients
        fresh = all(recipient["status"] == "pending" for recipient in recipients)
        return fresh and result.outcome.error is None and not result.outcome.refused

    def _record_clean(self, results: list[Result]) -> None:
        if results:
            keys = [result.job.key for result in results]
            now = timezone.now()
            histories = {result.job.key: self._delivered(result, now) for result in results}
            self._tally[counts.Outcome.SENT] += outbox.record_sent(self.owner, keys, histories)
            self.sent += len(keys)
            for key in keys:
                del self.rows[key]

    def _record_rest(self, message: Claimed, outcome: Outcome, seconds: float | None) -> None:
        if outcome.error is not None:
            self._fail(message, outcome.error, seconds)
        else:
            self._partly(message, outcome, seconds)

    def without(self, message: Claimed, suppressed: Mapping[str, str]) -> bool:
        """Leave out recipients on the suppression list; returns whether anybody is left to send to.

        Args:
            suppressed: address in lower case → why.
        """
        skipped = [
            recipient
            for recipient in message.recipients
            if recipient["status"] == "pending" and recipient["address"].lower() in suppressed
        ]
        if not skipped:
            return True
        for recipient in skipped:
            why = suppressed[recipient["address"].lower()]
            recipient.update(status="suppressed", code=None, message=why)
        with self._counted():
            listing.skipped(recipient["address"] for recipient in skipped)
            if _pending(message):
                outbox.held(self.owner).filter(pk=message.pk).update(recipients=message.recipients)
                return True
            error = DeliveryError(skipped[0]["message"], stage="recipient", kind="suppressed", permanent=True)
            self._write_failure(message, error, None, permanent=True)
        return False

    def record_part(self, result: Result) -> Job | None:
        """Record what became of one part of a mail; returns the next part.

        Those who have the mail are stored at once, so that nobody gets it twice whatever happens to the rest.
        """
        message, outcome = self.rows[result.job.key], result.outcome
        settled, following = parts.after(result.job, outcome)
        self._apply(message, settled, outcome.reply)
        with self._counted():
            if following is None:
                later = [error for error in settled.values() if error is not None and not error.permanent]
                self._conclude(message, later[-1] if later else None, outcome.reply, result.seconds)
            else:
                outbox.held(self.owner).filter(pk=message.pk).update(recipients=message.recipients)
        return following

    def _partly(self, message: Claimed, outcome: Outcome, seconds: float | None) -> None:
        """Some recipients were refused: each keeps its own state, and those refused for now are tried again."""
        settled = {address: outcome.refused.get(address) for address in _pending(message)}
        self._apply(message, settled, outcome.reply)
        later = [error for error in outcome.refused.values() if not error.permanent]
        self._conclude(message, later[0] if later else None, outcome.reply, seconds)

    def _apply(
        self, message: Claimed, settled: Mapping[str, DeliveryError | None], reply: Reply | None
    ) -> None:
        for recipient in message.recipients:
            if recipient["status"] == "pending" and recipient["address"] in settled:
                error = settled[recipient["address"]]
                if error is None:
                    recipient.update(status="sent", **_answer(reply))
                else:
                    status = "failed" if error.permanent else "pending"
                    recipient.update(status=status, code=error.smtp_code, message=error.message)

    def _conclude(
        self, message: Claimed, later: DeliveryError | None, reply: Reply | None, seconds: float | None
    ) -> None:
        """Nothing more can be sent of this mail now: it waits for those who are still pending, or it is over."""
        failed = [recipient for recipient in message.recipients if recipient["status"] == "failed"]
        if _pending(message):
            self._write_failure(message, later or _latest_refusal(message), seconds, permanent=False)
        elif failed:
            self._write_dead_letter(message, failed, seconds)
        else:
            outbox.held(self.owner).filter(pk=message.pk).update(recipients=message.recipients)
            told = history.added(message.history, self._attempt(message, "done", seconds, **_answer(reply)))
            sent = outbox.record_sent(self.owner, [message.pk], {message.pk: told})
            self._tally[counts.Outcome.SENT] += sent
            self.sent += 1
            del self.rows[message.pk]

    def _write_dead_letter(
        self, message: Claimed, failed: list[dict[str, object]], seconds: float | None
    ) -> None:
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
        self._write_failure(message, error, seconds, permanent=True)

    def fail(self, messages: Iterable[Claimed], error: DeliveryError, seconds: float | None = None) -> None:
        """These messages failed as a whole, all for this reason.

        A failure of the relay itself (its name, its port, our password) says nothing about the mail: it waits for the
        operator to repair that, until it is given up.
        """
        with self._counted():
            for message in messages:
                self._fail(message, error, seconds)

    def _fail(self, message: Claimed, error: DeliveryError, seconds: float | None) -> None:
        permanent = error.permanent and error.stage in ("sender", "recipient", "data")
        if permanent:
            for recipient in message.recipients:
                if recipient["status"] == "pending":
                    recipient.update(status="failed", code=error.smtp_code, message=error.message)
        self._write_failure(message, error, seconds, permanent=permanent)

    def _write_failure(
        self, message: Claimed, error: DeliveryError, seconds: float | None, *, permanent: bool
    ) -> None:
        detail = {"stage": error.stage, "code": error.smtp_code, "message": error.message}
        entry = self._attempt(
            message, error.stage, seconds, code=error.smtp_code, message=error.message, kind=error.kind
        )
        message.history = history.added(message.history, entry)
        if error.kind in _UNREADABLE:
            detail["keys"] = keys_at_hand()
        # All mail waits for one common login.
        not_before = self.hold.until if self.hold and self.hold.error is error else None
        status = outbox.record_failure(
            self.owner, message, detail, permanent=permanent, not_before=not_before
        )
        if status is not None:
            is_over = status == Message.Status.FAILED
            self._tally[counts.Outcome.FAILED if is_over else counts.Outcome.DEFERRED] += 1
        log = logger.error if permanent else logger.info
        details = (message.pk, error.stage, error.smtp_code, permanent, error.message)
        log("message %s not delivered stage=%s code=%s permanent=%s: %s", *details)
        self.rows.pop(message.pk, None)

    # --- the history
    def _delivered(self, result: Result, at: datetime) -> list[Entry]:
        """The history of a message that everybody got in this attempt."""
        message = self.rows[result.job.key]
        entry = self._attempt(message, "done", result.seconds, **_answer(result.outcome.reply), at=at)
        return history.added(message.history, entry)

    def _attempt(
        self,
        row: Claimed,
        stage: str,
        seconds: float | None,
        *,
        code: int | None,
        message: str,
        kind: str = "",
        at: datetime | None = None,
    ) -> Entry:
        # What failed before the relay was asked has no duration.
        host = self.host if stage == "done" or seconds is not None else ""
        return history.attempt(
            row.attempts,
            at or timezone.now(),
            stage=stage,
            kind=kind,
            code=code,
            message=message,
            host=host,
            seconds=seconds,
        )
