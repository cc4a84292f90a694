"""Proofs from their start to their end, whichever way they come back; and the schedule that watches them."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from dnsrecords.models import Proof, ProofSchedule
from dnsrecords.proof import evidence, incoming, progress, running, schedule, standing, starting
from dnsrecords.proof.judging.door import Blocklists
from dnsrecords.proof.judging.verdict import At, Mark, first
from dnsrecords.proof.starting import Wish
from mailrelay import history
from mailrelay.inbox import readers
from mailrelay.models import Inbox, Message, RelaySettings
from quazzar.monitoring.doctor import Level
from tests.dnsrecords.spfzones import lookup_in

pytestmark = pytest.mark.django_db
State, Found = Proof.State, Proof.Found


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """DNS without servers: what tests put into the zone."""
    zone: dict[str, Any] = {}
    monkeypatch.setattr(evidence, "remembering", lambda resolver: lookup_in(zone))
    monkeypatch.setattr(evidence, "ask_blocklists", lambda ip, domain: Blocklists((), 1))
    return zone


@pytest.fixture
def relay(relay: RelaySettings) -> RelaySettings:
    """Encrypted: nothing is wrong but what a test makes wrong."""
    relay.security = "starttls"
    relay.save()
    return relay


@pytest.fixture
def inbox(relay: RelaySettings) -> Inbox:
    return Inbox.objects.create(host="imap.example.net", username="proofs@example.net")


def started(**wish: Any) -> Proof:
    return starting.start(Wish(**{"way": "relay", "to": "anna@example.com", **wish}))


def attempted(row: Proof, stage: str, code: int | None, said: str = "no") -> None:
    """The queue has tried."""
    entry = history.attempt(
        1, timezone.now(), stage=stage, code=code, message=said, host="relay.example:25", seconds=1
    )
    assert row.queued is not None
    Message.objects.filter(pk=row.queued.pk).update(history=[entry])


def moved(row: Proof) -> Proof:
    running.carry_on()
    row.refresh_from_db()
    return row


def arrived(row: Proof) -> bytes:
    """The mail as an inbox has it, without a signature."""
    head = "Received: from a ([192.0.2.1]) by mx.example.com with ESMTPS id 1; Mon, 30 Nov 2026 10:00:00 +0000\r\n"
    return head.encode() + starting.bytes_of(row)


def reason(row: Proof) -> tuple[At, str]:
    """Station and key of the first red check."""
    found = first(progress.verdict_of(row).stations, Mark.BAD)
    assert found is not None
    return found[0].key, found[1].key


# --- before it arrives -------------------------------------------------------------------------------------
def test_a_mail_that_the_relay_refused_ends_the_proof_at_once(relay: RelaySettings) -> None:
    row = started()
    attempted(row, "sender", 550, "The server answered 550 5.7.1 Sender not verified")
    assert moved(row).state == State.FAILED
    assert reason(row) == (At.SENDER, "sender")
    assert "Sender not verified" in row.sentence


def test_a_relay_that_asks_to_wait_is_waited_for_until_patience_ends(relay: RelaySettings) -> None:
    row = started(inbox=None)
    attempted(row, "recipient", 450, "greylisted")
    assert moved(row).state == State.UNDERWAY
    Proof.objects.update(created_at=timezone.now() - running.PERSONS_PATIENCE - timedelta(minutes=1))
    assert moved(row).state == State.FAILED
    assert Message.objects.get().status == Message.Status.FAILED, "it is not tried any longer"


def test_a_mail_that_nobody_finds_has_failed_in_an_inbox_and_is_unclear_with_a_person(inbox: Inbox) -> None:
    ours, theirs = started(to="", inbox=inbox.pk), started()
    for row, patience in ((ours, running.PATIENCE), (theirs, running.PERSONS_PATIENCE)):
        attempted(row, "done", 250, "queued")
        Proof.objects.filter(pk=row.pk).update(created_at=timezone.now() - patience - timedelta(minutes=1))
    assert moved(ours).state == State.FAILED
    assert "Look for it in the spam folder" in progress.verdict_of(ours).advice
    assert moved(theirs).state == State.UNCLEAR


def test_an_inbox_that_cannot_be_read_is_the_reason(inbox: Inbox) -> None:
    row = started(to="", inbox=inbox.pk)
    attempted(row, "done", 250, "queued")
    Proof.objects.update(created_at=timezone.now() - timedelta(hours=1))
    Inbox.objects.update(last_error={"message": "It refused the sign-in.", "hint": "Check it.", "since": ""})
    assert moved(row).sentence == "The inbox cannot be read: It refused the sign-in."


# --- how it comes back -------------------------------------------------------------------------------------
def test_a_mail_in_an_inbox_is_recognised_by_its_number_once(inbox: Inbox) -> None:
    row = started(to="", inbox=inbox.pk)
    assert readers.read(arrived(row)) == ["proofs"]
    row.refresh_from_db()
    assert (row.state, row.found) == (State.ARRIVED, Found.INBOX)
    assert moved(row).state == State.FAILED, "it is not signed, and nothing is published"
    ended = row.finished_at
    assert readers.read(arrived(row)) == ["proofs"]
    assert (moved(row).state, row.finished_at) == (State.FAILED, ended)


def test_a_number_of_another_node_is_not_ours(inbox: Inbox) -> None:
    row = started(to="", inbox=inbox.pk)
    assert not readers.read(arrived(row).replace(row.nonce.encode(), b"0" * 20))
    assert moved(row).state == State.UNDERWAY


def test_an_answer_proves_that_it_arrived_and_not_more(relay: RelaySettings) -> None:
    row = started()
    answer = (
        f"From: anna@example.com\r\nIn-Reply-To: {row.message_id}\r\nSubject: Re: proof\r\n\r\nGot it.\r\n"
    )
    assert readers.read(answer.encode()) == ["proofs"]
    assert moved(row).state == State.UNCLEAR
    assert [check.key for check in progress.verdict_of(row).stations[-1].checks] == ["arrived", "header"]
    text = arrived(row).partition(b"\r\n\r\n")[0].decode()
    assert incoming.paste(row, text).state == State.ARRIVED, "the header may still come"


@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: Auto-Generated; owner-email=anna@example.com",
        "Precedence: bulk",
        "Precedence: auto_reply",
        "X-Autoreply: yes",
        "X-Autorespond: vacation",
        "Return-Path: <>",
        "Subject: Automatic reply: Delivery proof 0123abcd",
        "Subject: =?utf-8?Q?Abwesenheitsnotiz=3A_Delivery_proof?=",
    ],
)
def test_what_a_program_answers_is_no_answer_of_the_recipient(relay: RelaySettings, field: str) -> None:
    row = started()
    answer = f"{field}\r\nFrom: anna@example.com\r\nIn-Reply-To: {row.message_id}\r\n\r\nI am away.\r\n"
    assert readers.read(answer.encode()) == []
    assert moved(row).state == State.UNDERWAY
    by_hand = answer.replace(field, "Auto-Submitted: no\r\nReturn-Path: <anna@example.com>")
    assert readers.read(by_hand.encode()) == ["proofs"]


def test_a_mail_that_is_found_before_its_log_was_read_is_judged_with_the_log(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = started(to="", inbox=inbox.pk)
    Proof.objects.filter(pk=row.pk).update(way="server", queued=None)
    assert readers.read(arrived(row)) == ["proofs"]
    assert moved(row).state == State.ARRIVED, "the log may tell more soon"
    Proof.objects.update(arrived_at=timezone.now() - timedelta(minutes=2))
    assert moved(row).state == State.FAILED
    checks = [check for station in progress.verdict_of(row).stations for check in station.checks]
    assert Mark.PENDING not in {check.mark for check in checks}
    assert "The mail left; when it did was not logged." in {check.sentence for check in checks}


def test_a_proof_that_is_forwarded_as_an_attachment_is_judged(relay: RelaySettings) -> None:
    row = started()
    head = b"From: anna@example.com\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
    whole = head + b"Content-Type: message/rfc822\r\n\r\n" + arrived(row) + b"\r\n--x--\r\n"
    assert readers.read(whole) == ["proofs"]
    row.refresh_from_db()
    assert row.found == Found.FORWARDED and row.mail is not None
    assert bytes(row.mail.reveal()).replace(b"\n", b"\r\n") == arrived(row).rstrip(b"\r\n") + b"\r\n"


def test_a_bounce_is_red_at_the_server_that_refused_it(relay: RelaySettings) -> None:
    row = started()
    attempted(row, "done", 250, "queued")
    said = "550 5.7.1 Client host blocked using zen.spamhaus.org"
    bounce = (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@relay.example\r\nSubject: Undelivered Mail\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nIt was not delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.example\r\n\r\n"
        "Final-Recipient: rfc822; anna@example.com\r\nAction: failed\r\nStatus: 5.7.1\r\n"
        f"Remote-MTA: dns; mx.example.com\r\nDiagnostic-Code: smtp; {said}\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {row.message_id}\r\n\r\n--b--\r\n"
    )
    assert "proofs" in readers.read(bounce.encode())
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert reason(row) == (At.DOOR, "blocklists")
    assert "mx.example.com refused the mail" in row.sentence


# --- the schedule ------------------------------------------------------------------------------------------
@pytest.fixture
def daily(inbox: Inbox) -> Inbox:
    RelaySettings.objects.update(alert_recipients=["ada@example.net"])
    schedule.save("day", Wish("relay", inbox=inbox.pk))
    return inbox


def mailed() -> list[str]:
    return list(Message.objects.filter(source="alert").order_by("pk").values_list("subject", flat=True))


def test_a_scheduled_proof_that_fails_is_an_alert_once_and_another_when_it_is_over(
    daily: Inbox, django_capture_on_commit_callbacks: Any
) -> None:
    def round_() -> Proof:
        ProofSchedule.objects.update(due_at=timezone.now())
        with django_capture_on_commit_callbacks(execute=True):
            running.carry_on()
        return Proof.objects.latest("pk")

    for _ in range(2):
        row = round_()
        assert row.scheduled
        attempted(row, "auth", 535, "no")
        with django_capture_on_commit_callbacks(execute=True):
            moved(row)
    assert mailed() == ["[Proof] A scheduled proof failed"]
    found = standing.examine()
    assert found.level is Level.FAILED and "The last proof to proofs@example.net failed" in found.sentence
    row = round_()
    Proof.objects.filter(pk=row.pk).update(state=State.ARRIVED, found=Found.REPLY)
    attempted(row, "done", 250)
    moved(row)
    assert mailed()[1:] == ["[Proof] The scheduled proof succeeds again"]


def test_the_next_proof_is_sent_when_it_is_due_and_not_before(daily: Inbox) -> None:
    running.carry_on()
    assert Proof.objects.count() == 1
    running.carry_on()
    assert Proof.objects.count() == 1
    ProofSchedule.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    running.carry_on()
    assert Proof.objects.count() == 2


def test_a_schedule_that_cannot_be_kept_says_why(daily: Inbox) -> None:
    RelaySettings.objects.all().delete()
    running.carry_on()
    found = standing.examine()
    assert found.level is Level.WARNING and "No relay is set up." in found.sentence


def test_nothing_is_checked_while_there_is_no_schedule(db: None) -> None:
    assert standing.examine().is_idle


def test_old_proofs_are_removed_and_open_ones_stay(relay: RelaySettings) -> None:
    old, open_ = started(), started()
    Proof.objects.update(created_at=timezone.now() - timedelta(days=500))
    Proof.objects.filter(pk=old.pk).update(state=State.PROVEN)
    assert schedule.purge() == 1
    assert list(Proof.objects.all()) == [open_]


# --- the command and the pages -----------------------------------------------------------------------------
def test_the_command_says_what_is_wrong(relay: RelaySettings) -> None:
    with pytest.raises(CommandError, match="Enter an inbox, or the address"):
        call_command("prove")
    out = StringIO()
    with pytest.raises(CommandError, match="still under way"):
        call_command("prove", "--to", "anna@example.com", "--wait", "0", stdout=out)
    assert "to anna@example.com, subject “Delivery proof " in out.getvalue()


def test_the_pages_show_a_proof_and_take_its_header(
    relay: RelaySettings, client: Client, operator: Any
) -> None:
    client.force_login(operator)
    page = client.get("/admin/delivery-proofs/")
    assert "No proof yet." in page.content.decode()
    wrong = client.post("/admin/delivery-proofs/", {"way": "relay", "target": "", "to": "anna"})
    assert "is not a mail address" in wrong.content.decode()
    sent = client.post("/admin/delivery-proofs/", {"way": "relay", "target": "", "to": "anna@example.com"})
    row = Proof.objects.get()
    assert sent["Location"] == f"/admin/delivery-proofs/{row.pk}/"
    attempted(row, "done", 250, "queued")
    moved(row)
    assert "Still ahead" in client.get(sent["Location"]).content.decode()
    refused = client.post(sent["Location"], {"headers": "Hello"})
    assert "This is not the header of a mail that arrived" in refused.content.decode()
    text = arrived(row).partition(b"\r\n\r\n")[0].decode()
    assert client.post(sent["Location"], {"headers": text}).status_code == 302
    assert moved(row).state == State.FAILED
    shown = client.get(sent["Location"]).content.decode()
    assert 'data-check="dkim" data-mark="bad"' in shown and "The mail carries no DKIM signature." in shown
