"""The test mail: the relay walked stage by stage with the code that sends real mail, and what it means."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mailrelay.diagnosis import explain as diagnosis
from mailrelay.mail import mime
from mailrelay.mail.addresses import split
from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from mailrelay.relay import target as relaytarget
from mailrelay.relay.target import Relay
from mailrelay.smtp import sasl as saslauth
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import STAGES, Envelope, Reply, Target, Trace
from quazzar import words as noticetext
from quazzar.errors import DeliveryError, InvalidEmail, RelayNotConfigured, Unreadable

#: The whole test, in seconds.
TIMEOUT = 45.0
_LONGEST_LINE = 2000


@dataclass(slots=True)
class Step:
    """One stage: state is running, ok, failed or skipped."""

    stage: str
    state: str = "running"
    duration_ms: int = 0


@dataclass(slots=True)
class TestResult:
    """What the operator is told. ``code`` is the server's reply, or None where it never answered."""

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
    """Turns the edge's stages into timed steps, and tells each change."""

    tell: Callable[[list[Step]], None]
    steps: list[Step] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def enter(self, stage: str) -> None:
        self._end()
        self.steps.append(Step(stage))
        self.tell(self.steps)

    def succeed(self) -> None:
        self._end()
        self.steps.append(Step("done", "ok"))
        self.tell(self.steps)

    def fail(self, stage: str) -> None:
        """What failed need not be what was entered last: the greeting comes after implicit TLS, and the answer to
        DATA in one flight with those to RCPT."""
        self._end()
        failed = next((step for step in self.steps if step.stage == stage), None) or Step(stage)
        failed.state = "failed"
        reached = {step.stage: step for step in [*self.steps, failed]}
        self.steps = [reached.get(name) or Step(name, "skipped") for name in STAGES]
        self.tell(self.steps)

    def _end(self) -> None:
        now = time.monotonic()
        if self.steps and self.steps[-1].state == "running":
            self.steps[-1].state = "ok"
            self.steps[-1].duration_ms = round((now - self._since) * 1000)
        self._since = now


def run(to: str, *, on_steps: Callable[[list[Step]], None] = lambda steps: None) -> TestResult:
    """Sends the test mail and says how far it came. A failed delivery is a result, not an error.

    Raises:
        RelayNotConfigured: no relay is set.
        InvalidEmail: ``to`` is no address.
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
    message_id = mime.new_message_id(relaytarget.default_from(row.from_address, row.username))
    failure, reply = _attempt(row, recipient, message_id, trace)
    if failure is None:
        walk.succeed()
    else:
        walk.fail(failure.stage)
    result = _result(row, failure, reply, trace, walk)
    result.duration_ms = round((time.monotonic() - started) * 1000)
    _keep(result, recipient, message_id)
    return result


def _attempt(row: RelaySettings, recipient: str, message_id: str, trace: Trace
) -> tuple[DeliveryError | None, Reply | None]:  # fmt: skip
    """Walks; returns what went wrong, or the server's last words."""
    try:
        relay = Relay(
            relaytarget.target_of(row), row.from_address, row.from_name, row.provider, row.updated_at
        )
        connection = Connection(relay.target, deadline=time.monotonic() + TIMEOUT, trace=trace).open()
    except Unreadable as exc:
        trace.on_stage("auth")
        return DeliveryError(exc.message, stage="auth", kind="password_unreadable", permanent=True), None
    except DeliveryError as exc:
        return exc, None
    try:
        outcome = connection.send(_test_mail(relay, recipient, message_id))
    except DeliveryError as exc:
        return exc, None
    finally:
        connection.close()
    return outcome.error or next(iter(outcome.refused.values()), None), _masked(outcome.reply, relay.target)


def _masked(reply: Reply | None, target: Target) -> Reply | None:
    """A server may repeat our password also when it takes the mail."""
    if reply is None:
        return None
    text = reply.text
    for word in saslauth.traces(target.username, target.password):
        text = text.replace(word, "********")
    return Reply(reply.code, text)


def _test_mail(relay: Relay, recipient: str, message_id: str) -> Envelope:
    sender = relaytarget.default_from(relay.from_address, relay.target.username)
    email = Email(
        to=[recipient],
        subject="Test mail from Quazzar Mail Relay",
        text=(
            "This is a test mail from Quazzar Mail Relay.\n\n"
            f"It left through {relay.target.host} port {relay.target.port}. "
            "Alerts and backup reports will take the same way.\n"
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
    transcript = [noticetext.lines(line, _LONGEST_LINE) for line in trace.lines or []]
    if failure is None:
        words = f"The relay took the mail: {reply.text if reply else ''}"
        return TestResult(
            True, "done", reply.code if reply else None, _line(words), "", transcript, 0, walk.steps
        )
    told = diagnosis.explain(failure, row)
    return TestResult(
        False, failure.stage, failure.smtp_code, _line(told.message), told.hint, transcript, 0, walk.steps
    )


def _line(words: str) -> str:
    """A server may answer anything; PostgreSQL takes no NUL, a page no control character."""
    return noticetext.one_line(words)


def _keep(result: TestResult, recipient: str, message_id: str) -> None:
    """The test appears in the queue page like every mail that this node sent."""
    error = None if result.ok else {"stage": result.stage, "code": result.code, "message": result.message}
    row = Message(
        source=Message.Source.TEST,
        status=Message.Status.SENT if result.ok else Message.Status.FAILED,
        attempts=1,
        next_attempt_at=None,
        message_id=message_id,
        to=[recipient],
        recipients=[_told(recipient, result)],
        subject="Test mail from Quazzar Mail Relay",
        sent_at=mime.now() if result.ok else None,
        last_error=error,
    )
    row.save(force_insert=True)


def _told(recipient: str, result: TestResult) -> dict[str, Any]:
    if result.ok:
        return {"address": recipient, "status": "sent"}
    return {"address": recipient, "status": "failed", "code": result.code, "message": result.message}
