"""The client side of SMTP AUTH."""

from __future__ import annotations

import base64

import pytest

from mailrelay.smtp import sasl


def dialogue(mechanism: str, username: str, password: str, challenge: bytes | str = b"") -> list[bytes]:
    """The client's lines."""
    answer = challenge if isinstance(challenge, str) else base64.b64encode(challenge).decode()
    return list(sasl.lines(mechanism, username, password, lambda: answer))


def words(line: bytes) -> bytes:
    """What a line of base64 says."""
    assert line.endswith(b"\r\n") and line.count(b"\n") == 1
    return base64.b64decode(line[:-2], validate=True)


def test_the_first_mechanism_of_ours_is_chosen(subtests: pytest.Subtests) -> None:
    for offered, chosen in [
        ("PLAIN LOGIN", "PLAIN"),
        ("login CRAM-MD5", "LOGIN"),
        ("cram-md5", "CRAM-MD5"),
        ("XOAUTH2 SCRAM-SHA-256 plain", "PLAIN"),
        ("XOAUTH2 NTLM", None),
        ("PLAINTEXT", None),
        ("", None),
    ]:
        with subtests.test(offered=offered, chosen=chosen):
            assert sasl.choose(offered) == chosen


def test_plain_is_one_line_of_utf8(subtests: pytest.Subtests) -> None:
    for password in ["tanstaaftanstaaf", "pä€ß🚀", "with space ", "x" * 2000]:
        with subtests.test(password=password):
            (line,) = dialogue("PLAIN", "üser@example.com", password)
            assert line.startswith(b"AUTH PLAIN ")
            assert words(line.removeprefix(b"AUTH PLAIN ")) == f"\0üser@example.com\0{password}".encode()


def test_login_answers_two_questions_in_utf8() -> None:
    command, username, password = dialogue("LOGIN", "jörg", "pä€ß🚀")
    assert command == b"AUTH LOGIN\r\n"
    assert (words(username), words(password)) == ("jörg".encode(), "pä€ß🚀".encode())


def test_cram_md5_gives_the_answer_of_rfc_2195() -> None:
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    command, answer = dialogue("CRAM-MD5", "tim", "tanstaaftanstaaf", challenge)
    assert command == b"AUTH CRAM-MD5\r\n"
    assert words(answer) == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_a_challenge_that_is_no_base64_ends_the_exchange_as_rfc_4954_says() -> None:
    for challenge in ("not base64!", "abc", "é"):
        assert dialogue("CRAM-MD5", "tim", "secret-word", challenge) == [b"AUTH CRAM-MD5\r\n", b"*\r\n"]


def test_the_traces_cover_every_line_that_holds_the_password(subtests: pytest.Subtests) -> None:
    for password in ["hunter22", "pä€ß🚀", "abcd", "p", "a+b/c=="]:
        for mechanism in ["PLAIN", "LOGIN"]:
            with subtests.test(password=password, mechanism=mechanism):
                (*_, line) = dialogue(mechanism, "jörg@example.com", password)
                traces = sasl.traces("jörg@example.com", password)
                if mechanism == "PLAIN" or len(password) > 3:
                    assert any(trace in line.decode() for trace in traces)
                assert (password in traces) == (len(password) > 3)


def test_longer_traces_come_first_so_that_none_is_cut_in_two() -> None:
    traces = sasl.traces("user", "AHVz")
    assert traces == sorted(traces, key=len, reverse=True)
    assert any("AHVz" in trace for trace in traces[:-1])


def test_without_a_password_nothing_is_masked() -> None:
    assert sasl.traces("user", "") == []
