"""/api/mail/stack: reading, preflight, enabling, disabling, switches, logs and compose."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from django.utils import timezone
from rest_framework.test import APIClient

from mailboxes.engine import connect
from mailboxes.models import Domain, Stack
from mailboxes.stack import logs, versions
from mailboxes.stack.preflight import names as namechecks
from mailboxes.stack.preflight import runner
from mailrelay.models import RelaySettings
from quazzar.errors import NotThere
from quazzar.models import AuditEntry
from tests.contract.answers import STACK, error, is_time, ok, wrong
from tests.fakes import FakeEngine
from tests.mailboxes import factories

HOST = "mail.example.com"
ENABLE, DISABLE, PREFLIGHT = f"{STACK}/enable", f"{STACK}/disable", f"{STACK}/preflight"
LOGS, COMPOSE, REPAIR = f"{STACK}/logs", f"{STACK}/compose", f"{STACK}/repair"
NOTHING: dict[str, Any] = {
    "enabled": False, "phase": "disabled", "progress": {"step": 0, "of": 0, "percent": 0, "message": ""},
    "hostname": "", "services": [], "generation": {"desired": 0, "applied": 0}, "last_error": None,
    "send_through_relay": False, "warn_mailbox_owners": False, "own_mailbox": True, "own_address": "",
    "pending": [], "mail_queue": None, "observed_at": None,
    "versions": [
        {"service": service, "running": "", "tested": tested, "compared": "unknown"}
        for service, tested in versions.TESTED.items()
    ],
    "certificate": {"source": "self_signed", "names": [], "expires_at": None, "warnings": []},
}  # fmt: skip
NOT_HOSTNAMES: list[Any] = [
    None, 5, True, [], {}, [HOST], "", " ", "x" * 256, "x" * 100_000, "mail\x00.example.com",
]  # fmt: skip
NO_FQDN = [
    "localhost", "mail", "a b.example.com", "-a.example.com", "a..example.com", "192.0.2.1", "[192.0.2.1]",
    "https://mail.example.com", "mail.example.com:25", "ops@example.com", "mail_1.example.com", "x" * 64 + ".com",
    "mail\n.example.com", "*.example.com",
]  # fmt: skip
pytestmark = pytest.mark.django_db


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The Docker Engine of this node."""
    fake = FakeEngine()
    monkeypatch.setattr(connect, "to_docker", lambda *_: fake)
    return fake


@pytest.fixture
def enabled(api: APIClient) -> dict[str, Any]:
    """The stack, enabled as mail.example.com."""
    shown: dict[str, Any] = ok(api.post(ENABLE, {"hostname": HOST}), 202)
    return shown


# --- reading -----------------------------------------------------------------------------------------------
def test_before_anything_was_done_it_is_disabled(api: APIClient) -> None:
    assert ok(api.get(STACK)) == NOTHING


def test_what_the_worker_saw_is_shown(api: APIClient) -> None:
    service = {
        "name": "postfix",
        "image": "boky/postfix:v5",
        "status": "running",
        "health": "healthy",
        "ports": [25],
    }
    failure = {"code": "port_taken", "message": "Port 25 is taken.", "hint": "Stop exim."}
    factories.stack(
        enabled=True, phase="pulling", step=2, steps=6, percent=37, progress_message="Fetching", hostname=HOST,
        services=[service], desired_generation=9, applied_generation=7, last_error=failure, pending=["An image."],
        observed_at=timezone.now(),
    )  # fmt: skip
    shown = ok(api.get(STACK))
    assert is_time(shown.pop("observed_at"))
    assert shown == {name: value for name, value in NOTHING.items() if name != "observed_at"} | {
        "enabled": True, "phase": "pulling", "hostname": HOST, "services": [service], "last_error": failure,
        "progress": {"step": 2, "of": 6, "percent": 37, "message": "Fetching"}, "pending": ["An image."],
        "generation": {"desired": 9, "applied": 7},
    }  # fmt: skip


# --- preflight ---------------------------------------------------------------------------------------------
@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name server and no way out."""

    def refuse(*_: Any) -> Any:
        raise OSError("offline")

    for name in ("resolve", "name_of", "greeting"):
        monkeypatch.setattr(namechecks, name, refuse)


def test_checks_are_shown_also_when_they_fail(api: APIClient, engine: FakeEngine, offline: None) -> None:
    told = ok(api.post(PREFLIGHT, {"hostname": HOST}))
    assert told.keys() == {"ok", "checks"} and type(told["ok"]) is bool
    for check in told["checks"]:
        assert {name: type(value) for name, value in check.items()} == {
            "id": str, "ok": bool, "severity": str, "message": str, "hint": str,
        }  # fmt: skip
        assert check["severity"] in {"error", "warning"} and check["message"]
    ids = {check["id"] for check in told["checks"]}
    assert {"docker", "port_25", "port_587", "port_465", "disk", "hostname", "outbound_25"} <= ids
    assert told["ok"] is all(check["ok"] for check in told["checks"] if check["severity"] == "error")


def test_it_is_200_when_docker_does_not_answer(api: APIClient, engine: FakeEngine, offline: None) -> None:
    engine.unreachable = True
    told = ok(api.post(PREFLIGHT, {"hostname": HOST}))
    docker = next(check for check in told["checks"] if check["id"] == "docker")
    assert (told["ok"], docker["ok"], docker["severity"]) == (False, False, "error")
    assert docker["hint"]


def test_a_name_that_cannot_be_is_a_failed_check(api: APIClient, engine: FakeEngine, offline: None) -> None:
    told = ok(api.post(PREFLIGHT, {"hostname": "localhost"}))
    assert next(check for check in told["checks"] if check["id"] == "hostname")["ok"] is False


def test_the_report_is_passed_on_as_it_is(
    api: APIClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = runner.Check("port_25", False, "error", "exim has it.", "Stop exim.")
    monkeypatch.setattr(runner, "run", lambda *_, **__: runner.Report(False, (check,)))
    row = {"id": "port_25", "ok": False, "severity": "error", "message": "exim has it.", "hint": "Stop exim."}
    assert ok(api.post(PREFLIGHT, {"hostname": HOST})) == {"ok": False, "checks": [row]}
    assert Stack.load().enabled is False


@pytest.mark.slow
def test_what_is_no_name_at_all_is_refused(
    api: APIClient, engine: FakeEngine, subtests: pytest.Subtests
) -> None:
    for given in NOT_HOSTNAMES:
        for path in [PREFLIGHT, ENABLE]:
            with subtests.test(ascii((given, path))[:80]):
                assert list(wrong(api.post(path, {"hostname": given}))) == ["hostname"]
                assert list(wrong(api.post(path, {}))) == ["hostname"]
                assert list(wrong(api.post(path, {"hostname": HOST, "surprise": 1}))) == ["surprise"]
                assert engine.calls == [] and Stack.load().enabled is False


# --- enabling ----------------------------------------------------------------------------------------------
def test_enabling_is_202_and_waits_for_nothing(api: APIClient, enabled: dict[str, Any]) -> None:
    assert (enabled["enabled"], enabled["phase"], enabled["hostname"]) == (True, "preflight", HOST)
    assert enabled["generation"]["desired"] > enabled["generation"]["applied"]
    assert enabled["certificate"]["names"] == [HOST] and is_time(enabled["certificate"]["expires_at"])
    assert ok(api.get(STACK)) == enabled


@pytest.mark.parametrize("name", [HOST, "MAIL.example.COM", f" {HOST} "])
def test_enabling_again_is_202_and_changes_nothing(
    api: APIClient, enabled: dict[str, Any], name: str
) -> None:
    Stack.objects.update(phase="healthy", percent=100)
    before = Stack.objects.values().get()
    again = ok(api.post(ENABLE, {"hostname": name}), 202)
    assert again == enabled | {"phase": "healthy", "progress": enabled["progress"] | {"percent": 100}}
    after = Stack.objects.values().get()
    assert {name: str(value) for name, value in after.items()} == {
        name: str(value) for name, value in before.items()
    }
    assert AuditEntry.objects.filter(action="stack.enabled").count() == 1


def test_another_name_while_it_is_enabled_is_409(api: APIClient, enabled: dict[str, Any]) -> None:
    error(api.post(ENABLE, {"hostname": "other.example.com"}), 409, "stack_enabled")
    assert ok(api.get(STACK)) == enabled


@pytest.mark.slow
def test_only_a_full_name_can_be_enabled(api: APIClient, subtests: pytest.Subtests) -> None:
    for given in NO_FQDN:
        with subtests.test(ascii(given)[:80]):
            assert list(wrong(api.post(ENABLE, {"hostname": given}))) == ["hostname"]
            assert ok(api.get(STACK)) == NOTHING


def test_a_name_is_kept_as_a_labels(api: APIClient) -> None:
    assert (
        ok(api.post(ENABLE, {"hostname": "Mail.Müller.Example"}), 202)["hostname"]
        == "mail.xn--mller-kva.example"
    )


def test_enabling_makes_the_keys_that_domains_lack(api: APIClient) -> None:
    Domain.objects.create(name="example.com")
    ok(api.post(ENABLE, {"hostname": HOST}), 202)
    assert Domain.objects.get().dkim_state == "ready"


# --- disabling ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("body", [None, {}, {"purge": False}, {"purge": False, "confirm": "nonsense"}])
def test_disabling_is_202_and_keeps_the_volumes(api: APIClient, enabled: dict[str, Any], body: Any) -> None:
    shown = ok(api.post(DISABLE, body), 202)
    assert (shown["enabled"], shown["phase"], shown["hostname"]) == (False, "stopping", HOST)
    assert Stack.load().purge is False


def test_disabling_what_is_disabled_is_202_and_changes_nothing(api: APIClient) -> None:
    assert ok(api.post(DISABLE, {"purge": False}), 202) == NOTHING


@pytest.mark.parametrize(
    "confirm", [{}, {"confirm": ""}, {"confirm": "example.com"}, {"confirm": HOST + "x"}]
)
def test_a_purge_needs_the_hostname_once_more(
    api: APIClient, enabled: dict[str, Any], confirm: dict[str, str]
) -> None:
    told = wrong(api.post(DISABLE, {"purge": True, **confirm}))
    assert list(told) == ["confirm"] and HOST in told["confirm"][0]
    assert ok(api.get(STACK)) == enabled


def test_a_confirmed_purge_is_202(api: APIClient, enabled: dict[str, Any]) -> None:
    assert ok(api.post(DISABLE, {"purge": True, "confirm": HOST}), 202)["enabled"] is False
    assert Stack.load().purge is True


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"purge": None}, "purge"), ({"purge": "true"}, "purge"), ({"purge": 1}, "purge"), ({"purge": []}, "purge"),
        ({"confirm": 5}, "confirm"), ({"confirm": None}, "confirm"), ({"confirm": [HOST]}, "confirm"),
        ({"confirm": "x" * 256}, "confirm"), ({"surprise": 1}, "surprise"), ({"hostname": HOST}, "hostname"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_field(
    api: APIClient, enabled: dict[str, Any], body: Any, field: str
) -> None:
    assert list(wrong(api.post(DISABLE, body))) == [field]
    assert ok(api.get(STACK)) == enabled


# --- switches ----------------------------------------------------------------------------------------------
def test_each_switch_can_be_changed_alone(api: APIClient, relay: RelaySettings) -> None:
    before = ok(api.get(STACK))
    shown = ok(api.patch(STACK, {"warn_mailbox_owners": True}))
    assert shown == before | {"warn_mailbox_owners": True}
    shown = ok(api.patch(STACK, {"send_through_relay": True}))
    assert (shown["send_through_relay"], shown["warn_mailbox_owners"]) == (True, True)
    shown = ok(api.patch(STACK, {"own_mailbox": False}))
    assert (shown["own_mailbox"], shown["send_through_relay"]) == (False, True)
    assert ok(api.patch(STACK, {})) == shown


def test_without_a_relay_mail_cannot_leave_through_it(api: APIClient) -> None:
    error(api.patch(STACK, {"send_through_relay": True}), 409, "relay_not_configured")
    assert ok(api.patch(STACK, {"send_through_relay": False}))["send_through_relay"] is False


def test_a_switch_is_true_or_false(api: APIClient, subtests: pytest.Subtests) -> None:
    values: list[Any] = [None, "", "true", 1, 0, [], {}]
    for value in values:
        for name in ["send_through_relay", "warn_mailbox_owners", "own_mailbox"]:
            with subtests.test(ascii((value, name))[:80]):
                assert list(wrong(api.patch(STACK, {name: value}))) == [name]


def test_nothing_else_is_switched_here(api: APIClient, subtests: pytest.Subtests) -> None:
    for name in ["enabled", "hostname", "phase", "purge", "surprise"]:
        with subtests.test(ascii(name)[:80]):
            assert list(wrong(api.patch(STACK, {name: True}))) == [name]


def test_a_repair_that_interrupts_mail_is_asked_for(api: APIClient, enabled: dict[str, Any]) -> None:
    assert ok(api.post(REPAIR), 202) == enabled
    assert Stack.load().interruption_allowed is True


# --- logs and compose --------------------------------------------------------------------------------------
def test_logs_are_lines_of_text(api: APIClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def read(service: str, tail: int, _: object) -> str:
        asked.append((service, tail))
        return "one\nzwö\n"

    monkeypatch.setattr(logs, "read", read)
    for query in ("", "?service=postfix", "?tail=5000", "?service=rspamd&tail=1"):
        response = api.get(LOGS + query)
        assert (response.status_code, response["Content-Type"]) == (200, "text/plain; charset=utf-8")
        assert response.content.decode() == "one\nzwö\n"
    assert asked == [("", 200), ("postfix", 200), ("", 5000), ("rspamd", 1)]


def test_there_are_no_lines_while_there_are_no_containers(
    api: APIClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("", *logs.SERVICES):
        response = api.get(LOGS, {"service": service})
        assert (response.status_code, response.content) == (200, b"")
    monkeypatch.setattr(engine, "logs", lambda *_: (_ for _ in ()).throw(NotThere("gone")))
    assert api.get(LOGS).status_code == 200


def test_what_cannot_be_asked_for_is_400(
    api: APIClient, engine: FakeEngine, subtests: pytest.Subtests
) -> None:
    for name, value in [
        ("service", "exim"),
        ("service", "POSTFIX"),
        ("service", "postfix\x00"),
        ("service", "../postfix"),
        ("tail", "0"),
        ("tail", "-1"),
        ("tail", "5001"),
        ("tail", "abc"),
        ("tail", ""),
        ("tail", "1.5"),
        ("tail", "all"),
        ("tail", "9" * 5000),
        ("tail", "٣"),
        ("tail", "1_0"),
    ]:
        with subtests.test(ascii((name, value))[:80]):
            assert list(wrong(api.get(LOGS, {name: value}))) == [name]


def test_an_engine_that_does_not_answer_is_said_in_json(api: APIClient, engine: FakeEngine) -> None:
    engine.unreachable = True
    told = error(api.get(LOGS), 503, "docker_unreachable")
    assert "Docker" in told["message"]


def test_the_compose_file_is_yaml_without_secrets(api: APIClient, enabled: dict[str, Any]) -> None:
    response = api.get(COMPOSE)
    assert (response.status_code, response["Content-Type"]) == (200, "text/yaml; charset=utf-8")
    assert set(yaml.safe_load(response.content)["services"]) == {"postfix", "dovecot", "rspamd"}
    secret = Stack.load().controller_password
    assert (
        secret is not None
        and secret.reveal().encode() not in response.content
        and b"PRIVATE KEY" not in response.content
    )
    assert HOST.encode() in response.content


def test_there_is_a_compose_file_before_the_stack_has_a_name(api: APIClient) -> None:
    assert "services" in yaml.safe_load(api.get(COMPOSE).content)


@pytest.mark.slow
def test_a_text_is_a_text_whatever_is_accepted(
    api: APIClient, engine: FakeEngine, subtests: pytest.Subtests
) -> None:
    for accept in ["*/*", "application/json", "text/html", "image/png"]:
        for path in [LOGS, COMPOSE]:
            with subtests.test(ascii((accept, path))[:80]):
                response = api.get(path, headers={"accept": accept})
                assert response.status_code == 200 and response["Content-Type"].startswith("text/")
