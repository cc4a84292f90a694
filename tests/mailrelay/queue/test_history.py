"""What is kept of each delivery attempt: who was asked, what the server said, how long it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from mailrelay import history
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import delivery
from tests.rig.faults import FaultServer, Script

AT = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
Queue = Callable[..., Message]


def attempt(number: int, stage: str = "data", message: str = "451 Later") -> history.Entry:
    return history.attempt(number, AT, stage=stage, code=451, message=message)


# --- the list


def test_the_first_and_the_last_attempts_are_kept() -> None:
    kept: list[history.Entry] = []
    for number in range(1, 41):
        kept = history.added(kept, attempt(number))
    assert [entry["number"] for entry in kept] == [1, 2, 3, 4, 5, *range(26, 41)]


def test_adding_leaves_the_list_as_it_was() -> None:
    before = [attempt(1)]
    assert len(history.added(before, attempt(2))) == 2
    assert len(before) == 1


def test_an_answer_is_kept_in_one_line_of_some_length() -> None:
    said = attempt(1, message="2.0.0\n\x1b[31mOk\x00 " + "x" * 1000)["message"]
    assert said.startswith("2.0.0 Ok x")
    assert len(said) == history.LONGEST


@pytest.mark.parametrize(
    ("entries", "final"),
    [
        ([], (None, "")),
        ([attempt(1)], (None, "")),
        ([attempt(1), attempt(2, "done", "Ok 4F")], (451, "Ok 4F")),
        ([attempt(1, "done", "Ok 4F"), history.event("retried", AT, "user:ada")], (451, "Ok 4F")),
        ([attempt(1, "done", "Ok 4F"), attempt(2)], (None, "")),
    ],
)
def test_the_final_words_are_those_of_the_delivery(entries: list[history.Entry], final: Any) -> None:
    assert history.final_words(entries) == final


# --- through a server


@pytest.fixture
def server(relay: RelaySettings) -> Iterator[FaultServer]:
    delivery._stopping.clear()
    with FaultServer(Script()) as server:
        relay.host, relay.port = "127.0.0.1", server.port
        relay.save()
        yield server
    delivery.close_idle_connections(0)


def tried() -> Message:
    """The one message, after everything that is due was tried."""
    Message.objects.filter(status__in=Message.PENDING).update(next_attempt_at=timezone.now())
    delivery.drain()
    return Message.objects.get()


def test_a_delivery_keeps_the_servers_final_words(queued: Queue, server: FaultServer) -> None:
    server.script.commands["."] = "250 2.0.0 Ok: queued as 4F1C"
    queued()
    row = tried()
    (entry,) = row.history
    assert entry.pop("duration_ms") >= 0
    assert abs(datetime.fromisoformat(entry.pop("at")) - timezone.now()).total_seconds() < 60
    assert entry == {
        "number": 1,
        "stage": "done",
        "kind": "",
        "code": 250,
        "message": "2.0.0 Ok: queued as 4F1C",
        "host": f"127.0.0.1:{server.port}",
    }
    (outcome,) = row.outcomes()
    assert (outcome["status"], outcome["code"], outcome["message"]) == (
        "sent",
        250,
        "2.0.0 Ok: queued as 4F1C",
    )


def test_each_of_many_messages_keeps_its_own_words(queued: Queue, server: FaultServer, settings: Any) -> None:
    settings.QUAZZAR_RELAY_CONNECTIONS = 1  # so that the server's answers come in the order of its script
    for number in range(12):
        queued(f"box{number}@example.com")
    server.script.commands["."] = [f"250 2.0.0 queued as {number}" for number in range(12)]
    delivery.drain()
    said = {row.message_id: row.history[0]["message"] for row in Message.objects.all()}
    order = [mail.message_id for mail in server.accepted]
    assert said == {message_id: f"2.0.0 queued as {number}" for number, message_id in enumerate(order)}


def test_a_refusal_and_the_delivery_after_it_are_both_there(queued: Queue, server: FaultServer) -> None:
    server.script.commands["."] = ["451 4.3.0 Try later"]
    queued()
    tried()
    row = tried()
    assert [(entry["number"], entry["stage"], entry["code"]) for entry in row.history] == [
        (1, "data", 451),
        (2, "done", 250),
    ]
    assert row.history[0]["message"] == "The server answered 451 4.3.0 Try later"
    assert row.outcomes()[0]["code"] == 250


def test_who_was_put_off_and_then_has_it_shows_the_last_answer(queued: Queue, server: FaultServer) -> None:
    server.script.recipients["slow@example.com"] = ["450 4.2.1 Greylisted"]
    queued("slow@example.com")
    tried()
    (outcome,) = tried().outcomes()
    assert (outcome["status"], outcome["code"]) == ("sent", 250)


def test_who_was_refused_and_who_has_it_keep_their_own_words(queued: Queue, server: FaultServer) -> None:
    server.script.recipients["bad@example.com"] = "550 5.1.1 No such user"
    server.script.commands["."] = "250 2.0.0 queued as 7B"
    queued("bad@example.com", "ops@example.com")
    row = tried()
    assert {one["address"]: (one["code"], one["message"]) for one in row.outcomes()} == {
        "bad@example.com": (550, "The server answered 550 5.1.1 No such user"),
        "ops@example.com": (250, "2.0.0 queued as 7B"),
    }
    assert [entry["stage"] for entry in row.history] == ["recipient"]


def test_a_server_that_is_not_there_has_its_attempt_too(queued: Queue, server: FaultServer) -> None:
    server.stop()
    queued()
    (entry,) = tried().history
    assert (entry["stage"], entry["kind"], entry["code"]) == ("connect", "refused", None)
    assert entry["host"] == f"127.0.0.1:{server.port}"
    assert entry["duration_ms"] is not None


@pytest.mark.django_db
def test_without_a_relay_no_server_was_asked(queued: Queue, relay: RelaySettings) -> None:
    queued()
    relay.delete()
    (entry,) = tried().history
    assert (entry["host"], entry["duration_ms"]) == ("", None)


def test_a_server_that_repeats_the_password_does_not_get_it_into_a_row(
    queued: Queue, server: FaultServer, relay: RelaySettings
) -> None:
    relay.username, relay.password = "node", "tall-otter-19"
    relay.security = "none"
    relay.save()
    server.script.users = {"node": "tall-otter-19"}
    server.script.commands["."] = "250 2.0.0 Ok tall-otter-19"
    queued()
    row = tried()
    assert "tall-otter" not in str(row.history)
