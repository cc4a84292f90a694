"""What a search in the containers' logs finds."""

from __future__ import annotations

import pytest

from mailboxes.stack.logsearch import matching

ACCEPTED = "postfix | … INFO postfix/smtpd[949]: BF9DF1A24DD: client=unknown[172.18.0.1]"
SENDER = "postfix | … INFO postfix/qmgr[826]: BF9DF1A24DD: from=<emma@meadow.example>, nrcpt=1"
SENT = "postfix | … INFO postfix/lmtp[843]: BF9DF1A24DD: to=<ada@harbour.example>, status=sent (250 Saved)"
LONG = (
    "postfix | … INFO postfix/smtp[12]: 4bPrYn2Zq9zKLm: to=<ben@far.example>, status=deferred (450 try again)"
)
OTHER = "postfix | … INFO postfix/qmgr[826]: AAAAAA11111: from=<noah@brandt.example>, size=540, nrcpt=1"
FAILED = "dovecot | … auth: Info: passwd-file(ada@harbour.example): Password mismatch, authentication failed"
LINES = [ACCEPTED, SENDER, SENT, LONG, OTHER, FAILED]


@pytest.mark.parametrize(
    ("text", "problems", "found"),
    [
        ("", False, LINES),
        ("EMMA@meadow", False, [ACCEPTED, SENDER, SENT]),
        ("ada@harbour.example", False, [ACCEPTED, SENDER, SENT, FAILED]),
        ("bf9df1a24dd", False, [ACCEPTED, SENDER, SENT]),
        ("far.example", False, [LONG]),
        ("  brandt ", False, [OTHER]),
        ("", True, [LONG, FAILED]),
        ("ada@harbour.example", True, [FAILED]),
        ("nobody@nowhere", False, []),
    ],
)
def test_a_search_finds_all_lines_of_the_mail_and_no_other(
    text: str, problems: bool, found: list[str]
) -> None:
    assert matching(LINES, text, problems=problems) == found
