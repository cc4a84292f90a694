"""The server's page: its state in words, the switches, the certificate, Rspamd's password, logs, compose."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from mailboxes.certificates import pem as certificates
from mailboxes.engine import connect
from mailboxes.models import Stack, error_value
from mailboxes.stack import logs
from mailrelay.models import RelaySettings
from quazzar.errors import EngineUnreachable
from quazzar.models import AuditEntry
from tests.mailboxes.certificates.pairs import pair
from tests.mailboxes.consolepages import HEALTHY, HTMX, TAB, html, revealed, running, told


@pytest.fixture
def console(client: Client, operator: User, rung: list[str]) -> Client:
    running(controller_password="fern-Otter-31-gravel")
    client.force_login(operator)
    return client


def head(console: Client) -> str:
    return html(console.get(f"{TAB}head/?section=list", headers=HTMX))


# --- the head


def test_a_healthy_server_says_so_with_all_three_containers(console: Client) -> None:
    page = head(console)
    for words in ("mail.example.com", "Healthy", "Postfix", "Dovecot", "Rspamd", "All changes are live"):
        assert words in page
    assert 'aria-current="page">Mailboxes' in page


@pytest.mark.parametrize(
    ("applied", "words"),
    [(7, "All changes are live"), (6, "Applying 1 change"), (3, "Applying 4 changes")],
)
def test_changes_on_their_way_are_counted(console: Client, applied: int, words: str) -> None:
    running(applied_generation=applied)
    assert words in head(console)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"health": "unhealthy"}, "Unhealthy"),
        ({"health": "starting"}, "Starting"),
        ({"status": "exited"}, "Stopped"),
        ({"status": "absent"}, "Missing"),
        ({"health": "new word"}, "Unknown"),
    ],
)
def test_what_a_container_does_is_said_in_words(console: Client, seen: dict[str, str], words: str) -> None:
    running(services=[{**HEALTHY[0], **seen}, *HEALTHY[1:]])
    assert words in head(console)


def test_the_last_error_stands_there_with_its_hint(console: Client) -> None:
    running(phase="degraded", last_error=error_value("not_healthy", "Rspamd is <ill>.", "Read its log."))
    page = console.get(f"{TAB}list/").content.decode()
    for words in ("Needs attention", "Rspamd is &lt;ill&gt;.", "not_healthy", "Read its log."):
        assert words in page


def test_what_interrupts_mail_waits_for_one_press(console: Client) -> None:
    running(pending=["The image of dovecot is another one."])
    page = head(console)
    assert "The image of dovecot is another one." in page
    assert "Apply now" in page
    assert "are being applied" in told(console.post(f"{TAB}interruption/", headers=HTMX))
    assert Stack.load().interruption_allowed
    assert "Apply now" not in head(console)


@pytest.mark.parametrize(
    ("hours", "words"), [(49, ""), (47, "47 h"), (30, "in 30 h"), (-2, "mail programs refuse it")]
)
def test_a_certificate_that_ends_is_warned_of(console: Client, hours: int, words: str) -> None:
    # Of six days, as Let's Encrypt gives them: a third is two days.
    end = timezone.now() + timedelta(hours=hours, minutes=5)
    certificate, key = pair("mail.example.com", end - timedelta(days=6), end)
    running(tls_certificate=certificate, tls_key=key, tls_expires_at=end, tls_source="uploaded")
    page = head(console)
    assert ("Replace the certificate" in page) is bool(words)
    assert words in page


def test_a_certificate_for_another_name_is_told_on_every_page(console: Client) -> None:
    end = timezone.now() + timedelta(days=80)
    certificate, key = pair("other.example.com", end - timedelta(days=90), end)
    running(tls_certificate=certificate, tls_key=key, tls_expires_at=end, tls_source="uploaded")
    assert "not valid for mail.example.com, but for other.example.com" in head(console)


def test_files_that_cannot_be_read_any_more_are_told(console: Client) -> None:
    running(tls_source="files", tls_problem="The file /etc/x.pem does not exist.")
    assert "The file /etc/x.pem does not exist." in head(console)


# --- switches


@pytest.mark.parametrize(("sent", "on"), [({"on": "on"}, True), ({}, False)])
def test_mail_leaves_through_the_relay_or_straight(
    console: Client, relay: RelaySettings, sent: dict[str, str], on: bool
) -> None:
    running(send_through_relay=not on)
    assert ("through the relay" in told(console.post(f"{TAB}relay/", sent, headers=HTMX))) is on
    assert Stack.load().send_through_relay is on


def test_without_a_relay_the_switch_is_refused_with_a_sentence(console: Client) -> None:
    assert "No relay is configured" in told(console.post(f"{TAB}relay/", {"on": "on"}, headers=HTMX))
    assert not Stack.load().send_through_relay
    assert "set it up" in html(console.get(f"{TAB}server/"))


def test_owners_are_warned_or_not(console: Client) -> None:
    console.post(f"{TAB}owners/", {"on": "on"}, headers=HTMX)
    assert Stack.load().warn_mailbox_owners


# --- Rspamd's password


def test_rspamds_password_is_shown_on_demand_and_noted(console: Client) -> None:
    assert "fern-Otter" not in html(console.get(f"{TAB}server/"))
    answer = console.post(f"{TAB}password/", headers=HTMX)
    assert "fern-Otter-31-gravel" in html(answer)
    assert "no-store" in answer["Cache-Control"]
    assert AuditEntry.objects.filter(action="stack.controller_password_shown").exists()


def test_a_new_one_takes_its_place(console: Client) -> None:
    page = html(console.post(f"{TAB}password/new/", headers=HTMX))
    password = revealed(Stack.load().controller_password)
    assert password != "fern-Otter-31-gravel"
    assert password in page


def test_an_unreadable_one_says_what_to_do(console: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quazzar.sealing.keyring.existing", lambda: None)
    assert "sealed with a key" in html(console.post(f"{TAB}password/", headers=HTMX))


# --- certificate


def pem(name: str, text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode())


def replace(console: Client, **values: Any) -> Any:
    return console.post(f"{TAB}certificate/", values, headers=HTMX)


def test_a_pair_is_uploaded(console: Client) -> None:
    certificate, key = certificates.self_signed("mail.example.com")
    answer = replace(console, source="uploaded", certificate=pem("c", certificate), key=pem("k", key))
    assert answer["HX-Refresh"] == "true"
    stack = Stack.load()
    assert (stack.tls_source, stack.tls_certificate, revealed(stack.tls_key)) == (
        "uploaded",
        certificate,
        key,
    )


def test_the_key_of_another_certificate_is_refused_beside_it(console: Client) -> None:
    certificate, _ = certificates.self_signed("mail.example.com")
    _, key = certificates.self_signed("mail.example.com")
    page = html(replace(console, source="uploaded", certificate=pem("c", certificate), key=pem("k", key)))
    assert page.count("q-invalid") == 1
    assert "PRIVATE KEY" not in page
    assert Stack.load().tls_source == "self_signed"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"source": "uploaded"}, "Choose a PEM file."),
        (
            {"source": "uploaded", "certificate": pem("c", "0\x82\x03\x00"), "key": pem("k", "k")},
            "openssl x509 -inform der",
        ),
        ({"source": "uploaded", "certificate": pem("c", "x" * 300_000), "key": pem("k", "k")}, "too large"),
        ({"source": "files"}, "Type its absolute path."),
        (
            {"source": "files", "certificate_path": "/no/such", "key_path": "/no/such"},
            "Files are only read from these directories",
        ),
        ({"source": "x"}, "Select a valid choice"),
    ],
)
def test_what_is_no_certificate_is_refused(console: Client, values: dict[str, Any], words: str) -> None:
    assert words in html(replace(console, **values))
    assert Stack.load().tls_source == "self_signed"


def test_files_of_this_machine_are_read(console: Client, tmp_path: Any) -> None:
    for name, text in zip(("c.pem", "k.pem"), certificates.self_signed("mail.example.com"), strict=True):
        (tmp_path / name).write_text(text)
    replace(console, source="files", certificate_path=f"{tmp_path}/c.pem", key_path=f"{tmp_path}/k.pem")
    assert Stack.load().tls_certificate_path == f"{tmp_path}/c.pem"
    assert f"{tmp_path}/c.pem" in html(console.get(f"{TAB}server/"))


def test_a_certificate_for_another_name_is_taken_with_a_warning(console: Client) -> None:
    certificate, key = certificates.self_signed("mx.example.org")
    replace(console, source="uploaded", certificate=pem("c", certificate), key=pem("k", key))
    assert "mx.example.org" in html(console.get(f"{TAB}server/"))


def test_going_back_to_self_signed_makes_a_new_one(console: Client) -> None:
    running(tls_source="uploaded")
    replace(console, source="self_signed")
    assert "BEGIN CERTIFICATE" in Stack.load().tls_certificate


# --- logs and compose


class Engine:
    """Stands in for the Docker Engine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Nothing is open."""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services whose log was asked for; each says one line."""
    asked: list[str] = []

    def say(service: str, tail: int, engine: object) -> str:
        asked.append(service)
        return f"{service} <said>\n"

    monkeypatch.setattr(connect, "to_docker", Engine)
    monkeypatch.setattr(logs, "read", say)
    return asked


@pytest.mark.parametrize(("service", "asked"), [("postfix", "postfix"), ("", ""), ("../etc", "")])
def test_the_log_of_one_container_or_of_all_is_shown_escaped(
    console: Client, read: list[str], service: str, asked: str
) -> None:
    page = console.get(f"{TAB}logs/?service={service}", headers=HTMX).content.decode()
    assert read == [asked]
    assert "&lt;said&gt;" in page


def test_the_log_can_be_searched(console: Client, read: list[str]) -> None:
    for query, shown in (
        ("q=SAID", "&lt;said&gt;"),
        ("q=else", "No line matches."),
        ("problems=on", "No line matches."),
    ):
        assert shown in console.get(f"{TAB}logs/?{query}", headers=HTMX).content.decode()


def test_docker_that_does_not_answer_is_said_in_place_of_the_log(
    console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> str:
        raise EngineUnreachable

    monkeypatch.setattr(connect, "to_docker", Engine)
    monkeypatch.setattr(logs, "read", refuse)
    assert "The Docker Engine does not answer." in html(console.get(f"{TAB}logs/", headers=HTMX))


def test_the_stack_can_be_had_as_a_compose_file(console: Client) -> None:
    answer = console.get(f"{TAB}compose/")
    assert answer["Content-Disposition"] == 'attachment; filename="docker-compose.yml"'
    assert b"services:" in answer.content
    assert b"fern-Otter" not in answer.content
