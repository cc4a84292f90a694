"""Ways that a proof can take: those that are set up, with the addresses that may be sent from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dnsrecords.models import Proof
from dnsrecords.proof import progress, running, starting, ways
from dnsrecords.proof.judging.verdict import Mark, first
from dnsrecords.proof.starting import Wish
from mailboxes import submitting
from mailboxes.engine.values import Result
from mailboxes.maillog.joining import message_key
from mailboxes.models import Journey, JourneyKey
from mailrelay.models import Inbox, RelaySettings
from quazzar.errors import InvalidFields, NotRunning
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(rings: list[str]) -> Inbox:
    """A mail server with a mailbox whose owner Quazzar may be, and two aliases."""
    factories.stack(enabled=True, hostname="mail.example.com")
    factories.mailbox("ada@example.com")
    factories.alias("info@example.com", "ada@example.com")
    factories.alias("team@example.com", "grace.ada@example.com", "eve@elsewhere.example")
    return Inbox.objects.create(host="127.0.0.1", username="Ada@example.com", password='secret "1\\')


class Postfix:
    """An Engine whose container gives one answer, and keeps what it was given."""

    def __init__(self, result: Result | Exception) -> None:
        self.result, self.given = result, b""
        self.argv: list[str] = []

    def __enter__(self) -> Postfix:
        return self

    def __exit__(self, *_: object) -> None: ...

    def run(self, name: str, argv: list[str], *, stdin: bytes, timeout: float) -> Result:
        self.argv, self.given = argv, stdin
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_nothing_is_set_up_at_first(db: None) -> None:
    assert [option.missing for option in ways.options()] == ["No relay is set up.", "The mail server is off."]


def test_the_relay_sends_from_its_own_address(relay: RelaySettings) -> None:
    assert ways.option("relay").senders == ("node@example.org",)


def test_the_mail_server_sends_from_the_mailbox_and_its_aliases(server: Inbox) -> None:
    option = ways.option("server")
    assert (option.label, option.missing) == ("Mail server, directly", "")
    assert list(option.senders) == ["ada@example.com", "info@example.com"]
    factories.stack(send_through_relay=True)
    assert ways.option("server").label == "Mail server, through the relay"


def test_without_a_mailbox_of_its_own_quazzar_cannot_send_there(server: Inbox) -> None:
    Inbox.objects.update(username="ada@provider.example")
    assert "no address of the mail server" in ways.option("server").missing


def test_other_senders_are_refused(server: Inbox) -> None:
    with pytest.raises(InvalidFields) as refused:
        starting.start(Wish("server", "eve@example.com", to="anna@example.net"))
    assert refused.value.fields == {
        "from_address": [
            "Quazzar can send through the mail server only from ada@example.com, info@example.com."
        ]
    }


def send(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> Proof:
    monkeypatch.setattr(running, "to_docker", lambda: postfix)
    row = starting.start(Wish("server", to="anna@example.net"))
    assert running.send_waiting() == 1
    assert running.send_waiting() == 0, "it is handed over once"
    row.refresh_from_db()
    return row


def test_login_and_mail_go_through_the_command_s_input(
    server: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    postfix = Postfix(Result(0, b"", b""))
    row = send(postfix, monkeypatch)
    assert row.state == Proof.State.UNDERWAY and row.sent_at is not None
    config, mail = int(postfix.argv[-2]), postfix.given[int(postfix.argv[-2]) :]
    assert len(postfix.given) == int(postfix.argv[-1])
    text = postfix.given[:config].decode()
    assert 'user = "Ada@example.com:secret \\"1\\\\"' in text and 'mail-rcpt = "anna@example.net"' in text
    assert row.message_id.encode() in mail and row.nonce.encode() in mail
    assert "secret" not in " ".join(postfix.argv)


_SAID = (
    b"> AUTH PLAIN c2VjcmV0\r\n< 235 2.7.0 Ok\r\n> MAIL FROM:<x>\r\n< 553 5.7.1 Sender address rejected\r\n"
)


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (Result(55, b"", _SAID), "The mail server did not take the mail: 553 5.7.1 Sender address rejected."),
        (Result(67, b"", b"< 535 5.7.8 no"), "The mail server refused the sign-in."),
        (
            Result(7, b"", b"curl: (7) refused"),
            "The mail server cannot be reached on its submission port (curl ended with 7).",
        ),
        (NotRunning("x"), "The mail server is not running."),
    ],
)
def test_a_mail_server_that_does_not_take_the_mail_is_red_at_once(
    server: Inbox, monkeypatch: pytest.MonkeyPatch, result: Any, sentence: str
) -> None:
    row = send(Postfix(result), monkeypatch)
    assert (row.state, row.sentence) == (Proof.State.FAILED, sentence)
    found = first(progress.verdict_of(row).stations, Mark.BAD)
    assert found is not None and found[0].key == "sender"
    assert "c2VjcmV0" not in str(row.verdict)


def test_a_worker_that_ended_while_it_handed_over_is_noticed(
    server: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = starting.start(Wish("server", to="anna@example.net"))
    assert running._HANDING_OVER.total_seconds() > submitting._TIMEOUT
    Proof.objects.filter(pk=row.pk).update(sent_at=row.created_at - 2 * running._HANDING_OVER)
    running.carry_on()
    row.refresh_from_db()
    assert row.sentence == "The worker ended while it handed the mail over."


def test_the_bounce_that_the_mail_server_writes_is_not_taken_for_the_mail(
    server: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = send(Postfix(Result(0, b"", b"")), monkeypatch)
    journey = Journey.objects.create(
        message_id=row.message_id, facts={"ids": ["A1", "B2"], "reports": ["B2"]}
    )
    JourneyKey.objects.create(key=message_key(row.message_id), journey=journey)
    said = "host mx.example.net[192.0.2.7] said: 554 5.7.1 blocked using zen.spamhaus.org"
    for number, (kind, queue_id, text, data) in enumerate(
        [("bounced", "A1", said, {"agent": "smtp"}), ("delivered", "B2", "250 Ok", {"agent": "lmtp"})]
    ):
        at = row.created_at + timedelta(seconds=number)
        journey.events.create(at=at, service="postfix", kind=kind, queue_id=queue_id, text=text, data=data)
    running.carry_on()
    row.refresh_from_db()
    assert row.state == Proof.State.FAILED and "zen.spamhaus.org" in row.sentence


def test_quazzar_s_own_mailbox_sends_from_role_addresses(server: Inbox) -> None:
    stack = factories.stack(own_address="quazzar@mail.example.com")
    own = Inbox.objects.create(host="127.0.0.1", username=stack.own_address, password="x", owned=True)
    senders = list(ways.option("server").senders)
    assert senders[0] == "bounces@example.com" and "quazzar@mail.example.com" not in senders
    assert senders[-2:] == ["ada@example.com", "info@example.com"]
    assert ways.login_for("bounces@example.com") == own
    assert ways.login_for("Info@example.com") == server
    assert ways.is_ours("quazzar@mail.example.com") and not ways.is_ours("a@elsewhere.example")
