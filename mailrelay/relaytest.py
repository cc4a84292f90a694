"""The test mail: the relay walked stage by stage with the code that sends real mail, and what it means."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mailrelay import diagnosis, mime, relaytarget, senderaddress
from mailrelay.addresses import split
from mailrelay.dialogue import STAGES, Envelope, Outcome, Trace
from mailrelay.emails import Email
from mailrelay.models import Message, RelaySettings, envelope
from mailrelay.relaytarget import Relay
from mailrelay.smtp import Connection
from quazzar.errors import DeliveryError, InvalidEmail, RelayNotConfigured, Unreadable

#: The whole test, in seconds.
TIMEOUT = 45.0


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
        self.end("ok")
        self.steps.append(Step(stage))
        self.tell(self.steps)

    def end(self, state: str) -> None:
        now = time.monotonic()
        if self.steps and self.steps[-1].state == "running":
            self.steps[-1].state = state
            self.steps[-1].duration_ms = round((now - self._since) * 1000)
            self.tell(self.steps)
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
    message_id = mime.new_message_id(senderaddress.default_from(row.from_address, row.username))
    failure, reply = _attempt(row, recipient, message_id, trace)
    walk.end("ok" if failure is None else "failed")
    result = _result(row, failure, reply, trace, walk)
    result.duration_ms = round((time.monotonic() - started) * 1000)
    _keep(result, recipient, message_id)
    return result


def _attempt(row: RelaySettings, recipient: str, message_id: str, trace: Trace
) -> tuple[DeliveryError | None, str]:  # fmt: skip
    """Walks; returns what went wrong, or the server's last words."""
    try:
        relay = Relay(
            relaytarget.target_of(row), row.from_address, row.from_name, row.provider, row.updated_at
        )
        connection = Connection(relay.target, deadline=time.monotonic() + TIMEOUT, trace=trace).open()
    except Unreadable as exc:
        trace.on_stage("auth")
        return DeliveryError(exc.message, stage="auth", kind="password_unreadable", permanent=True), ""
    except DeliveryError as exc:
        return exc, ""
    try:
        return _judge(connection.send(_test_mail(relay, recipient, message_id)))
    except DeliveryError as exc:
        return exc, ""
    finally:
        connection.close()


def _judge(outcome: Outcome) -> tuple[DeliveryError | None, str]:
    failure = outcome.error or next(iter(outcome.refused.values()), None)
    return failure, outcome.reply.text if outcome.reply else ""


def _test_mail(relay: Relay, recipient: str, message_id: str) -> Envelope:
    sender = senderaddress.default_from(relay.from_address, relay.target.username)
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
    row: RelaySettings, failure: DeliveryError | None, reply: str, trace: Trace, walk: _Walk
) -> TestResult:
    transcript = trace.lines or []
    if failure is None:
        walk.steps.append(Step("done", "ok"))
        sentence = f"The relay took the mail: {' '.join(reply.split())}"
        return TestResult(True, "done", 250, sentence, "", transcript, 0, walk.steps)
    walk.steps[-1:] = [Step(failure.stage, "failed", walk.steps[-1].duration_ms)] if walk.steps else []
    reached = {step.stage for step in walk.steps}
    walk.steps += [Step(stage, "skipped") for stage in STAGES if stage not in reached]
    told = diagnosis.explain(failure, row)
    return TestResult(
        False, failure.stage, failure.smtp_code, told.message, told.hint, transcript, 0, walk.steps
    )  # fmt: skip


def _keep(result: TestResult, recipient: str, message_id: str) -> None:
    """The test appears in the queue page like every mail that this node sent."""
    row = Message(
        source=Message.Source.TEST,
        status=Message.Status.SENT if result.ok else Message.Status.FAILED,
        attempts=1,
        next_attempt_at=None,
        message_id=message_id,
        to=[recipient],
        recipients=envelope([recipient]),
        subject="Test mail from Quazzar Mail Relay",
        sent_at=mime.now() if result.ok else None,
        last_error=None
        if result.ok
        else {"stage": result.stage, "code": result.code, "message": result.message},
    )
    row.save(force_insert=True)
