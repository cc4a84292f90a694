"""More recipients than the server takes at once: everybody gets the mail, once, without a wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import delivery, outbox
from mailrelay.sender import DeliveryError, Sender
from mailrelay.smtp.pool import Pool
from tests.rig.faults import Envelope, FaultServer, Reply, Script, Session
from tests.rig.script import Answer

pytestmark = pytest.mark.django_db


class Narrow(Script):
    """Takes ``most`` recipients at once, and says so at one step."""

    def __init__(self, most: int, step: str, answer: Answer, **fields: object) -> None:
        super().__init__(**fields)  # type: ignore[arg-type]
        self.most, self.step, self.answer = most, step, answer

    def on_rcpt(self, session: Session, address: str) -> Answer:
        full = session.draft is not None and len(session.draft.recipients) >= self.most
        return self.answer if self.step == "RCPT" and full else super().on_rcpt(session, address)

    def on_data(self, session: Session) -> Answer:
        full = session.draft is not None and len(session.draft.recipients) > self.most
        return self.answer if self.step == "DATA" and full else super().on_data(session)

    def on_content(self, session: Session, envelope: Envelope) -> Answer:
        full = len(envelope.recipients) > self.most
        return self.answer if self.step == "." and full else super().on_content(session, envelope)


@pytest.fixture(autouse=True)
def fresh_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    delivery._stopping.clear()
    monkeypatch.setattr(delivery, "_pool", Pool())
    yield
    delivery.close_idle_connections(0)


@pytest.fixture
def serve(relay: RelaySettings) -> Iterator[Callable[[Script], FaultServer]]:
    """Makes a server the saved relay."""
    servers: list[FaultServer] = []

    def start(script: Script) -> FaultServer:
        servers.append(FaultServer(script))
        servers[-1].start()
        relay.host, relay.port = "127.0.0.1", servers[-1].port
        relay.save()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def people(count: int) -> list[str]:
    return [f"box{number}@example.com" for number in range(count)]


def send(count: int) -> Message:
    row = outbox.enqueue(Email(to=people(count), subject="x", text="y"), source="api")
    delivery.drain()
    row.refresh_from_db()
    return row


def reached(server: FaultServer) -> Counter[str]:
    """How often each recipient was told that they have it."""
    return Counter(recipient for mail in server.accepted for recipient in mail.recipients)


REFUSALS = [
    ("RCPT", "452 4.5.3 Too many recipients", 100),
    ("RCPT", "452 Too many recipients", 100),
    ("RCPT", "452 4.5.3 Your message has too many recipients. For more information go to", 3),
    ("RCPT", "552 Too many recipients", 30),
    ("RCPT", "552 5.5.3 Too many recipients", 30),
    ("RCPT", "550 too many recipients", 20),
    ("RCPT", "550 5.5.3 RESOLVER.ADR.RecipLimit; too many recipients", 20),
    ("RCPT", "451 4.5.3 Too many recipients", 20),
    ("DATA", "554 Transaction failed: Recipient count exceeds 50.", 50),
    ("DATA", "452 4.5.3 Error: too many recipients", 25),
    ("DATA", "554 5.5.3 Maximum number of recipients exceeded", 25),
    (".", "554 5.5.3 Too many recipients", 40),
    (".", "552 Message has more than 10 recipients", 10),
    (".", "550 Recipient limit exceeded", 7),
]  # fmt: skip


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
@pytest.mark.parametrize(("step", "answer", "most"), REFUSALS)
def test_everybody_gets_it_once_and_at_the_first_attempt(
    serve: Callable[[Script], FaultServer], step: str, answer: str, most: int, extensions: tuple[str, ...]
) -> None:
    server = serve(Narrow(most, step, answer, extensions=extensions))
    row = send(60 if most < 60 else 130)
    assert (row.status, row.attempts, row.last_error) == ("sent", 1, None)
    assert reached(server) == Counter(people(60 if most < 60 else 130))
    assert {recipient["status"] for recipient in row.recipients} == {"sent"}
    assert max(len(mail.recipients) for mail in server.accepted) <= most


def test_five_hundred_at_fifty_are_ten_mails_and_the_next_one_is_not_refused_first(
    serve: Callable[[Script], FaultServer],
) -> None:
    server = serve(Narrow(50, "DATA", "554 Transaction failed: Recipient count exceeds 50."))
    assert send(500).status == "sent"
    assert [len(mail.recipients) for mail in server.accepted] == [50] * 10
    before = [session.commands.count("DATA") for session in server.sessions]
    assert send(60).status == "sent"
    after = [session.commands.count("DATA") for session in server.sessions]
    assert sum(after) - sum(before) == 2
    assert reached(server)["box0@example.com"] == 2


def test_a_limit_that_the_server_announces_is_kept_from_the_start(
    serve: Callable[[Script], FaultServer],
) -> None:
    limits = ("PIPELINING", "LIMITS MAILMAX=1000 RCPTMAX=20")
    server = serve(Narrow(20, "RCPT", "550 5.7.1 Go away", extensions=limits))
    assert send(50).status == "sent"
    assert [len(mail.recipients) for mail in server.accepted] == [20, 20, 10]


def test_who_is_refused_for_another_reason_keeps_that_reason(
    serve: Callable[[Script], FaultServer],
) -> None:
    script = Narrow(10, "RCPT", "452 4.5.3 Too many recipients")
    script.recipients = {
        "box3@example.com": "550 5.1.1 No such user",
        "box25@example.com": ["450 4.2.1 Later"],
    }
    server = serve(script)
    row = send(30)
    states = {recipient["address"]: recipient["status"] for recipient in row.recipients}
    assert states.pop("box3@example.com") == "failed"
    assert states.pop("box25@example.com") == "pending"
    assert set(states.values()) == {"sent"}
    assert (row.status, (row.last_error or {})["code"]) == ("retrying", 450)
    Message.objects.update(next_attempt_at=timezone.now())
    delivery.drain()
    row.refresh_from_db()
    assert row.status == "failed"
    assert set(reached(server).values()) == {1}
    assert len(reached(server)) == 29


def test_those_who_have_it_are_not_sent_to_again_after_a_failure_half_way(
    serve: Callable[[Script], FaultServer],
) -> None:
    script = Narrow(10, "RCPT", "452 4.5.3 Too many recipients")
    script.commands["."] = [None, None, "451 4.3.0 Disk full"]
    server = serve(script)
    row = send(30)
    assert (row.status, (row.last_error or {})["code"], len(reached(server))) == ("retrying", 451, 20)
    Message.objects.update(next_attempt_at=timezone.now())
    delivery.drain()
    row.refresh_from_db()
    assert row.status == "sent"
    assert reached(server) == Counter(people(30))


def test_a_server_that_hangs_up_after_its_limit_gets_the_rest_over_a_new_connection(
    serve: Callable[[Script], FaultServer],
) -> None:
    script = Narrow(10, "RCPT", "452 4.5.3 Too many recipients")
    script.commands["."] = [Reply("250 2.0.0 Ok", close=True), Reply("250 2.0.0 Ok", close=True)]
    server = serve(script)
    assert send(25).status == "sent"
    assert reached(server) == Counter(people(25))


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
def test_a_server_that_hangs_up_at_its_limit_gets_smaller_mails(
    serve: Callable[[Script], FaultServer], extensions: tuple[str, ...]
) -> None:
    full = Reply("421 4.5.3 Too many recipients", close=True)
    script = Narrow(10, "RCPT", full, extensions=extensions)
    server = serve(script)
    row = send(25)
    assert (row.status, row.attempts) == ("sent", 1)
    assert reached(server) == Counter(people(25))


@pytest.mark.parametrize(
    "answer", ["450 4.7.1 Error: too many recipients from 203.0.113.9", "452 4.5.3 Too many recipients"]
)
def test_a_limit_that_leaves_nobody_in_is_a_failure_for_now(
    serve: Callable[[Script], FaultServer], answer: str
) -> None:
    server = serve(Narrow(0, "RCPT", answer))
    row = send(8)
    assert (row.status, row.attempts, (row.last_error or {})["code"]) == ("retrying", 1, int(answer[:3]))
    assert sum(command.startswith("RCPT") for command in server.sessions[0].commands) == 8


def test_spam_is_not_tried_in_smaller_parts(serve: Callable[[Script], FaultServer]) -> None:
    script = Script()
    script.commands["."] = "554 5.7.1 Spam"
    server = serve(script)
    assert send(8).status == "failed"
    assert len(server.envelopes) == 1


def test_a_mail_that_is_sent_at_once_goes_out_in_parts_as_well(
    serve: Callable[[Script], FaultServer],
) -> None:
    script = Narrow(10, "DATA", "554 Recipient count exceeds 10.")
    server = serve(script)
    Sender().send(Email(to=people(25), text="x"))
    assert reached(server) == Counter(people(25))
    script.recipients["box24@example.com"] = "550 5.1.1 No such user"
    with pytest.raises(DeliveryError) as caught:
        Sender().send(Email(to=people(25), text="x"))
    assert list(caught.value.refused) == ["box24@example.com"]
