"""SMTP as bytes."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from itertools import accumulate, cycle, islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrelay.mail.mime import crlf
from mailrelay.smtp import wire
from mailrelay.smtp.dialogue import Envelope

LINES = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a", b"\x00", b"\xc2\x85"])).map(
    b"".join
)


def lines(data: bytes) -> list[bytes]:
    """What every reader agrees on: CRLF, and bare CR or LF counted as line ends."""
    return re.split(rb"\r\n|\r|\n", data)


def flight(data: bytes) -> bytes:
    """A body as the SMTP edge sends it."""
    data = crlf(data)
    return wire.dot_stuff(data if data.endswith(b"\r\n") else data + b"\r\n") + b".\r\n"


@given(LINES)
def test_crlf_keeps_the_lines_and_leaves_no_bare_line_end(data: bytes) -> None:
    result = crlf(data)
    assert result.split(b"\r\n") == lines(data)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", result)
    assert crlf(result) is result


@given(LINES)
def test_no_reader_however_lax_sees_a_mail_end_early(data: bytes) -> None:
    sent = flight(data)
    seen = lines(sent)
    assert seen.index(b".") == len(seen) - 2
    unstuffed = [line[1:] if line.startswith(b".") else line for line in seen[:-2]]
    wanted = lines(data)
    assert unstuffed == (wanted[:-1] if wanted[-1] == b"" and len(wanted) > 1 else wanted)


def test_a_smuggled_second_mail_stays_text(subtests: pytest.Subtests) -> None:
    for end in [b"\n.\n", b"\r.\r", b"\r\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\n"]:
        with subtests.test(end=end):
            sent = flight(b"Subject: a\r\n\r\nhello" + end + b"MAIL FROM:<evil@example.com>\r\n")
            assert sent.count(b"\r\n.\r\n") == 1
            assert b"\r\n..\r\nMAIL FROM" in sent


@given(
    st.lists(
        st.sampled_from(
            [b"250 2.1.0 Ok\r\n", b"354 go\n", b"250-a\r\n250-b\r\n250 c\r\n", b"\r\n", b"250-x\r\nhalf\r\n"]
        ),
        min_size=1,
    ),
    st.lists(st.integers(min_value=1, max_value=9), min_size=1),
)
def test_answers_are_the_same_however_they_are_cut(said: list[bytes], sizes: list[int]) -> None:
    def heard(pieces: Iterable[bytes]) -> list[wire.Reply]:
        answers, found = wire.Answers(), []
        for piece in pieces:
            answers.add(piece)
            while (answer := answers.next()) is not None:
                found.append(answer)
        return found

    whole, cuts = b"".join(said), cycle(sizes)
    ends = [0, *accumulate(islice(cuts, len(whole)))]
    assert heard(whole[a:b] for a, b in pairwise(ends) if a < len(whole)) == heard([whole])
    assert len(heard([whole])) == len(said)


def test_an_answer_without_end_is_given_up(subtests: pytest.Subtests) -> None:
    for endless in (b"250-" + b"x" * 9000, b"250-x\r\n" * 2000):
        with subtests.test(endless=endless[:8]):
            answers = wire.Answers()
            answers.add(endless)
            with pytest.raises(ConnectionError):
                answers.next()


def test_an_answer_that_was_cut_off_still_counts_and_half_of_one_does_not() -> None:
    answers = wire.Answers()
    answers.add(b"250 2.0.0 queued")
    assert answers.next() is None
    answers.add(b"")
    assert answers.next() == (250, "2.0.0 queued")
    answers.add(b"250-and mo")
    answers.add(b"")
    assert answers.next() is None
    with pytest.raises(ConnectionError):
        answers.add(b"")
    assert answers.lines == [b"250-and mo"]


def test_the_extensions_of_an_ehlo_answer_are_read() -> None:
    answer = "mx.example greets you\nSIZE 10240000\npipelining\nAUTH LOGIN plain\n8BITMIME\nSTARTTLS"
    extensions = wire.features(answer)
    assert extensions == {
        "size": "10240000",
        "pipelining": "",
        "auth": "LOGIN plain",
        "8bitmime": "",
        "starttls": "",
    }


def test_an_odd_ehlo_answer_does_no_harm(subtests: pytest.Subtests) -> None:
    for answer, expected in [
        ("", {}),
        ("hello", {}),
        ("PIPELINING", {}),
        ("hello\n\n \nPIPELINING \n", {"pipelining": ""}),
        ("hello\n  AUTH\tPLAIN   LOGIN ", {"auth": "PLAIN LOGIN"}),
        ("hello\nAUTH=LOGIN PLAIN", {"auth": "LOGIN PLAIN"}),
        ("hello\nauth=LOGIN\nAUTH PLAIN", {"auth": "LOGIN PLAIN"}),
        ("hello\nAUTH\nAUTH=", {"auth": ""}),
        ("hello\nSIZE", {"size": ""}),
        ("hello\nSIZE 0", {"size": "0"}),
        ("hello\nSIZE ²", {"size": ""}),
        ("hello\nSIZE " + "9" * 5000, {"size": ""}),
        ("hello\nSIZE unlimited", {"size": ""}),
        ("hello\nXA\u2028STARTTLS", {"xa": "STARTTLS"}),
        ("hello\r\nSTARTTLS\r", {"starttls": ""}),
    ]:
        with subtests.test(answer=answer, expected=expected):
            assert wire.features(answer) == expected


def test_mail_from_says_what_the_server_understands() -> None:
    offered = {"size": "", "8bitmime": ""}
    assert wire.mail_command("a@b.c", 7, {}, utf8=False) == b"MAIL FROM:<a@b.c>\r\n"
    eight_bit = wire.mail_command("a@b.c", 7, offered, eight_bit=True)
    assert eight_bit == b"MAIL FROM:<a@b.c> SIZE=7 BODY=8BITMIME\r\n"
    assert wire.mail_command("a@b.c", 7, offered) == b"MAIL FROM:<a@b.c> SIZE=7\r\n"
    assert wire.mail_command("ö@b.c", 7, {}, utf8=True) == "MAIL FROM:<ö@b.c> SMTPUTF8\r\n".encode()
    assert wire.mail_command("", 7, {}, utf8=False) == b"MAIL FROM:<>\r\n"
    assert wire.rcpt_command('"a b"@b.c') == b'RCPT TO:<"a b"@b.c>\r\n'


def test_no_address_ends_a_command_early(subtests: pytest.Subtests) -> None:
    for path in [
        "a@b.c\r\nRCPT TO:<x@y.z",
        "a@b.c\n",
        "a@b.c\r",
        "a@b.c>",
        "a@b.c> SIZE=1",
        "a b@b.c",
        "a@b.c x",
        "<a@b.c",
        "a\x00@b.c",
        "a\x85@b.c",
        "a\u2028@b.c",
        "a@b.c\t",
        '"a>b"@b.c',
        '"a\r\n"@b.c',
        '"a b"@b.c x',
        '"a" @b.c',
        '"\x85"@',
        '"a\\\x85"@b.c',
        '"\u2028"@b.c',
        '"a b',
        "\ud800@b.c",
        "a\u00a0@b.c",
    ]:
        with subtests.test(path=path):
            with pytest.raises(ValueError, match="cannot be used in an SMTP command"):
                wire.mail_command(path, 1, {}, utf8=True)
            with pytest.raises(ValueError, match="cannot be used in an SMTP command"):
                wire.rcpt_command(path)
            for sender, recipient in ((path, "a@b.c"), ("a@b.c", path)):
                with pytest.raises(ValueError, match="is not a mail address"):
                    Envelope(sender, (recipient,), b"")


@given(st.text(alphabet='a@."\\ <>\r\n\x00\x7f\x85\u2028ü', max_size=12))
def test_a_command_is_one_line_with_one_closing_bracket(path: str) -> None:
    try:
        command = wire.mail_command(path, 1, {}, utf8=True).decode()
    except ValueError:
        return
    assert command.splitlines(keepends=True) == [command]
    assert (command.count("<"), command.count(">")) == (1, 1)


def test_an_envelope_needs_a_recipient_and_may_have_the_null_sender() -> None:
    assert Envelope("", ("a@b.c",), b"").recipients == ("a@b.c",)
    for nobody in ((), ("",), ("a@b.c", "")):
        with pytest.raises(ValueError, match="no recipient"):
            Envelope("a@b.c", nobody, b"")


def test_a_broken_connection_has_a_kind_and_a_sentence(subtests: pytest.Subtests) -> None:
    for exc, connecting, greeting, kind in [
        (TimeoutError(), True, False, "timeout_connect"),
        (TimeoutError(), False, True, "timeout_greeting"),
        (TimeoutError(), False, False, "timeout"),
        (OSError(errno.ETIMEDOUT, "timed out"), True, False, "timeout_connect"),
        (OSError(errno.ECONNREFUSED, "refused"), True, False, "refused"),
        (OSError(errno.ENETUNREACH, "no net"), True, False, "unreachable"),
        (OSError(errno.EHOSTUNREACH, "no host"), True, False, "unreachable"),
        (OSError(errno.EACCES, "denied"), True, False, "unreachable"),
        (OSError(errno.ECONNRESET, "reset"), False, True, "closed"),
        (EOFError(), False, False, "closed"),
    ]:
        with subtests.test(exc=exc, connecting=connecting, greeting=greeting, kind=kind):
            actual, sentence = wire.lost(exc, "mx.example", 587, connecting=connecting, greeting=greeting)
            assert actual == kind
            assert "mx.example port 587" in sentence and sentence.endswith(".") and "Errno" not in sentence


def test_an_answer_may_be_a_code_alone() -> None:
    """Some servers hang up with nothing more."""
    assert wire.answer([b"421\r\n"]) == (421, "")
    assert wire.answer([b"550-no\r\n", b"550"]) == (550, "no\n")


def test_control_characters_in_an_answer_are_made_harmless() -> None:
    assert wire.printable(b"550 no\x00\x1b[2J\xff\nnext") == "550 no\ufffd\ufffd[2J\ufffd\nnext"


def test_too_many_recipients_are_told_from_other_refusals(subtests: pytest.Subtests) -> None:
    for reply, expected in [
        ("452 4.5.3 Too many recipients", True),
        ("452 Too many recipients received this hour", False),
        ("452 Requested action not taken", True),
        ("552 Requested action aborted", True),
        ("554 Transaction failed: Recipient count exceeds 50.", True),
        ("550 5.5.3 nothing more", True),
        ("550 maximum of 25 recipients", True),
        ("452 4.3.1 Insufficient system storage", False),
        ("452 Insufficient system storage", False),
        ("452 4.2.2 Over quota", False),
        ("552 Requested mail action aborted: exceeded storage allocation", False),
        ("552 5.2.2 Mailbox full", False),
        ("552 5.3.4 Message size exceeds fixed limit", False),
        ("450 4.7.1 Error: too many recipients from 203.0.113.9", False),
        ("452 4.5.3 Too many recipients per hour", False),
        ("550 5.4.5 Daily recipient limit exceeded", False),
        ("550 5.1.1 Invalid recipient", False),
        ("554 5.7.1 Recipient address rejected", False),
        ("250 too many recipients", False),
    ]:
        with subtests.test(reply):
            assert wire.too_many(int(reply[:3]), reply[4:], rcpt=True) is expected
    for reply in ["452 Requested action not taken", "552 Requested action aborted"]:
        assert not wire.too_many(int(reply[:3]), reply[4:])  # to the mail itself it means its size


def test_how_many_to_send_to_is_what_the_server_names_or_half(subtests: pytest.Subtests) -> None:
    for text, count, most in [
        ("Recipient count exceeds 50.", 60, 50),
        ("Recipient count exceeds 50.", 50, 25),
        ("5.5.3 too many recipients", 60, 30),
        ("too many recipients (60 > 25)", 60, 25),
        ("[192.0.2.1] mail7.example.com: too many recipients", 9, 4),
        ("too many recipients", 1, 1),
    ]:
        with subtests.test(text):
            assert wire.most_recipients(text, count) == most


def test_the_limit_that_a_server_announces() -> None:
    features = wire.features("mx.example\nLIMITS MAILMAX=5 rcptmax=100 RCPTDOMAINMAX=1")
    assert wire.recipient_limit(features["limits"]) == 100
    assert [wire.recipient_limit(text) for text in ("", "RCPTDOMAINMAX=3", "RCPTMAX=", "XRCPTMAX=3")] == [
        0
    ] * 4
