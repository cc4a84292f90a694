"""The command line of sendmail."""

from __future__ import annotations

import pytest

from mailrelay.sendmail.options import UsageError, parse


def test_what_programs_pass_is_understood(subtests: pytest.Subtests) -> None:
    for line in [
        "-FCronDaemon -i -B8BITMIME -oem root",  # Debian's cron
        "-FAnacron -odi -i root",
        "-i -oem -oee -oi -bm root",
        "-N never -R hdrs -V id -O Timeout=1 -Am -G -U -n -m -c -h 3 -L tag -X /tmp/log -p smtp:me -i root",
        "-q15m -d0 -oi root",
        "-i -o Q/var/spool -e m root",
        "root -i",
    ]:
        with subtests.test(line=line):
            options = parse(line.split())
            assert (options.recipients, options.dot_ends) == (["root"], False)


def test_recipients_from_the_header_and_dots(subtests: pytest.Subtests) -> None:
    for line in ["-t -i", "-ti", "-it", "-t -oi", "-t -o i", "-t -OIgnoreDots=True", "-ti -v"]:
        with subtests.test(line=line):
            options = parse(line.split())
            assert (options.from_header, options.dot_ends, options.recipients) == (True, False, [])


def test_the_envelope_sender(subtests: pytest.Subtests) -> None:
    for words in [["-f", "a@example.com"], ["-fa@example.com"], ["-ra@example.com"], ["-tfa@example.com"]]:
        with subtests.test(words=words):
            options = parse([*words, "-t"])
            assert (options.sender, options.null_sender) == ("a@example.com", False)


@pytest.mark.parametrize("words", [["-f", ""], ["-f", "<>"], ["-f<>"]])
def test_the_null_sender(words: list[str]) -> None:
    assert parse([*words, "-t"]).null_sender


def test_without_f_there_is_no_null_sender() -> None:
    assert not parse(["-t"]).null_sender


def test_two_dashes_end_the_options() -> None:
    assert parse(["-i", "--", "-t"]).recipients == ["-t"]
    assert parse(["--", "-t"]).from_header is False


def test_a_queue_run_takes_no_message() -> None:
    assert parse(["-q"]).only_queue_run
    assert parse(["-q15m"]).only_queue_run
    assert not parse(["-q", "root"]).only_queue_run


def test_what_this_sendmail_does_not_do_is_refused_in_a_sentence(subtests: pytest.Subtests) -> None:
    for word in ["-bs", "-bd", "-bp", "-bi", "-bv", "-b", "-I", "-f", "-z", "--help", "-", "-i"]:
        with subtests.test(word=word), pytest.raises(UsageError, match=r"^[-A-Z].*\.$"):
            parse([word])
