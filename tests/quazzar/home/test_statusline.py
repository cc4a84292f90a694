"""The one line of Home, for everything that can be seen of a node."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from quazzar.home.registry import Link, Mail, MailState, Tile
from quazzar.home.statusline import say
from quazzar.home.tiles import State, Status
from quazzar.monitoring.doctor import Area, Finding, failed

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
AT_219 = datetime(2026, 11, 29, 2, 19, tzinfo=UTC)
WORKS = Mail(MailState.WORKS, NOON - timedelta(minutes=2), ever=True)
REFUSED = Mail(MailState.FAILING, AT_219, "sign-in", "The password was refused.", waiting=3)


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
DEAD = failed("The worker last reported 5 min ago.", since=AT_219)
NEVER = failed("The worker has not run yet.")
LAPSED = tile(Area.LICENCE, "Licence", State.FAILING, "The licence for Pro expired on 2026-11-29.")

#: Mail, tiles, what is wrong with the worker → tone, line.
CASES: list[tuple[Mail | None, list[Status], Finding | None, tuple[str, str]]] = [
    (WORKS, [], None, ("ok", "Mail works. Last delivery 2 min ago.")),
    (
        REFUSED,
        [DNS_BROKEN],
        None,
        ("bad", "Mail has been failing at sign-in since 02:19. The password was refused. 3 messages wait."),
    ),
    (
        Mail(MailState.FAILING, AT_219, "connecting", "smtp.example.com does not answer"),
        [],
        None,
        ("bad", "Mail has been failing at connecting since 02:19. smtp.example.com does not answer."),
    ),
    (
        Mail(MailState.UNREADABLE),
        [],
        None,
        (
            "bad",
            "No mail is being sent. This key file cannot decrypt the relay password. Enter the password again, "
            "or put the old key file back.",
        ),
    ),
    # What was seen before the worker died is not shown as the state of now.
    (
        WORKS,
        [SERVER],
        DEAD,
        (
            "bad",
            "The worker has not reported since 02:19. Mail may not be going out. The details below may be "
            "out of date.",
        ),
    ),
    (
        REFUSED,
        [],
        DEAD,
        (
            "bad",
            "The worker has not reported since 02:19. Mail may not be going out. The details below may be "
            "out of date.",
        ),
    ),
    (
        Mail(MailState.OFF),
        [],
        NEVER,
        ("bad", "No mail is being sent. The worker has not run yet. The details below may be out of date."),
    ),
    (
        WORKS,
        [DNS_BROKEN, LAPSED],
        None,
        (
            "bad",
            "Alerts have been refused since 02:19. This node's plan does not include Mail Relay. Queued mail is "
            "still sent.",
        ),
    ),
    (
        None,
        [SERVER_DOWN],
        None,
        ("bad", "The mail server has been failing since 02:19. Postfix has stopped."),
    ),
    (
        WORKS,
        [SERVER_DOWN],
        None,
        ("bad", "The mail server has been failing since 02:19. Postfix has stopped."),
    ),
    # The server runs, so Home must not say what Doctor denies.
    (
        WORKS,
        [replace(SERVER_DOWN, part="Mail images", sentence="Rspamd 4.1.4 runs.")],
        None,
        ("bad", "The mail server has had a problem since 02:19. Mail images: Rspamd 4.1.4 runs."),
    ),
    (
        Mail(MailState.WORKS, NOON, waiting=1, oldest=AT_219),
        [],
        None,
        ("wait", "Mail has been waiting since 02:19. 1 message waits."),
    ),
    # Other mail has left since, so this one's recipient asks to try again.
    (
        Mail(MailState.WORKS, NOON, waiting=1, oldest=NOON - timedelta(minutes=50)),
        [],
        None,
        ("ok", "Mail works. Last delivery just now."),
    ),
    (
        Mail(MailState.WORKS, NOON - timedelta(hours=3), waiting=1, oldest=NOON - timedelta(minutes=50)),
        [],
        None,
        ("wait", "Mail has been waiting since 11:10. 1 message waits."),
    ),
    (
        Mail(MailState.WORKS, NOON - timedelta(hours=3), waiting=1, oldest=NOON - timedelta(minutes=1)),
        [],
        None,
        ("ok", "Mail works. Last delivery 3 h ago."),
    ),
    (WORKS, [EXPIRED], None, ("ok", "Mail works. Last delivery 2 min ago. Certificate needs attention.")),
    (
        WORKS,
        [DNS_BROKEN, EXPIRED],
        None,
        ("wait", "Mail works. Last delivery 2 min ago. DNS and Certificate need attention."),
    ),
    (WORKS, [OLD], None, ("wait", "Mail works. Last delivery 2 min ago. Queue: not checked recently.")),
    (
        Mail(MailState.OFF),
        [SERVER_OFF],
        None,
        ("off", "No mail has been sent yet. Set up a relay to get alerts by mail."),
    ),
    (
        Mail(MailState.OFF, ever=True),
        [],
        None,
        ("wait", "No relay is set up, so no mail is sent. Set up a relay to get alerts by mail."),
    ),
    (
        Mail(MailState.OFF),
        [DNS_BROKEN],
        None,
        (
            "wait",
            "No mail has been sent yet. Set up a relay to get alerts by mail. DNS needs attention.",
        ),
    ),
    (Mail(MailState.OFF), [SERVER], None, ("ok", "The mail server works.")),
    (Mail(MailState.UNTESTED), [], None, ("off", "No mail has been sent yet. Send a test mail.")),
    (
        Mail(MailState.UNTESTED, ever=True),
        [],
        None,
        ("wait", "No mail since the relay was changed. Send a test mail."),
    ),
    (None, [SERVER], None, ("ok", "The mail server works.")),
    (None, [tile(Area.LICENCE, "Licence", State.WORKS)], None, ("ok", "No problems found.")),
]


def test_the_line_says_what_was_seen(subtests: pytest.Subtests) -> None:
    for mail, tiles, worker, (tone, sentence) in CASES:
        with subtests.test(sentence=sentence):
            line = say(mail, tiles, worker, NOON)
            assert line is not None
            assert (line.tone, line.plain(NOON)) == (tone, sentence)
            assert len(replace(line, more="", advice="").plain(NOON)) < 50


def test_an_operator_who_may_see_nothing_gets_no_line() -> None:
    assert say(None, [], DEAD, NOON) is None


def test_what_is_wrong_leads_to_where_it_is_mended(subtests: pytest.Subtests) -> None:
    for mail, tiles, worker, page in (
        (REFUSED, [], None, "admin:mail_relay"),
        (WORKS, [DNS_BROKEN], None, "a"),
        (WORKS, [], DEAD, "admin:doctor"),
        (Mail(MailState.OFF), [], None, "admin:mail_relay"),
        (WORKS, [], None, None),
    ):
        with subtests.test(page=page):
            line = say(mail, tiles, worker, NOON)
            assert line is not None
            assert (line.link.page if line.link else None) == page
