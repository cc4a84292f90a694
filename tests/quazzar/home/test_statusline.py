"""The one line of Home, for everything that can be seen of a node."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quazzar.home.registry import Link, Mail, MailState, Tile
from quazzar.home.statusline import say
from quazzar.home.tiles import State, Status
from quazzar.monitoring.doctor import Area

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
AT_219 = datetime(2026, 11, 29, 2, 19, tzinfo=UTC)
WORKS = Mail(MailState.WORKS, NOON - timedelta(minutes=2), ever=True)
REFUSED = Mail(MailState.FAILING, AT_219, "sign-in", "the password was refused.", waiting=3)


def tile(area: Area, title: str, state: State, sentence: str = "") -> Status:
    return Status(
        Tile(area, title, "x", Link("Open", "admin:index")),
        state,
        sentence,
        since=AT_219,
        link=Link("Open", "a"),
    )


DNS_BROKEN = tile(Area.DNS, "DNS", State.FAILING, "MX is missing.")
EXPIRED = tile(Area.CERTIFICATE, "Certificate", State.ATTENTION, "It expires soon.")
SERVER = tile(Area.SERVER, "Mail server", State.WORKS)
SERVER_DOWN = tile(Area.SERVER, "Mail server", State.FAILING, "Postfix has stopped.")
SERVER_OFF = tile(Area.SERVER, "Mail server", State.OFF)
OLD = tile(Area.QUEUE, "Queue", State.UNKNOWN)
DEAD = "The worker was last heard of 5 min ago."

#: Mail, tiles, what is wrong with the worker → tone, line.
CASES: list[tuple[Mail | None, list[Status], str, tuple[str, str]]] = [
    (WORKS, [], "", ("ok", "Mail works. Last delivery 2 min ago.")),
    (
        REFUSED,
        [DNS_BROKEN],
        "",
        ("bad", "Mail is failing at sign-in since 02:19: the password was refused. 3 messages wait."),
    ),
    (
        Mail(MailState.FAILING, AT_219, "connecting", "smtp.example.com does not answer"),
        [],
        "",
        ("bad", "Mail is failing at connecting since 02:19: smtp.example.com does not answer."),
    ),
    (
        Mail(MailState.UNREADABLE),
        [],
        "",
        (
            "bad",
            "No mail leaves: the relay password can’t be read with this key file. Enter the password again, or put "
            "the old key file back.",
        ),
    ),
    # What was seen before the worker died is not shown as the state of now.
    (
        WORKS,
        [SERVER],
        DEAD,
        ("bad", f"No mail leaves: the worker does not run. {DEAD} What you see below may be old."),
    ),
    (
        REFUSED,
        [],
        DEAD,
        ("bad", f"No mail leaves: the worker does not run. {DEAD} What you see below may be old."),
    ),
    (None, [SERVER_DOWN], "", ("bad", "The mail server is failing since 02:19: Postfix has stopped.")),
    (WORKS, [SERVER_DOWN], "", ("bad", "The mail server is failing since 02:19: Postfix has stopped.")),
    (
        Mail(MailState.WORKS, NOON, waiting=1, oldest=AT_219),
        [],
        "",
        ("wait", "Mail is late: 1 message waits, the oldest since 02:19."),
    ),
    (
        Mail(MailState.WORKS, NOON - timedelta(hours=3), waiting=1, oldest=NOON - timedelta(minutes=1)),
        [],
        "",
        ("ok", "Mail works. Last delivery 3 h ago."),
    ),
    (WORKS, [EXPIRED], "", ("ok", "Mail works. Last delivery 2 min ago. Certificate needs attention.")),
    (
        WORKS,
        [DNS_BROKEN, EXPIRED],
        "",
        ("wait", "Mail works. Last delivery 2 min ago. DNS and Certificate need attention."),
    ),
    (WORKS, [OLD], "", ("wait", "Mail works. Last delivery 2 min ago. Queue: not checked lately.")),
    (
        Mail(MailState.OFF),
        [SERVER_OFF],
        "",
        ("off", "No mail has been sent yet. Set up a relay, and alerts reach you by mail."),
    ),
    (
        Mail(MailState.OFF, ever=True),
        [],
        "",
        ("wait", "No relay is set up, so no mail leaves. Set up a relay, and alerts reach you by mail."),
    ),
    (
        Mail(MailState.OFF),
        [DNS_BROKEN],
        "",
        (
            "wait",
            "No mail has been sent yet. Set up a relay, and alerts reach you by mail. DNS needs attention.",
        ),
    ),
    (Mail(MailState.OFF), [SERVER], "", ("ok", "The mail server works.")),
    (Mail(MailState.UNTESTED), [], "", ("off", "No mail has been sent yet. Send a test mail.")),
    (
        Mail(MailState.UNTESTED, ever=True),
        [],
        "",
        ("wait", "No mail has left since the relay was changed. Send a test mail."),
    ),
    (None, [SERVER], "", ("ok", "The mail server works.")),
    (None, [tile(Area.LICENCE, "Licence", State.WORKS)], "", ("ok", "Nothing is known to be wrong.")),
]


def test_the_line_says_what_was_seen(subtests: pytest.Subtests) -> None:
    for mail, tiles, worker, (tone, sentence) in CASES:
        with subtests.test(sentence=sentence):
            line = say(mail, tiles, worker, NOON)
            assert line is not None
            assert (line.tone, line.plain(NOON)) == (tone, sentence)


def test_an_operator_who_may_see_nothing_gets_no_line() -> None:
    assert say(None, [], DEAD, NOON) is None


def test_what_is_wrong_leads_to_where_it_is_mended(subtests: pytest.Subtests) -> None:
    for mail, tiles, worker, page in (
        (REFUSED, [], "", "admin:mail_relay"),
        (WORKS, [DNS_BROKEN], "", "a"),
        (WORKS, [], DEAD, "admin:doctor"),
        (Mail(MailState.OFF), [], "", "admin:mail_relay"),
        (WORKS, [], "", None),
    ):
        with subtests.test(page=page):
            line = say(mail, tiles, worker, NOON)
            assert line is not None
            assert (line.link.page if line.link else None) == page
