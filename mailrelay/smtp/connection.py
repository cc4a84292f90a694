"""One connection to the relay, used for message after message; with PIPELINING (RFC 2920) where that is offered."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress

from mailrelay.legal.conversion import Legal, Offer, Unsendable, legalise
from mailrelay.smtp import wire
from mailrelay.smtp.channel import Steps
from mailrelay.smtp.dialogue import TOO_MANY, Envelope, Outcome, Target, Trace
from mailrelay.smtp.opening import Opening
from mailrelay.smtp.wire import Reply
from quazzar import words
from quazzar.errors import DeliveryError

# RFC 5321 §4.5.3.2.6 allows ten minutes for the answer to the final dot; this is shorter, but still patient.
_DATA_SECONDS = 180.0


class Connection(Opening):
    """One open, authenticated connection.

    Attributes:
        idle_since: the ``time.monotonic()`` at which it was last put aside.

    Raises:
        DeliveryError: from every method, naming the stage that failed.
    """

    def __init__(
        self,
        target: Target,
        *,
        deadline: float | None = None,
        trace: Trace | None = None,
        signing_in: AbstractContextManager[None] | None = None,
    ) -> None:
        super().__init__(target, deadline=deadline, trace=trace, signing_in=signing_in)
        self.idle_since = time.monotonic()
        # An announcement was refused half-way: the next one must begin with RSET.
        self._dirty = False
        self._refused: dict[str, DeliveryError] = {}
        self._most = 0
        # What became of the latest two: the one that is sent, and the one announced behind it.
        self._fitted: list[tuple[Envelope, Legal | DeliveryError]] = []

    # --- sending -------------------------------------------------------------------------------------------
    @property
    def pipelining(self) -> bool:
        """Whether commands may be sent without waiting for the answer to the one before."""
        return "pipelining" in self._features

    def send(self, envelope: Envelope) -> Outcome:
        """Send one message from start to end.

        Raises:
            DeliveryError: the connection broke. A refusal is in the outcome.
        """
        return self.wait(self._send(envelope))

    def _send(self, envelope: Envelope) -> Steps[Outcome]:
        outcome = yield from self.begin(envelope)
        return outcome or (yield from self.finish(envelope, None))[0]

    def begin(self, envelope: Envelope) -> Steps[Outcome | None]:
        """Announce a message: MAIL, RCPT, DATA.

        Returns:
            None when ``finish`` may send the body; else the outcome: the server refused it, or must not be asked.

        Raises:
            DeliveryError: the connection broke.
        """
        self._said = None
        fitted = self._fit(envelope)
        if isinstance(fitted, DeliveryError):
            return Outcome(error=fitted, most=self._limit if fitted.kind == TOO_MANY else 0)
        commands = self._commands(envelope)
        self._enter("sender")
        if self.pipelining:
            yield from self._writing(b"".join(commands))
            return (yield from self._hear(envelope))
        return (yield from self._hear_one_by_one(envelope, commands))

    def finish(self, envelope: Envelope, following: Envelope | None) -> Steps[tuple[Outcome, bool]]:
        """Send the body, with the announcement of the next message in the same flight if there is one.

        Returns:
            The outcome, and whether ``following`` was announced; then call ``announced`` for it.

        Raises:
            DeliveryError: the connection broke.
        """
        self._enter("data")
        data = self._legal(envelope).data
        pipelined = following is not None and self.pipelining and isinstance(self._fit(following), Legal)
        self._dirty = False
        flight = data if data.endswith(b"\r\n") else data + b"\r\n"
        flight = wire.dot_stuff(flight) + b".\r\n"
        if pipelined and following is not None:
            flight += b"".join(self._commands(following))
        self._note(f"C: [{len(data)} bytes of mail]")
        refused = self._refused
        yield from self._writing(flight, _DATA_SECONDS, secret=True)
        reply = yield from self._reading(_DATA_SECONDS)
        if reply.good and self._broken is not None:  # it cannot have all of it
            raise self._lost(self._broken)
        if reply.code == 421:
            self.usable = False
        if reply.good:
            said = Reply(reply.code, self._masked(reply.text))
            return Outcome(refused=refused, reply=said, most=self._most), pipelined
        taken = len(envelope.recipients) - len(refused)
        return Outcome(error=self._rejected(reply), reply=reply, most=self._fewer(reply, taken)), pipelined

    def announced(self, envelope: Envelope) -> Steps[Outcome | None]:
        """Read the answers to an announcement that went out with the message before it; returns as ``begin``."""
        self._said = None
        return (yield from self._hear(envelope))

    def _commands(self, envelope: Envelope) -> list[bytes]:
        reset = [b"RSET\r\n"] if self._dirty else []
        mail = self._legal(envelope)
        size = len(mail.data)
        announcement = wire.mail_command(
            envelope.sender, size, self._features, utf8=mail.utf8, eight_bit=mail.eight_bit
        )
        return [*reset, announcement, *map(wire.rcpt_command, envelope.recipients), b"DATA\r\n"]

    def _legal(self, envelope: Envelope) -> Legal:
        fitted = self._fit(envelope)
        assert isinstance(fitted, Legal)  # begin() and finish() announce no other
        return fitted

    def _fit(self, envelope: Envelope) -> Legal | DeliveryError:
        """The mail as this server may be sent it, or why it must not be asked, known from what it offers."""
        for known, fitted in self._fitted:
            if known is envelope:
                return fitted
        fitted = self._made_legal(envelope)
        self._fitted = [*self._fitted[-1:], (envelope, fitted)]
        return fitted

    @property
    def _limit(self) -> int:
        return wire.recipient_limit(self._features.get("limits", ""))

    def _made_legal(self, envelope: Envelope) -> Legal | DeliveryError:
        if 0 < self._limit < len(envelope.recipients):
            sentence = f"The server accepts {self._limit} recipients at once."
            return self._failure(sentence, TOO_MANY, stage="recipient", code=452)
        offer = Offer(eight_bit="8bitmime" in self._features, utf8="smtputf8" in self._features)
        try:
            mail = legalise(envelope.data, offer, utf8=envelope.utf8)
        except Unsendable as exc:
            if exc.needs_utf8:
                return self._failure(
                    str(exc), "smtputf8_not_offered", permanent=True, stage="sender", code=553
                )
            return self._failure(str(exc), "rejected", permanent=True, stage="data")
        limit = int(self._features.get("size") or 0)
        if limit and len(mail.data) > limit:
            size = words.size(len(mail.data))
            sentence = f"The mail has {size}; the server accepts at most {words.size(limit)}."
            return self._failure(sentence, "rejected", permanent=True, stage="sender", code=552)
        return mail

    def _hear(self, envelope: Envelope) -> Steps[Outcome | None]:
        """Read the answers to a whole flight: [RSET,] MAIL, each RCPT, DATA."""
        if self._dirty:
            self._heard_reset((yield from self._reading()))
        self._enter("sender")
        mail = self._heard_mail((yield from self._reading()))
        if mail.good:
            self._enter("recipient")
        answers: dict[str, Reply] = {}
        try:
            for recipient in envelope.recipients:
                answers[recipient] = yield from self._reading()
            data = yield from self._reading()
        except DeliveryError as exc:
            return self._cut_off(envelope, mail, answers, exc)
        if not mail.good or not any(reply.good for reply in answers.values()):
            return (yield from self._nobody(mail, answers, data))
        return self._judge(answers, data)

    def _hear_one_by_one(self, envelope: Envelope, commands: Iterable[bytes]) -> Steps[Outcome | None]:
        queue = list(commands)
        if self._dirty:
            self._heard_reset((yield from self._exchanging(queue.pop(0))))
        mail = self._heard_mail((yield from self._exchanging(queue.pop(0))))
        if not mail.good:
            return Outcome(error=self._rejected(mail), reply=mail)
        self._dirty = True
        self._enter("recipient")
        answers: dict[str, Reply] = {}
        try:
            for recipient in envelope.recipients:
                answers[recipient] = yield from self._exchanging(queue.pop(0))
            if not any(reply.good for reply in answers.values()):
                return (yield from self._nobody(mail, answers, None))
            data = yield from self._exchanging(queue.pop(0))
        except DeliveryError as exc:
            return self._cut_off(envelope, mail, answers, exc)
        return self._judge(answers, data)

    def _heard_reset(self, reply: Reply) -> None:
        if not reply.good:
            raise self._rejected(reply, kind="closed")

    def _heard_mail(self, reply: Reply) -> Reply:
        if reply.code == 421:  # RFC 5321 §3.8: the server closes the connection
            raise self._rejected(reply, kind="closed")
        return reply

    def _cut_off(
        self, envelope: Envelope, mail: Reply, answers: dict[str, Reply], exc: DeliveryError
    ) -> Outcome:
        """The connection broke before all answers had come.

        What the server refused for good stays refused; everybody else is tried again.

        Raises:
            DeliveryError: nothing was refused for good just before, so another connection may do better.
        """
        if not mail.good:
            return Outcome(error=self._rejected(mail, stage="sender"), reply=mail)
        refused = self._refusals(answers)
        taken = len(answers) - len(refused)
        if taken and any(error.kind == TOO_MANY for error in refused.values()):
            return Outcome(error=exc, most=taken)
        if not exc.permanent or exc.kind != "closed":
            raise exc
        later = DeliveryError(exc.message, stage="recipient", kind="closed", smtp_code=exc.smtp_code)
        rest = {recipient: later for recipient in envelope.recipients if recipient not in refused}
        return Outcome(refused={**refused, **rest}, reply=self._said)

    def _nobody(self, mail: Reply, answers: dict[str, Reply], data: Reply | None) -> Steps[Outcome]:
        """No recipient was accepted. A server that answers DATA with 354 anyway gets an empty message, which it
        must refuse (RFC 2920 §3.1)."""
        self._dirty = True
        if data is not None and data.code == 354:
            with suppress(DeliveryError):  # what it said to the recipients counts
                yield from self._exchanging(b".\r\n")
        if not mail.good:
            return Outcome(error=self._rejected(mail, stage="sender"), reply=mail)
        return Outcome(refused=self._refusals(answers), reply=list(answers.values())[-1])

    def _judge(self, answers: dict[str, Reply], data: Reply) -> Outcome | None:
        self._refused = self._refusals(answers)
        taken = len(answers) - len(self._refused)
        late = any(error.kind == TOO_MANY for error in self._refused.values())
        self._most = taken if late else 0
        if data.code == 354:
            return None
        self._dirty = True
        return Outcome(
            error=self._rejected(data, stage="data"), reply=data, most=self._most or self._fewer(data, taken)
        )

    def _fewer(self, reply: Reply, taken: int) -> int:
        """How many recipients to send to at once, if the server refused a mail because it had too many; else 0."""
        if taken < 2 or not wire.too_many(reply.code, reply.text):
            return 0
        return wire.most_recipients(reply.text, taken)

    def _refusals(self, answers: dict[str, Reply]) -> dict[str, DeliveryError]:
        """Recipient → failure, for those that the server did not accept."""
        return {recipient: self._refusal(reply) for recipient, reply in answers.items() if not reply.good}

    def _refusal(self, reply: Reply) -> DeliveryError:
        if not wire.too_many(reply.code, reply.text, rcpt=True):
            return self._rejected(reply, stage="recipient")
        error = self._rejected(reply, stage="recipient", kind=TOO_MANY)
        error.permanent = False  # RFC 5321 §4.5.3.1.10: also when an old server says 552
        return error
