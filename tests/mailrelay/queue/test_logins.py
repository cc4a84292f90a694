"""A refused login: all mail waits for one common next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from mailrelay.diagnosis import testmail
from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import delivery, outbox
from mailrelay.queue.statements import Claimed
from mailrelay.relay import logins, settings, target
from mailrelay.sender import DeliveryError, Sender
from mailrelay.tasks import sweep_outbox
from tests.rig.faults import FaultServer, Reply, Script

pytestmark = pytest.mark.django_db
Queue = Callable[..., Message]
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def fresh_connections() -> Iterator[None]:
    delivery._stopping.clear()
    yield
    delivery.close_idle_connections(0)


@pytest.fixture
def server(relay: RelaySettings) -> Iterator[FaultServer]:
    """The saved relay, which knows another password than the saved one."""
    with FaultServer(Script(users={"op": "right-password"}, latency=0.02)) as server:
        changes = {"host": "127.0.0.1", "port": server.port, "security": "none"}
        settings.update({**changes, "username": "op", "password": "wrong-password"}, partial=True)
        yield server


def count(server: FaultServer) -> int:
    """How many logins the server has seen."""
    return sum(command.startswith("AUTH") for session in server.sessions for command in session.commands)


def pass_time(minutes: float) -> None:
    """Make it later, for the queue."""
    gone = timedelta(minutes=minutes)
    for row in RelaySettings.objects.exclude(login_not_before=None):
        RelaySettings.objects.update(login_not_before=row.login_not_before and row.login_not_before - gone)
    for message in Message.objects.exclude(next_attempt_at=None):
        assert message.next_attempt_at is not None
        Message.objects.filter(pk=message.pk).update(next_attempt_at=message.next_attempt_at - gone)


@pytest.mark.slow
def test_many_mails_at_once_are_one_login(queued: Queue, server: FaultServer) -> None:
    for _ in range(80):
        queued()
    assert delivery.drain() == 0
    assert count(server) == 1
    rows = list(Message.objects.all())
    assert {row.status for row in rows} == {"retrying"}
    assert len({row.next_attempt_at for row in rows}) == 1
    assert {(row.last_error or {})["code"] for row in rows} == {535}


@pytest.mark.slow
def test_each_further_mail_waits_for_the_same_login(queued: Queue, server: FaultServer) -> None:
    for _ in range(10):
        queued()
        delivery.drain()
        sweep_outbox()
    assert count(server) == 1
    assert len(set(Message.objects.values_list("next_attempt_at", flat=True))) == 1
    assert {(row.last_error or {})["stage"] for row in Message.objects.all()} == {"auth"}


def test_a_mail_that_comes_while_a_drain_begins_waits_as_well(
    queued: Queue, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued()
    delivery.drain()
    monkeypatch.setattr(outbox, "anything_due", lambda: False)  # not yet
    queued()
    delivery.drain()
    assert count(server) == 1


@pytest.mark.slow
def test_the_distance_grows_and_stays_below_what_locks_out(queued: Queue, server: FaultServer) -> None:
    times = []
    for minute in range(0, 600, 1):
        queued()
        before = count(server)
        sweep_outbox()
        times += [minute] * (count(server) - before)
        pass_time(1)
        if minute == 40:
            break
    assert times == [0, 1, 5, 20]
    assert [logins.wait(refusals) / MINUTE for refusals in range(8)] == [1, 1, 4, 15, 60, 120, 120, 120]


def test_of_several_workers_one_signs_in_when_the_wait_is_over(queued: Queue, server: FaultServer) -> None:
    queued()
    delivery.drain()
    pass_time(2)
    first, second = target.load(), target.load()
    assert logins.hold(first) is None
    held = logins.hold(second)
    assert held is not None
    assert (held.error.smtp_code, held.until > timezone.now() + 3 * MINUTE) == (535, True)
    assert logins.hold(target.load()) is not None


@pytest.mark.parametrize("repaired", [True, False])
def test_whose_turn_it_is_signs_in_even_if_another_worker_has_claimed_the_mail(
    queued: Queue, server: FaultServer, monkeypatch: pytest.MonkeyPatch, repaired: bool
) -> None:
    queued()
    delivery.drain()
    pass_time(2)
    if repaired:
        server.script.users["op"] = "wrong-password"
    claim = outbox.claim

    def claim_second(owner: str, limit: int) -> list[Claimed]:
        monkeypatch.setattr(outbox, "claim", claim)
        assert delivery.Drain().run() == 0  # another worker's, which has to wait
        return claim(owner, limit)

    monkeypatch.setattr(outbox, "claim", claim_second)
    assert delivery.drain() == (1 if repaired else 0)
    assert count(server) > 1
    assert RelaySettings.objects.get().login_refusals == (0 if repaired else 2)


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=400)], ids=["hour", "year"])
def test_a_wait_that_a_wrong_clock_wrote_does_not_count(
    queued: Queue, server: FaultServer, ahead: timedelta
) -> None:
    queued()
    delivery.drain()
    RelaySettings.objects.update(login_not_before=timezone.now() + ahead)
    assert logins.hold(target.load()) is None


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"password": "right-password"}, {"from_name": "Node"}])
def test_a_change_of_the_settings_ends_the_wait(
    queued: Queue, server: FaultServer, changes: dict[str, str]
) -> None:
    queued(), queued()
    delivery.drain()
    settings.update(changes, partial=True)
    outbox.follow_relay()
    sent = delivery.drain()
    assert (sent, count(server) > 1) == (2 if "password" in changes else 0, True)


@pytest.mark.slow
def test_the_operators_test_is_always_tried_and_its_success_ends_the_wait(
    queued: Queue, server: FaultServer
) -> None:
    queued()
    delivery.drain()
    assert not testmail.run("ops@example.com").ok
    assert count(server) == 2
    server.script.users["op"] = "wrong-password"  # somebody repaired it there
    assert testmail.run("ops@example.com").ok
    assert delivery.drain() == 1
    assert (RelaySettings.load().login_refusals, RelaySettings.load().login_error) == (0, None)


@pytest.mark.slow
def test_a_mail_that_is_sent_at_once_waits_as_well(server: FaultServer) -> None:
    for _ in range(5):
        with pytest.raises(DeliveryError) as caught:
            Sender().send(Email(to=["ops@example.com"], text="x"))
        assert (caught.value.stage, caught.value.smtp_code) == ("auth", 535)
    assert count(server) == 1
    server.script.users["op"] = "wrong-password"
    pass_time(1)
    Sender().send(Email(to=["ops@example.com"], text="x"))
    Sender().send(Email(to=["ops@example.com"], text="x"))
    assert len(server.accepted) == 2


@pytest.mark.parametrize(
    "answer",
    [
        "454 4.7.0 Too many login attempts",
        "504 5.7.4 Unrecognized authentication type",
        Reply(b"", close=True),
    ],
)
def test_every_failed_login_counts(queued: Queue, server: FaultServer, answer: str | Reply) -> None:
    server.script.commands["AUTH"] = answer
    for _ in range(5):
        queued()
        delivery.drain()
    assert sum(bool(session.commands) for session in server.sessions) == 1


@pytest.mark.slow
def test_a_server_that_lets_fewer_in_gets_the_mail_over_those(queued: Queue, server: FaultServer) -> None:
    server.script.users["op"] = "wrong-password"
    server.script.commands["AUTH"] = [None, "535 5.7.0 Too many sessions"]
    for _ in range(40):
        queued()
    assert delivery.drain() == 40
    assert count(server) == 2
    queued()
    assert delivery.drain() == 1  # over the connection that is open
    assert count(server) == 2


@pytest.mark.slow
def test_after_the_right_password_many_connections_open(queued: Queue, server: FaultServer) -> None:
    server.script.users["op"] = "wrong-password"
    for _ in range(40):
        queued()
    assert delivery.drain() == 40
    assert count(server) > 1
