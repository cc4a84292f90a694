"""POST /api/mail/relay/test, against scripted servers and a real Postfix."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from mailrelay.diagnosis import testmail as relaytest
from mailrelay.models import Message, RelaySettings
from mailrelay.smtp import opening as smtp
from quazzar.api.gate import throttling
from tests.contract.answers import MESSAGES, RELAY, TEST, error, is_time, ok, wrong
from tests.rig import or_skip
from tests.rig.ca import CertificateAuthority
from tests.rig.faults import HANG_UP, SILENCE, FaultServer, Reply, Script, lines
from tests.rig.postfix import RealPostfix

Keyed = Callable[..., Any]
TO = {"to": "ops@example.com"}
SECRET = "hunter2-s3cret"
STAGES = ["resolve", "connect", "tls", "auth", "sender", "recipient", "data", "done"]


def result(response: Any) -> dict[str, Any]:
    """The answer, whose keys and types are always the same."""
    told: dict[str, Any] = ok(response)
    assert told.keys() == {"ok", "stage", "code", "message", "hint", "transcript", "duration_ms"}
    assert isinstance(told["ok"], bool) and told["stage"] in STAGES
    assert told["code"] is None or (type(told["code"]) is int and 200 <= told["code"] <= 599)
    assert isinstance(told["transcript"], list) and all(isinstance(one, str) for one in told["transcript"])
    assert type(told["duration_ms"]) is int and 0 <= told["duration_ms"] < 60_000
    assert told["message"].isprintable() and told["message"]
    assert told["ok"] is (told["stage"] == "done") is not bool(told["hint"])
    return told


def failure(api: APIClient, stage: str, code: int | None = None) -> dict[str, Any]:
    told = result(api.post(TEST, TO))
    assert (told["ok"], told["stage"], told["code"]) == (False, stage, code), told
    return told


def point(api: APIClient, **fields: Any) -> None:
    ok(api.patch(RELAY, {"provider": "custom", "host": "127.0.0.1", "security": "none", **fields}))


# --- what works --------------------------------------------------------------------------------------------
def test_a_test_mail_is_sent_and_told(api: APIClient, server: FaultServer) -> None:
    told = result(api.post(TEST, TO))
    assert (told["ok"], told["stage"], told["code"], told["hint"]) == (True, "done", 250, "")
    assert "250" in " ".join(told["transcript"])
    (mail,) = server.accepted
    assert (mail.sender, mail.recipients) == ("node@example.org", ["ops@example.com"])


def test_the_test_appears_among_the_messages(api: APIClient, server: FaultServer) -> None:
    result(api.post(TEST, TO))
    (row,) = ok(api.get(MESSAGES, {"source": "test"}))["results"]
    assert (row["status"], row["to"], row["attempts"], row["last_error"]) == (
        "sent",
        ["ops@example.com"],
        1,
        None,
    )
    assert row["message_id"] == server.accepted[0].message_id
    assert is_time(row["sent_at"]) and row["next_attempt_at"] is None
    shown = ok(api.get(f"{MESSAGES}/{row['id']}"))
    assert shown["recipients"] == [
        {"address": "ops@example.com", "status": "sent", "code": None, "message": ""}
    ]


def test_a_failed_test_appears_with_its_error(api: APIClient, server: FaultServer) -> None:
    server.script.recipients["ops@example.com"] = "550 5.1.1 No such user"
    told = failure(api, "recipient", 550)
    (row,) = ok(api.get(MESSAGES))["results"]
    assert (row["source"], row["status"], row["sent_at"]) == ("test", "failed", None)
    assert row["last_error"] == {"stage": "recipient", "code": 550, "message": told["message"]}
    (one,) = ok(api.get(f"{MESSAGES}/{row['id']}"))["recipients"]
    assert (one["status"], one["code"]) == ("failed", 550)
    error(api.post(f"{MESSAGES}/{row['id']}/retry"), 409, "not_retryable")


def test_a_name_may_stand_before_the_address(api: APIClient, server: FaultServer) -> None:
    result(api.post(TEST, {"to": "Ops Team <ops@Example.com>"}))
    assert server.accepted[0].recipients == ["ops@example.com"]


# --- each stage --------------------------------------------------------------------------------------------
def test_a_host_that_does_not_exist_is_the_resolve_stage(api: APIClient, relay: RelaySettings) -> None:
    point(api, host="nothing.invalid", port=587, security="starttls")
    assert "nothing.invalid" in failure(api, "resolve")["message"]


def test_a_port_where_nobody_listens_is_the_connect_stage(api: APIClient, server: FaultServer) -> None:
    server.stop()
    assert failure(api, "connect")["transcript"]


@pytest.mark.parametrize(
    ("greeting", "code"),
    [
        (HANG_UP, None),
        ("421 4.3.2 Busy", 421),
        ("554 5.7.1 Go away", 554),
        (Reply(b"HTTP/1.1 400 Bad\r\n\r\n"), None),
    ],
)
def test_a_bad_greeting_is_the_connect_stage(
    api: APIClient, server: FaultServer, greeting: Any, code: int | None
) -> None:
    server.script.greeting = greeting
    failure(api, "connect", code)


def test_a_greeting_that_never_comes_is_the_connect_stage(
    api: APIClient, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "_CONNECT_SECONDS", 0.2)
    server.script.greeting = SILENCE
    assert "port" in failure(api, "connect")["hint"]


def test_no_starttls_is_the_tls_stage(api: APIClient, server: FaultServer) -> None:
    point(api, port=server.port, security="starttls")
    told = failure(api, "tls")
    assert not any(line.startswith("C: MAIL") for line in told["transcript"])


def test_tls_to_a_plain_port_is_the_tls_stage(api: APIClient, server: FaultServer) -> None:
    point(api, port=server.port, security="tls")
    failure(api, "tls")


@pytest.mark.parametrize("kind", ["self_signed", "expired", "wrong_name", "issue"])
def test_a_certificate_that_is_not_trusted_is_the_tls_stage(
    api: APIClient, server: FaultServer, tmp_path: Any, kind: str
) -> None:
    server.script.certificate = getattr(CertificateAuthority(tmp_path / "ca"), kind)()
    point(api, host="localhost", port=server.port, security="starttls")
    assert "certificate" in failure(api, "tls")["message"]


def test_no_way_to_sign_in_is_the_auth_stage(api: APIClient, server: FaultServer) -> None:
    point(api, port=server.port, username="op", password=SECRET)
    failure(api, "auth")


@pytest.mark.parametrize(
    ("field", "script", "stage", "code"),
    [
        ("senders", {"node@example.org": "553 5.7.1 Not yours"}, "sender", 553),
        ("recipients", {"ops@example.com": "450 4.2.1 Greylisted"}, "recipient", 450),
        ("commands", {"MAIL": "530 5.7.0 Authentication required"}, "sender", 530),
        ("commands", {"DATA": "451 4.3.0 Later"}, "data", 451),
        ("commands", {".": "554 5.7.1 Spam"}, "data", 554),
        ("commands", {".": HANG_UP}, "data", None),
        ("commands", {"EHLO": "550 No", "HELO": "550 5.7.1 No"}, "connect", 550),
    ],
)
@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
def test_a_refusal_names_its_stage_and_code(
    api: APIClient,
    server: FaultServer,
    field: str,
    script: Any,
    stage: str,
    code: int | None,
    extensions: Any,
) -> None:
    server.script.extensions = extensions
    getattr(server.script, field).update(script)
    failure(api, stage, code)


def test_a_password_whose_key_is_gone_is_the_auth_stage(
    api: APIClient, server: FaultServer, settings: Any, tmp_path: Any
) -> None:
    point(api, port=server.port, username="op", password=SECRET)
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    assert "Enter the password again" in failure(api, "auth")["message"]


def test_an_answer_of_any_bytes_is_told_as_text(api: APIClient, server: FaultServer, keyed: Keyed) -> None:
    server.script.commands["."] = Reply(b"554 5.7.1 \x00\xff\x1b[31m spam\r\n")
    told = result(keyed(TEST, TO))
    assert told["stage"] == "data" and "spam" in told["message"]
    assert "\x00" not in str(told["transcript"])
    assert ok(api.get(MESSAGES))["results"][0]["last_error"]["message"] == told["message"]


@pytest.mark.slow
def test_a_test_takes_no_longer_than_its_limit(
    api: APIClient, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaytest, "TIMEOUT", 0.3)
    server.script.commands["MAIL"] = SILENCE
    failure(api, "sender")


# --- no password -------------------------------------------------------------------------------------------
@pytest.fixture(params=["PLAIN LOGIN", "LOGIN"])
def repeating(request: pytest.FixtureRequest, api: APIClient, server: FaultServer) -> FaultServer:
    """A server that refuses a login and repeats all it was told, in clear and as base64."""
    forms = [SECRET, b64(SECRET), b64(f"\0op\0{SECRET}"), b64(f"op\0op\0{SECRET}")]
    server.script = Script(users={"op": "other"}, mechanisms=request.param)
    server.script.commands["AUTH"] = lines(535, *(f"5.7.8 You said {form} !" for form in forms))
    point(api, port=server.port, username="op", password=SECRET)
    return server


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_wrong_password_is_the_auth_stage_and_in_no_part_of_the_answer(
    api: APIClient, repeating: FaultServer
) -> None:
    failure(api, "auth", 535)
    shown = api.post(TEST, TO).content.decode() + api.get(MESSAGES).content.decode()
    for form in (SECRET, b64(SECRET), b64(f"\0op\0{SECRET}"), b64(f"op\0op\0{SECRET}")):
        assert form not in shown and form.rstrip("=") not in shown


def test_a_right_password_is_in_no_part_of_the_answer(api: APIClient, server: FaultServer) -> None:
    server.script = Script(users={"op": SECRET})
    server.script.commands["."] = f"250 2.0.0 Thanks for {SECRET} and {b64(SECRET)}"
    point(api, port=server.port, username="op", password=SECRET)
    told = result(api.post(TEST, TO))
    assert told["ok"]
    assert SECRET not in str(told) and b64(SECRET).rstrip("=") not in str(told)
    assert any("AUTH" in line for line in told["transcript"])


# --- refused -----------------------------------------------------------------------------------------------
def test_without_a_relay_it_is_409(api: APIClient) -> None:
    error(api.post(TEST, TO), 409, "relay_not_configured")
    assert list(wrong(api.post(TEST, {"to": "nobody"}))) == ["to"]
    assert not Message.objects.exists()


def test_an_address_that_cannot_be_is_refused(
    api: APIClient, server: FaultServer, subtests: pytest.Subtests
) -> None:
    for to in [
        "",
        " ",
        "nobody",
        "a@b@c",
        "a@example.com, b@example.com",
        "a@example.com\n",
        "a@example.com\r\nBcc: b@c.d",
        5,
        None,
        True,
        [],
        ["ops@example.com"],
        {},
        "a\x00@example.com",
        "x" * 10**6,
        "A <a@example.com",
        "@example.com",
    ]:
        with subtests.test(ascii(to)[:80]):
            assert list(wrong(api.post(TEST, {"to": to}))) == ["to"]
            assert not Message.objects.exists() and not server.sessions


def test_another_body_is_refused(api: APIClient, server: FaultServer, subtests: pytest.Subtests) -> None:
    values: list[Any] = [{}, {"recipient": "a@example.com"}, {**TO, "host": "127.0.0.1"}, [], "x", None]
    for body in values:
        with subtests.test(ascii(body)[:80]):
            error(api.post(TEST, body), 400, "validation_error")
            assert not server.sessions


def test_a_key_that_only_sends_may_not_test(client_with: Any, operator: Any, server: FaultServer) -> None:
    error(client_with(operator, "mail:read", "mail:send").post(TEST, TO), 403, "permission_denied")
    assert result(client_with(operator, "mail:write").post(TEST, TO))["ok"]


def test_too_many_tests_are_429(api: APIClient, server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling.PrincipalThrottle, "THROTTLE_RATES", {"principal": "1/day"})
    assert result(api.post(TEST, TO))["ok"]
    response = api.post(TEST, TO)
    error(response, 429, "throttled")
    assert int(response["Retry-After"]) > 0
    assert len(server.accepted) == 1


# --- once --------------------------------------------------------------------------------------------------
def test_the_same_key_and_body_is_one_mail(keyed: Keyed, server: FaultServer) -> None:
    first, again = keyed(TEST, TO), keyed(TEST, TO)
    assert result(first) == result(again)
    error(keyed(TEST, {"to": "b@example.com"}), 409, "idempotency_conflict")
    assert len(server.accepted) == Message.objects.count() == 1


def test_a_failed_test_is_an_answer_too(keyed: Keyed, server: FaultServer) -> None:
    server.script.commands["."] = ["554 5.7.1 Spam"]
    assert result(keyed(TEST, TO)) == result(keyed(TEST, TO))
    assert result(keyed(TEST, TO, "k2"))["ok"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_many_at_once_with_one_key_send_one_mail(keyed: Keyed, server: FaultServer, at_once: Any) -> None:
    server.script.latency = 0.05
    answers = at_once(5, lambda: keyed(TEST, TO))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len(server.accepted) == Message.objects.count() == 1


# --- a real provider ---------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def postfix() -> Iterator[RealPostfix]:
    with or_skip(RealPostfix) as postfix:
        yield postfix


@pytest.fixture
def provider(
    api: APIClient, postfix: RealPostfix, rings: list[str], monkeypatch: pytest.MonkeyPatch
) -> RealPostfix:
    """The saved relay is Debian's Postfix, whose CA is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(postfix.ca_file))
    smtp._tls_context.cache_clear()
    login = {"username": postfix.username, "password": postfix.password, "from_address": "node@provider.test"}
    point(api, host="localhost", port=postfix.submission_port, security="starttls", **login)
    postfix.clear()
    return postfix


@pytest.mark.real
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_real_provider_takes_it(api: APIClient, provider: RealPostfix, security: str) -> None:
    port = provider.tls_port if security == "tls" else provider.submission_port
    point(api, host="localhost", port=port, security=security, password=provider.password)
    told = result(api.post(TEST, {"to": "ops@inbox.test"}))
    assert told["ok"], told
    assert provider.password not in str(told) and b64(provider.password).rstrip("=") not in str(told)
    assert provider.wait_for(1)[0]["Subject"] == "Test mail from Quazzar Mail Relay"


@pytest.mark.real
@pytest.mark.parametrize(
    ("fields", "to", "stage", "code"),
    [
        ({"password": "wrong-password"}, "ops@inbox.test", "auth", 535),
        ({}, "ops@refused.test", "recipient", 550),
        ({}, "ops@greylisted.test", "recipient", 450),
        ({"security": "none", "username": "", "password": None}, "ops@inbox.test", "sender", 530),
    ],
)
def test_a_real_provider_refuses(
    api: APIClient, provider: RealPostfix, fields: Any, to: str, stage: str, code: int | None
) -> None:
    ok(api.patch(RELAY, fields))
    told = result(api.post(TEST, {"to": to}))
    assert (told["ok"], told["stage"], told["code"]) == (False, stage, code), told
