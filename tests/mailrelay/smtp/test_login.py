"""Which ways to sign in are tried, and how often."""

from __future__ import annotations

import time

import pytest

from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Target, Trace
from quazzar.errors import DeliveryError
from tests.rig.faults import FaultServer, Reply, Script

USERS = {"op": "password"}


def sign_in(script: Script, password: str = "password") -> tuple[str, DeliveryError | None, str]:
    """The mechanisms that were tried, the failure, and the transcript."""
    trace = Trace(lines=[])
    with FaultServer(script) as server:
        target = Target("127.0.0.1", server.port, "none", "op", password)
        try:
            Connection(target, deadline=time.monotonic() + 10, trace=trace).open().close()
            error = None
        except DeliveryError as exc:
            error = exc
        commands = [command.split() for command in server.sessions[0].commands]
    tried = [words[1] for words in commands if words[:1] == ["AUTH"]]
    return " ".join(tried), error, "\n".join(trace.lines or [])


def test_a_mechanism_that_is_offered_and_refused_leads_to_the_next() -> None:
    offered = ("AUTH PLAIN LOGIN",)
    tried, error, transcript = sign_in(Script(users=USERS, mechanisms="LOGIN", extensions=offered))
    assert (tried, error) == ("PLAIN LOGIN", None)
    assert transcript.count("C: AUTH LOGIN ********") == 1


@pytest.mark.parametrize(
    "reply",
    [
        "534 5.7.9 Authentication mechanism is too weak",
        "538 5.7.11 Encryption required for requested authentication mechanism",
        "501 5.5.2 Cannot base64-decode",
        "535 5.7.8 Error: authentication failed: Invalid authentication mechanism",
    ],
)
def test_so_do_other_replies_about_the_mechanism(reply: str) -> None:
    tried, error, _ = sign_in(Script(users=USERS, commands={"AUTH": [reply, None]}))
    assert (tried, error) == ("PLAIN LOGIN", None)


@pytest.mark.parametrize(
    "reply",
    [
        "535 5.7.8 Username and password not accepted",
        "534 5.7.9 Application-specific password required",
        "454 4.7.0 Temporary authentication failure",
        "421 4.7.0 Too many errors",
    ],
)
def test_a_password_is_tried_once(reply: str) -> None:
    tried, error, _ = sign_in(Script(users=USERS, commands={"AUTH": [reply, None]}))
    assert error is not None
    assert (tried, error.kind, error.smtp_code) == ("PLAIN", "auth_rejected", int(reply[:3]))


def test_when_no_mechanism_is_left_the_sentence_says_so() -> None:
    refused = "504 5.7.4 Unrecognized authentication type"
    tried, error, _ = sign_in(Script(users=USERS, commands={"AUTH": refused}))
    assert error is not None
    assert (tried, error.stage, error.kind, error.smtp_code) == ("PLAIN LOGIN", "auth", "auth_mechanism", 504)
    assert "every sign-in method" in error.message
    assert "PLAIN, LOGIN" in error.message and "504 5.7.4 Unrecognized" in error.message


def test_a_server_that_hangs_up_after_the_first_mechanism_is_quoted() -> None:
    refused = Reply("504 5.7.4 Unrecognized authentication type", close=True)
    _, error, _ = sign_in(Script(users=USERS, commands={"AUTH": refused}))
    assert error is not None
    assert (error.stage, error.smtp_code) == ("auth", 504)


def test_no_transcript_and_no_sentence_has_the_password() -> None:
    script = Script(users=USERS, commands={"AUTH": ["504 5.7.4 hunter2-secret", "535 5.7.8 hunter2-secret"]})
    _, error, transcript = sign_in(script, password="hunter2-secret")
    assert error is not None
    assert "hunter2" not in transcript + error.message
