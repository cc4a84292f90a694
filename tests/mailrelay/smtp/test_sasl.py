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


def test_the_mechanisms_of_ours_are_tried_in_our_order(subtests: pytest.Subtests) -> None:
    for offered, tried in [
        ("LOGIN PLAIN", ["PLAIN", "LOGIN"]),
        ("login CRAM-MD5", ["LOGIN", "CRAM-MD5"]),
        ("cram-md5", ["CRAM-MD5"]),
        ("XOAUTH2 SCRAM-SHA-256 plain", ["PLAIN"]),
        ("XOAUTH2 NTLM", []),
        ("PLAINTEXT", []),
        ("", []),
    ]:
        with subtests.test(offered=offered):
            assert sasl.common(offered) == tried


MECHANISM = """\
504 5.7.4 Unrecognized authentication type
504 5.5.4 Unrecognized authentication type
504 Unknown mechanism <PLAIN>
504 5.3.3 AUTH mechanism PLAIN not available
504 auth type unimplemented (#5.5.1)
534 5.7.9 Authentication mechanism is too weak
538 5.7.11 Encryption required for requested authentication mechanism
432 4.7.12 A password transition is needed
501 5.5.2 Cannot Base64-decode Base64-string
501 5.7.0 Authentication cancelled
500 5.5.6 Authentication Exchange line is too long
502 5.5.1 Command not implemented
535 5.7.8 Error: authentication failed: Invalid authentication mechanism
535 5.7.8 Error: authentication failed: no mechanism available
535 5.7.3 Authentication type not supported
"""
LOGIN = """\
535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6
535 5.7.8 Username and Password not accepted. For more information, go to 5.7.8 https://support.google.com/mail/
534 5.7.9 Application-specific password required. For more information, go to 5.7.9 https://support.google.com/mail/
534 5.7.14 <https://accounts.google.com/signin/continue?sarp=1> Please log in via your web browser and then try again.
535 5.7.3 Authentication unsuccessful
535 5.7.139 Authentication unsuccessful, basic authentication is disabled.
535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.
535 Authentication Credentials Invalid
535 5.0.0 Authentication Failed
501 5.7.1 Login denied
501 Invalid username or password
500 Authentication failed
550 5.7.1 Authentication failed
530 5.7.0 Must issue a STARTTLS command first
432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded
454 4.7.0 Temporary authentication failure: Connection lost to authentication server
454 4.7.0 Too many login attempts
421 4.7.0 Too many errors
"""


def test_a_reply_judges_the_mechanism_or_the_login(subtests: pytest.Subtests) -> None:
    for replies, mechanism in [(MECHANISM, True), (LOGIN, False)]:
        for reply in replies.splitlines():
            with subtests.test(reply):
                assert sasl.judges_mechanism(int(reply[:3]), reply[4:]) is mechanism


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
