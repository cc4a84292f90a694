"""The test mail: sent stage by stage by the code that sends real mail, with an explanation of how far it got."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction

from mailrelay import history, monitoring
from mailrelay.diagnosis.explain import explain
from mailrelay.mail import mime
from mailrelay.mail.addresses import split
from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import counts, outbox
from mailrelay.relay import logins, rules
from mailrelay.relay.target import Relay, default_from, relay_of
from mailrelay.smtp import sasl
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import STAGES, Envelope, Target, Trace
from mailrelay.smtp.wire import Reply
from quazzar import actors, words
from quazzar.errors import DeliveryError, InvalidEmail, RelayNotConfigured, Unreadable

logger = logging.getLogger(__name__)

#: How long the whole test may take, in seconds.
TIMEOUT = 45.0
_LONGEST_LINE = 2000


@dataclass(slots=True)
class Step:
    """One stage of the test; ``state`` is running, ok, failed or skipped."""

    stage: str
    state: str = "running"
    duration_ms: int = 0


@dataclass(slots=True)
class TestResult:
    """What the operator sees.

    Attributes:
        stage: the last stage (see ``dialogue.STAGES``): where it failed, or done.
        code: the server's last reply code; None if it never answered.
        transcript: the dialogue without credentials.
    """

    ok: bool
    stage: str
    code: int | None
    message: str
    hint: str
    transcript: list[str]
    duration_ms: int
    steps: list[Step] = field(default_factory=list)


@dataclass
class _Walk:
    """Turns the stages of the SMTP edge into timed steps, and reports each change."""

    report: Callable[[list[Step]], None]
    steps: list[Step] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def enter(self, stage: str) -> None:
        self._end()
        self.steps.append(Step(stage))
        self.report(self.steps)

    def succeed(self) -> None:
        self._end()
        self.steps.append(Step("done", "ok"))
        self.report(self.steps)

    def fail(self, stage: str) -> None:
        """Mark a stage as failed.

        It need not be the last one entered: with implicit TLS the greeting comes after TLS, and the reply to
        DATA arrives together with those to RCPT.
        """
        self._end()
        failed = next((step for step in self.steps if step.stage == stage), None) or Step(stage)
        failed.state = "failed"
        reached = {step.stage: step for step in [*self.steps, failed]}
        self.steps = [reached.get(name) or Step(name, "skipped") for name in STAGES]
        self.report(self.steps)

    def _end(self) -> None:
        now = time.monotonic()
        if self.steps and self.steps[-1].state == "running":
            self.steps[-1].state = "ok"
            self.steps[-1].duration_ms = round((now - self._since) * 1000)
        self._since = now


def run(to: str, *, on_steps: Callable[[list[Step]], None] = lambda steps: None) -> TestResult:
    """Send the test mail, and return how far it came. A failed delivery is a result, not an error.

    Args:
        on_steps: called with all steps so far whenever one changes.

    Raises:
        RelayNotConfigured: no relay is set.
        InvalidEmail: ``to`` is not an address.
    """
    try:
        recipient = split(to)[1]
    except ValueError as exc:
        raise InvalidEmail("to", str(exc)) from exc
    started = time.monotonic()
    row = RelaySettings.load()
    if not row.configured:
        raise RelayNotConfigured
    walk = _Walk(on_steps)
    trace = Trace(on_stage=walk.enter, lines=[])
    message_id = mime.new_message_id(default_from(row.from_address, row.username))
    failure, reply = _attempt(row, recipient, message_id, trace)
    if failure is None:
        walk.succeed()
    else:
        walk.fail(failure.stage)
        logger.warning("relay test failed stage=%s code=%s: %s", failure.stage, failure.smtp_code, failure)
    result = _result(row, failure, reply, trace, walk)
    result.duration_ms = round((time.monotonic() - started) * 1000)
    said = (failure.kind, failure.message) if failure else ("", reply.text if reply else "")
    _keep(row, result, recipient, message_id, said)
    monitoring.look_again()
    return result


def _attempt(
    row: RelaySettings, recipient: str, message_id: str, trace: Trace
) -> tuple[DeliveryError | None, Reply | None]:
    """Send the mail; returns what went wrong, and the server's last answer."""
    try:
        relay = relay_of(row)
        # Tried even while the queue waits after a refused login.
        signing_in = logins.remembered(relay)
        deadline = time.monotonic() + TIMEOUT
        connection = Connection(relay.target, deadline=deadline, trace=trace, signing_in=signing_in).open()
    except Unreadable as exc:
        trace.on_stage("auth")
        return DeliveryError(exc.message, stage="auth", kind="password_unreadable", permanent=True), None
    except DeliveryError as exc:
        return exc, None
    if relay.refusals:
        outbox.follow_relay()
    try:
        outcome = connection.send(_test_mail(relay, recipient, message_id))
    except DeliveryError as exc:
        return exc, None
    finally:
        connection.close()
    return outcome.error or next(iter(outcome.refused.values()), None), _masked(outcome.reply, relay.target)


def _masked(reply: Reply | None, target: Target) -> Reply | None:
    """The answer without our password: a server may repeat it even when it accepts the mail."""
    if reply is None:
        return None
    text = reply.text
    for secret in sasl.traces(target.username, target.password):
        text = text.replace(secret, "********")
    return Reply(reply.code, text)


def _test_mail(relay: Relay, recipient: str, message_id: str) -> Envelope:
    sender = default_from(relay.from_address, relay.target.username)
    email = Email(
        to=[recipient],
        subject="Test mail from Quazzar Mail Relay",
        text=(
            "This is a test mail from Quazzar Mail Relay.\n\n"
            f"It was sent through {relay.target.host} port {relay.target.port}. "
            "Alerts and backup reports are sent the same way.\n"
        ),
        headers={"Auto-Submitted": "auto-generated"},
    )
    rendered = mime.render(
        email, message_id=message_id, date=mime.now(), default_from=sender, default_name=relay.from_name
    )
    return Envelope(rendered.sender, (recipient,), rendered.data, rendered.utf8)


def _result(
    row: RelaySettings, failure: DeliveryError | None, reply: Reply | None, trace: Trace, walk: _Walk
) -> TestResult:
    transcript = [words.lines(line, _LONGEST_LINE) for line in trace.lines or []]
    if failure is None:
        sentence = words.one_line(f"The relay accepted the mail: {reply.text if reply else ''}")
        code = reply.code if reply else None
        return TestResult(True, "done", code, sentence, "", transcript, 0, walk.steps)
    diagnosis = explain(failure, row, _oddities(row))
    # A server may reply with any bytes: PostgreSQL refuses NUL, and a page must not show control characters.
    sentence = words.one_line(diagnosis.message)
    return TestResult(
        False, failure.stage, failure.smtp_code, sentence, diagnosis.hint, transcript, 0, walk.steps
    )


def _oddities(row: RelaySettings) -> list[str]:
    password = row.password.reveal() if row.password is not None and row.password.readable else ""
    oddities = [
        rules.oddity("The saved username", row.username),
        rules.oddity("The saved password", str(password)),
    ]
    return [sentence for sentence in oddities if sentence]


def _keep(
    relay: RelaySettings, result: TestResult, recipient: str, message_id: str, said: tuple[str, str]
) -> None:
    """Store the test as a message, so that it is listed like every mail that this node sent.

    Args:
        said: the kind of failure, empty for a delivery, and the server's words.
    """
    error = None if result.ok else {"stage": result.stage, "code": result.code, "message": result.message}
    now = mime.now()
    if error:
        error["at"] = now.isoformat()
    attempt = history.attempt(
        1,
        now,
        stage=result.stage,
        code=result.code,
        message=said[1],
        kind=said[0],
        host=f"{relay.host}:{relay.port}",
        seconds=result.duration_ms / 1000,
    )
    row = Message(
        source=Message.Source.TEST,
        status=Message.Status.SENT if result.ok else Message.Status.FAILED,
        attempts=1,
        next_attempt_at=None,
        message_id=message_id,
        to=[recipient],
        recipients=[_recipient_state(recipient, result)],
        only_recipient=recipient.lower(),
        subject="Test mail from Quazzar Mail Relay",
        created_at=now - timedelta(milliseconds=result.duration_ms),
        sent_at=now if result.ok else None,
        last_error=error,
        history=[attempt],
        submitted_by=actors.current_actor(),
    )
    with transaction.atomic():
        row.save(force_insert=True)
        counts.add({row.status: 1})


def _recipient_state(recipient: str, result: TestResult) -> dict[str, Any]:
    if result.ok:
        return {"address": recipient, "status": "sent"}
    return {"address": recipient, "status": "failed", "code": result.code, "message": result.message}
