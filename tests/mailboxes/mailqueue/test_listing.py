"""What ``postqueue -j`` says, and the groups that are made of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from mailboxes.mailqueue import listing
from tests.mailboxes.trials import case

ARRIVED = 1_790_000_000


def mail(id_: str, *reasons: str, queue: str = "deferred", at: int = ARRIVED, **more: Any) -> str:
    """A line as Postfix 3.10 writes it (postqueue(1)); ``forced_expire`` is there since 3.5."""
    recipients = [
        {"address": f"r{number}@far.example", **({"delay_reason": reason} if reason else {})}
        for number, reason in enumerate(reasons)
    ]
    fields = {
        "queue_name": queue,
        "queue_id": id_,
        "arrival_time": at,
        "message_size": 512,
        "forced_expire": False,
    }
    return json.dumps({**fields, "sender": "ada@a.example", "recipients": recipients, **more})


def test_a_mail_is_read_with_its_recipients_and_their_reasons() -> None:
    mails, total = listing.read(f"{mail('4cX', 'timed out', '')}\n1\n")
    (read,) = mails
    assert (total, read.id, read.queue, read.size, read.sender) == (
        1,
        "4cX",
        "deferred",
        512,
        "ada@a.example",
    )
    assert read.arrived_at == datetime.fromtimestamp(ARRIVED, UTC)
    assert [(to.address, to.reason) for to in read.recipients] == [
        ("r0@far.example", "timed out"),
        ("r1@far.example", ""),
    ]


def test_an_empty_queue_and_lines_that_cannot_be_read_are_no_mails() -> None:
    for output in (
        "",
        "\n",
        "Mail queue is empty\n",
        "{}\n",
        "[]\n",
        '{"queue_id": 1}\n',
        "null\n",
        "\x00\n",
        "[" * 100_000,
        "9" * 5_000,
    ):
        with case(output[:40]):
            assert listing.read(output) == ([], 0)
    broken = mail("A", "x").replace(str(ARRIVED), '"soon"')
    mails, total = listing.read(f"{broken}\n{mail('B', 'x')}\n7000\n")
    assert [each.id for each in mails] == ["B"] and total == 7000


def test_the_servers_words_make_the_groups() -> None:
    said = "host mx{n}.far.example[192.0.2.{n}] said: 450 4.2.0 <r{n}@far.example>: Try later (in reply to RCPT TO)"
    lines = [mail(f"A{n}", said.format(n=n)) for n in range(3)]
    lines += [mail("B", "connect to mx.far.example[192.0.2.1]:25: Connection timed out")]
    lines += [mail("C", "", queue="active", at=ARRIVED - 60)]
    summary = listing.summarise(*listing.read("\n".join(lines)))
    assert summary.count == 5 and summary.oldest_at == datetime.fromtimestamp(ARRIVED - 60, UTC)
    first, second = summary.reasons
    assert (first.text, first.count, first.ours) == ("450 4.2.0 …: Try later", 3, False)
    assert first.host.endswith(".far.example")
    assert (second.text, second.host, second.count) == ("Connection timed out", "mx.far.example", 1)


def test_each_way_in_which_postfix_says_why() -> None:
    """Sentences of src/smtp and src/lmtp (smtp_proto.c, smtp_connect.c, smtp_sasl_glue.c, smtp_tls_policy.c)."""
    for reason, text, host, ours in (
        (
            "SASL authentication failed; server smtp.relay.example[192.0.2.1] said: 535 5.7.8 Wrong password",
            "535 5.7.8 Wrong password",
            "smtp.relay.example",
            True,
        ),
        (
            "SASL [CACHED] authentication failed; server smtp.relay.example[192.0.2.1] said: 550 5.7.8 Wrong password",
            "550 5.7.8 Wrong password",
            "smtp.relay.example",
            True,
        ),
        (
            "SASL authentication failed: server smtp.relay.example offered no compatible authentication mechanisms for "
            "this type of connection security",
            None,
            "",
            True,
        ),
        ("Server certificate not verified", "Server certificate not verified", "", True),
        ("Server certificate not trusted", "Server certificate not trusted", "", True),
        ("TLS is required, but was not offered by host smtp.relay.example[192.0.2.1]", None, "", False),
        (
            "delivery temporarily suspended: connect to mx.far.example[2001:db8::1]:25: Network is unreachable",
            "Network is unreachable",
            "mx.far.example",
            False,
        ),
        (
            "host mx.far.example[192.0.2.1] refused to talk to me: 554 5.7.1 You are listed",
            "554 5.7.1 You are listed",
            "mx.far.example",
            False,
        ),
        (
            "Host or domain name not found. Name service error for name=far.example type=MX: Host not found, try again",
            "Name service error for type=MX: Host not found, try again",
            "far.example",
            False,
        ),
        (
            "lost connection with mx.far.example[192.0.2.1] while receiving the initial server greeting",
            "lost connection while receiving the initial server greeting",
            "mx.far.example",
            False,
        ),
        (
            "conversation with mx.far.example[192.0.2.1] timed out while sending RCPT TO",
            "conversation timed out while sending RCPT TO",
            "mx.far.example",
            False,
        ),
        (
            "host dovecot[172.18.0.2] said: 452 4.2.2 <ada@a.example> Quota exceeded (mailbox for user is full) (in "
            "reply to end of DATA command)",
            "452 4.2.2 … Quota exceeded (mailbox for user is full)",
            "dovecot",
            False,
        ),
    ):
        with case(reason):
            (found,) = listing.summarise(*listing.read(mail("A", reason))).reasons
            assert (found.host, found.ours) == (host, ours)
            assert text is None or found.text == text


def test_a_mail_with_many_recipients_counts_once_for_each_reason() -> None:
    (one, two) = listing.summarise(*listing.read(mail("A", "timed out", "timed out", "refused"))).reasons
    assert {(one.text, one.count), (two.text, two.count)} == {("timed out", 1), ("refused", 1)}


def test_what_a_stranger_says_is_cut_and_on_one_line() -> None:
    (found,) = listing.summarise(
        *listing.read(mail("A", "host x[1.2.3.4] said: 450 " + "y\n\x1b[31m" * 500))
    ).reasons
    assert len(found.text) < 400 and "\n" not in found.text and "\x1b" not in found.text
