"""From the queue through a scripted server: the result in each row."""

from __future__ import annotations

import base64
import copy
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from mailrelay.bounces import returnpath
from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import byhand, delivery, outbox
from mailrelay.queue.recording import Recorder
from mailrelay.relay import settings
from mailrelay.smtp.pipeline import IN_DOUBT
from mailrelay.tasks import sweep_outbox
from quazzar.sealing import agreement
from tests.rig.faults import HANG_UP, FaultServer, Script

pytestmark = pytest.mark.django_db
Queue = Callable[..., Message]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other machine uses the database: else one whose key differs would leave the mail to the others."""
    monkeypatch.setattr(agreement, "_is_shared", lambda: False)


@pytest.fixture(autouse=True)
def fresh_connections() -> Iterator[None]:
    delivery._stopping.clear()
    yield
    delivery.close_idle_connections(0)


@pytest.fixture
def server(relay: RelaySettings) -> Iterator[FaultServer]:
    """The saved relay; its script can be changed at any time."""
    with FaultServer() as server:
        point_at(relay, server)
        yield server


def point_at(relay: RelaySettings, server: FaultServer) -> None:
    relay.host, relay.port = "127.0.0.1", server.port
    relay.save()


def only() -> Message:
    return Message.objects.get()


def last_error() -> dict[str, Any]:
    """Why the one message in the queue was not delivered."""
    error: dict[str, Any] | None = only().last_error
    assert error is not None
    assert error.pop("at")
    return error


def test_a_queued_mail_is_sent(queued: Queue, server: FaultServer) -> None:
    row = queued()
    assert delivery.drain() == 1
    assert (only().status, only().attempts, only().last_error) == ("sent", 1, None)
    assert server.accepted[0].message_id == row.message_id


@pytest.mark.slow
def test_fifty_mails_go_out_once(queued: Queue, server: FaultServer) -> None:
    for number in range(50):
        queued(f"box{number}@example.com")
    assert delivery.drain() == 50
    assert len({mail.message_id for mail in server.accepted}) == len(server.accepted) == 50


def test_a_temporary_refusal_is_tried_again_with_the_same_mail(queued: Queue, server: FaultServer) -> None:
    server.script.commands["."] = ["451 4.3.0 Try later"]
    queued()
    delivery.drain()
    assert (only().status, last_error()) == (
        "retrying",
        {"stage": "data", "code": 451, "message": "The server answered 451 4.3.0 Try later"},
    )
    Message.objects.update(next_attempt_at=timezone.now())
    delivery.drain()
    assert only().status == "sent"
    assert server.envelopes[0].content == server.envelopes[1].content


def test_a_permanent_refusal_is_a_dead_letter_with_its_body(queued: Queue, server: FaultServer) -> None:
    server.script.commands["."] = ["554 5.7.1 Spam"]
    row = queued()
    delivery.drain()
    assert (only().status, last_error()["code"]) == ("failed", 554)
    assert byhand.retry(row)
    assert delivery.drain() == 1


def test_a_bad_address_does_not_block_the_others(queued: Queue, server: FaultServer) -> None:
    server.script.recipients["bad@example.com"] = "550 5.1.1 No such user"
    queued("bad@example.com", "ops@example.com")
    delivery.drain()
    states = {recipient["address"]: recipient["status"] for recipient in only().recipients}
    assert states == {"bad@example.com": "failed", "ops@example.com": "sent"}
    assert only().status == "failed"
    assert "bad@example.com" in last_error()["message"]


def test_only_the_recipient_that_was_put_off_is_tried_again(queued: Queue, server: FaultServer) -> None:
    server.script.recipients["slow@example.com"] = ["450 4.2.1 Greylisted"]
    queued("slow@example.com", "ops@example.com")
    delivery.drain()
    assert only().status == "retrying"
    Message.objects.update(next_attempt_at=timezone.now())
    delivery.drain()
    assert [mail.recipients for mail in server.accepted] == [["ops@example.com"], ["slow@example.com"]]
    assert only().status == "sent"


def test_a_retry_by_hand_goes_only_to_who_was_refused(queued: Queue, server: FaultServer) -> None:
    server.script.recipients["bad@example.com"] = ["550 5.1.1 No such user"]
    row = queued("bad@example.com", "ops@example.com")
    delivery.drain()
    row.refresh_from_db()
    byhand.retry(row)
    delivery.drain()
    assert [mail.recipients for mail in server.accepted] == [["ops@example.com"], ["bad@example.com"]]
    assert only().status == "sent"


def test_a_relay_that_is_down_kills_no_message(queued: Queue, server: FaultServer) -> None:
    server.stop()
    for _ in range(3):
        queued()
    assert delivery.drain() == 0
    rows = list(Message.objects.all())
    assert [row.status for row in rows] == ["retrying"] * 3
    assert [row.last_error and row.last_error["stage"] for row in rows] == ["connect"] * 3


def test_what_waited_for_the_relay_leaves_as_soon_as_it_answers(queued: Queue, server: FaultServer) -> None:
    server.stop()
    queued(), queued()
    delivery.drain()
    server.start()
    queued()
    assert delivery.drain() == 3


def test_the_sweep_notices_that_the_relay_is_back(queued: Queue, server: FaultServer) -> None:
    server.stop()
    queued()
    delivery.drain()
    assert not delivery.retry_if_relay_is_back()
    server.start()
    assert delivery.retry_if_relay_is_back()
    assert delivery.drain() == 1


def test_the_sweep_does_not_try_a_password_that_was_refused(queued: Queue, server: FaultServer) -> None:
    server.script.users["op"] = "right-password"
    settings.update({"username": "op", "password": "wrong-password"}, partial=True)
    queued()
    delivery.drain()
    before = len(server.sessions)
    assert not delivery.retry_if_relay_is_back()
    assert len(server.sessions) == before


def test_a_wrong_password_kills_no_message_and_a_new_one_sends_at_once(
    queued: Queue, server: FaultServer
) -> None:
    server.script.users["op"] = "right-password"
    settings.update({"username": "op", "password": "wrong-password"}, partial=True)
    queued()
    delivery.drain()
    assert (only().status, last_error()["stage"]) == ("retrying", "auth")
    settings.update({"password": "right-password"}, partial=True)
    outbox.bring_forward()
    assert delivery.drain() == 1


def test_without_a_relay_what_is_queued_waits(queued: Queue, server: FaultServer) -> None:
    queued()
    RelaySettings.objects.all().delete()
    delivery.drain()
    assert only().status == "retrying"
    assert "No relay" in last_error()["message"]


def test_a_connection_lost_after_the_body_is_tried_again(queued: Queue, server: FaultServer) -> None:
    server.script.commands["."] = [HANG_UP]
    queued()
    delivery.drain()
    assert only().status == "retrying"


def test_a_body_whose_key_is_gone_says_so_and_waits(
    queued: Queue, server: FaultServer, settings: object, tmp_path: object, alone: None
) -> None:
    queued(), queued()
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"  # type: ignore[attr-defined, operator]
    outbox.enqueue(Email(to=["ops@example.com"]), source="api")
    assert delivery.drain() == 1
    waiting = Message.objects.filter(status="retrying")
    assert waiting.count() == 2
    assert all("key" in (row.last_error or {})["message"] for row in waiting)


@pytest.mark.parametrize("damage", ["another key", "rubbish", "readable by all"])
def test_the_sweep_notices_that_the_key_is_back(
    queued: Queue, server: FaultServer, settings: object, tmp_path: Path, damage: str, alone: None
) -> None:
    file = settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"  # type: ignore[attr-defined]
    queued()
    right = file.read_bytes()
    if damage == "readable by all":
        file.chmod(0o644)
    else:
        file.write_text(base64.b64encode(os.urandom(32)).decode() if damage == "another key" else damage)
    sweep_outbox()
    assert (only().status, only().attempts, server.accepted) == ("retrying", 1, [])
    file.chmod(0o600)
    file.write_bytes(right)
    sweep_outbox()
    assert (only().status, only().attempts) == ("sent", 2)


def test_a_dead_process_is_noticed_before_its_lease_runs_out(queued: Queue) -> None:
    queued()
    with owner_elsewhere() as owner:
        outbox.claim(owner, 10)
    assert delivery.free_dead_owners() == 1
    assert only().status == "retrying"


def test_a_living_process_keeps_its_claims_whatever_the_clock_says(queued: Queue) -> None:
    queued()
    with owner_elsewhere() as owner:
        outbox.claim(owner, 10)
        Message.objects.update(lease_until=timezone.now() - timedelta(hours=1))
        assert delivery.free_dead_owners() == 0


def test_another_process_with_the_number_of_a_dead_one_does_not_keep_its_claims(queued: Queue) -> None:
    queued()
    with owner_elsewhere() as owner:
        outbox.claim(owner.replace("-", "-1"), 10)
        assert delivery.free_dead_owners() == 1


def test_a_drain_of_this_process_that_ended_without_a_word_keeps_nothing(queued: Queue) -> None:
    queued()
    outbox.claim(delivery.owner_name(), 10)
    assert delivery.free_dead_owners() == 1


@contextmanager
def owner_elsewhere() -> Iterator[str]:
    """The name of a drain in another process, which lives inside the context."""
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            own = f":{os.getpid()}-{delivery._began(os.getpid())}:"
            yield delivery.owner_name().replace(own, f":{child.pid}-{delivery._began(child.pid)}:")
        finally:
            child.kill()


def test_a_sweep_after_the_clock_was_set_forward_does_not_have_messages_sent_twice(
    queued: Queue, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        queued()
    record = Recorder.record

    def jump(*arguments: Any, **options: Any) -> None:
        Message.objects.filter(status="sending").update(lease_until=timezone.now() - timedelta(hours=1))
        delivery.free_dead_owners()
        record(*arguments, **options)

    monkeypatch.setattr(Recorder, "record", jump)
    delivery.drain()
    assert len(server.accepted) == 3
    assert {row.status for row in Message.objects.all()} == {"sent"}


def test_what_a_wrong_clock_elsewhere_has_freed_does_not_end_a_drain(
    queued: Queue, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(60):
        queued()
    record = Recorder.record
    freed: list[int] = []

    def free_first(*arguments: Any, **options: Any) -> None:
        if not freed:
            freed.append(outbox.free_owner(Message.objects.filter(status="sending")[0].lease_owner))
        record(*arguments, **options)

    monkeypatch.setattr(Recorder, "record", free_first)
    delivery.drain()
    assert {row.status for row in Message.objects.all()} == {"sent"}
    assert max(Counter(envelope.message_id for envelope in server.accepted).values()) <= 2


def test_a_machine_that_was_suspended_does_not_send_what_others_have_taken_over(
    queued: Queue, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(60):
        queued()

    def taken_over(owner: str) -> int:
        return outbox.held(owner).update(lease_owner="another machine") * 0

    monkeypatch.setattr(delivery, "_RENEW_SECONDS", 0.0)
    monkeypatch.setattr(outbox, "renew", taken_over)
    delivery.drain()
    assert 0 < len(server.accepted) <= 2 * IN_DOUBT
    assert {row.lease_owner for row in Message.objects.all()} == {"another machine"}


def test_a_worker_that_must_stop_gives_back_what_it_did_not_begin(queued: Queue, server: FaultServer) -> None:
    queued()
    delivery.stop()
    assert delivery.drain() == 0
    assert only().status == "queued"


def test_a_relay_without_pipelining_gets_everything_too(queued: Queue, server: FaultServer) -> None:
    server.script.extensions = ()
    for number in range(12):
        queued(f"box{number}@example.com")
    assert delivery.drain() == 12


def test_a_change_of_the_relay_during_a_drain_is_followed(
    queued: Queue, server: FaultServer, relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_CLAIM", 2)
    monkeypatch.setattr(delivery, "_LOW_WATER", 0)
    for _ in range(6):
        queued()
    with FaultServer(Script()) as other:
        point_at(relay, server)
        real = outbox.record_sent

        def record(owner: str, ids: list[int], histories: Any) -> int:
            relay.updated_at = timezone.now() + timedelta(seconds=1)
            point_at(relay, other)
            return real(owner, ids, histories)

        monkeypatch.setattr(outbox, "record_sent", record)
        assert delivery.drain() == 6
        assert len(other.accepted) >= 2
        assert len(server.accepted) + len(other.accepted) == 6


# --- the null sender ---------------------------------------------------------------------------------------
@pytest.fixture
def bounce(relay: RelaySettings) -> Message:
    """A mail as cronie hands it over: nobody gets its bounces."""
    return outbox.enqueue_raw(
        b"Subject: cron\n\nnews\n",
        sender="",
        recipients=["a@example.com", "b@example.com"],
        to=[],
        subject="cron",
        message_id="<1@example.org>",
        source="sendmail",
    )


def test_the_null_sender_goes_out_as_asked(bounce: Message, server: FaultServer) -> None:
    assert delivery.drain() == 1
    assert [mail.sender for mail in server.accepted] == [""]


@pytest.mark.parametrize(
    "refusal",
    [
        {"senders": {"": "501 5.1.7 Invalid MAIL FROM address provided"}},  # Amazon SES
        {"senders": {"": "553 5.1.8 Domain of sender address does not exist"}},
        {
            "recipients": {  # Postfix, which judges the sender at RCPT
                "a@example.com": ["554 5.7.1 <>: Sender address rejected: Access denied"],
                "b@example.com": ["554 5.7.1 <>: Sender address rejected: Access denied"],
            }
        },
        {"commands": {".": ["550 5.7.1 Empty return-path not allowed"]}},
    ],
)
@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
def test_a_relay_that_wants_a_sender_gets_the_from_address(
    bounce: Message, server: FaultServer, refusal: dict[str, Any], extensions: tuple[str, ...]
) -> None:
    server.script = Script(extensions=extensions, **copy.deepcopy(refusal))
    assert delivery.drain() == 1
    assert [mail.sender for mail in server.accepted] == ["node@example.org"]
    assert (only().status, only().attempts) == ("sent", 1)


@pytest.mark.parametrize(
    "refusal",
    [
        {"senders": {"": "501 5.1.7 No", "node@example.org": "501 5.1.7 No"}},
        {"recipients": {name: "550 5.1.1 User unknown" for name in ("a@example.com", "b@example.com")}},
        {"commands": {".": "554 5.7.1 Spam"}},
    ],
)
def test_what_the_sender_does_not_change_is_final(
    bounce: Message, server: FaultServer, refusal: dict[str, Any]
) -> None:
    server.script = Script(**refusal)
    assert delivery.drain() == 0
    assert (only().status, only().attempts) == ("failed", 1)


def test_a_null_sender_that_is_put_off_is_tried_again_as_it_is(bounce: Message, server: FaultServer) -> None:
    server.script.senders[""] = ["451 4.3.0 Try later"]
    assert delivery.drain() == 0
    Message.objects.update(next_attempt_at=timezone.now())
    assert delivery.drain() == 1
    assert [mail.sender for mail in server.accepted] == [""]


def test_with_an_address_for_bounces_each_mail_has_its_own_envelope_sender(
    queued: Queue, server: FaultServer, relay: RelaySettings
) -> None:
    relay.bounce_address = "bounces@example.org"
    relay.save()
    row, other = queued(), queued()
    delivery.drain()
    senders = [envelope.sender for envelope in server.accepted]
    assert [claim.pk for claim in returnpath.claims(senders)] == [row.pk, other.pk]
    assert only_senders() == {"node@example.org"}  # the row keeps what was asked for


def only_senders() -> set[str]:
    return set(Message.objects.values_list("envelope_sender", flat=True))


def test_a_bounce_keeps_its_null_sender(server: FaultServer, relay: RelaySettings) -> None:
    relay.bounce_address = "bounces@example.org"
    relay.save()
    outbox.enqueue_raw(
        b"Subject: x\r\n\r\n",
        sender="",
        recipients=["a@example.com"],
        to=[],
        subject="x",
        message_id="<m@x>",
        source="sendmail",
    )
    delivery.drain()
    assert [envelope.sender for envelope in server.accepted] == [""]


def test_a_provider_with_its_own_envelope_sender_gets_none_of_ours(
    queued: Queue, server: FaultServer, relay: RelaySettings
) -> None:
    relay.bounce_address, relay.provider = "bounces@example.org", "postmark"
    relay.save()
    queued()
    delivery.drain()
    assert [envelope.sender for envelope in server.accepted] == ["node@example.org"]
