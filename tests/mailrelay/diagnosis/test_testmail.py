"""The test mail's walk: which stages succeeded, which failed, and which were not reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mailrelay.diagnosis import testmail
from mailrelay.diagnosis.testmail import Step
from mailrelay.models import Message, RelaySettings
from mailrelay.relay import settings
from quazzar.errors import InvalidEmail, RelayNotConfigured
from tests.rig.ca import CertificateAuthority
from tests.rig.faults import FaultServer, Script


@pytest.fixture
def server(relay: RelaySettings) -> Iterator[FaultServer]:
    """The saved relay; its script can be changed at any time."""
    with FaultServer() as server:
        relay.host, relay.port = "127.0.0.1", server.port
        relay.save()
        yield server


def walk(to: str = "ops@example.com") -> dict[str, str]:
    """Stage → state, in the order in which they are reported."""
    return {step.stage: step.state for step in testmail.run(to).steps}


def test_a_walk_that_succeeds_names_the_stages_it_took(server: FaultServer) -> None:
    assert walk() == dict.fromkeys(["resolve", "connect", "sender", "recipient", "data", "done"], "ok")


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
@pytest.mark.parametrize(
    ("part", "failed"),
    [
        ({"greeting": "421 Busy"}, "connect"),
        ({"commands": {"MAIL": "553 No"}}, "sender"),
        ({"recipients": {"ops@example.com": "550 No"}}, "recipient"),
        ({"commands": {"DATA": "451 Later"}}, "data"),
        ({"commands": {".": "554 Spam"}}, "data"),
        ({"size_limit": 10}, "sender"),
    ],
)
def test_what_came_before_the_failure_went_well_and_the_rest_was_not_reached(
    server: FaultServer, part: dict[str, Any], failed: str, extensions: tuple[str, ...]
) -> None:
    server.script = Script(extensions=extensions, **part)
    states = walk()
    assert list(states) == ["resolve", "connect", "tls", "auth", "sender", "recipient", "data", "done"]
    way = ["resolve", "connect", "sender", "recipient", "data"]
    before = way[: way.index(failed)]
    rest = states.keys() - {*before, failed}
    assert states == dict.fromkeys(before, "ok") | {failed: "failed"} | dict.fromkeys(rest, "skipped")


def test_a_greeting_after_implicit_tls_fails_connect_and_not_tls(
    server: FaultServer, relay: RelaySettings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = CertificateAuthority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    monkeypatch.setattr(
        "mailrelay.smtp.opening._tls_context", lambda minute: __import__("ssl").create_default_context()
    )
    server.script = Script(certificate=authority.issue(), implicit_tls=True, greeting="554 Go away")
    RelaySettings.objects.update(host="localhost", security="tls")
    states = walk()
    assert (states["connect"], states["tls"], states["auth"]) == ("failed", "ok", "skipped")


def test_every_change_is_reported_while_it_happens(server: FaultServer) -> None:
    reports: list[list[tuple[str, str]]] = []
    testmail.run(
        "ops@example.com", on_steps=lambda steps: reports.append([(step.stage, step.state) for step in steps])
    )
    assert reports[0] == [("resolve", "running")]
    assert reports[1] == [("resolve", "ok"), ("connect", "running")]
    assert reports[-1][-1] == ("done", "ok")
    assert all(state != "running" for _, state in reports[-1])


def test_a_failure_is_reported_last(server: FaultServer) -> None:
    server.stop()
    last: list[list[Step]] = []
    result = testmail.run("ops@example.com", on_steps=last.append)
    assert last[-1] == result.steps
    assert [step.stage for step in result.steps if step.state == "failed"] == ["connect"]


def test_steps_take_no_longer_than_the_whole(server: FaultServer) -> None:
    server.script.latency = 0.02
    result = testmail.run("ops@example.com")
    assert 0 < sum(step.duration_ms for step in result.steps) <= result.duration_ms + len(result.steps)


def test_a_test_without_a_relay_or_an_address_is_an_error(db: None) -> None:
    with pytest.raises(RelayNotConfigured):
        testmail.run("ops@example.com")
    with pytest.raises(InvalidEmail) as caught:
        testmail.run("nobody")
    assert caught.value.field == "to"
    assert not Message.objects.exists()


def test_a_long_answer_is_cut(server: FaultServer) -> None:
    server.script.commands["."] = "250 " + "thanks " * 500
    result = testmail.run("ops@example.com")
    assert result.ok and len(result.message) <= 500
    assert max(map(len, result.transcript)) <= 2000


@pytest.mark.parametrize(
    ("username", "password", "answer", "hint"),
    [
        ("op", "s3\u00a0cret", "535 5.7.8 Error: authentication failed", "no-break space"),
        ("op", "s3cret ", "535 5.7.8 Error: authentication failed", "ends with a space"),
        ("o\u00a0p", "s3cret", "535 5.7.8 Error: authentication failed", "The saved username contains"),
        ("op", "s3cret", "535 5.7.8 Error: authentication failed", ""),
        ("op", "s3cret ", "454 4.7.0 Temporary authentication failure", ""),
    ],
)
def test_the_hint_names_what_nobody_sees_in_a_refused_login(
    server: FaultServer, username: str, password: str, answer: str, hint: str
) -> None:
    settings.update({"username": username, "password": password}, partial=True)
    server.script.users = {"op": "another"}
    server.script.commands["AUTH"] = answer
    result = testmail.run("ops@example.com")
    assert hint in result.hint
    assert ("The saved" in result.hint) == bool(hint)
