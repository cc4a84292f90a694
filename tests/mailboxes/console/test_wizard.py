"""The way to a mail server: preflight, enable, progress, failure, and back."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import pytest
from django.contrib.auth.models import User
from django.test import Client

from mailboxes.console import wizard
from mailboxes.engine import connect
from mailboxes.models import Mailbox, Stack, error_value
from mailboxes.stack.preflight import runner
from mailboxes.stack.preflight.runner import Check, Report
from mailrelay.models import RelaySettings
from tests.mailboxes import factories
from tests.mailboxes.consolepages import HTMX, TAB, html, running

BLOCKED = Check("outbound_25", False, "warning", "Port 25 outward is blocked.", "Send through the relay.")
TAKEN = Check("port_25", False, "error", "Port 25 is taken by master (process 812).", "Stop that Postfix.")
FREE = tuple(Check(f"port_{port}", True, "error", f"Port {port} is free.") for port in (587, 465, 993))


@pytest.fixture
def console(client: Client, operator: User, rung: list[str]) -> Client:
    client.force_login(operator)
    return client


class NoEngine:
    """Replaces the Docker Engine and what is checked on it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Nothing is open."""


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """``finds(check, …)``: what the machine looks like; the answer fills with the names that were asked for."""
    monkeypatch.setattr(connect, "to_docker", NoEngine)

    def put(*checks: Check) -> list[str]:
        asked: list[str] = []

        def run(hostname: str, engine: object, *, inside: bool) -> Report:
            asked.append(hostname)
            return Report(all(each.ok or each.severity == "warning" for each in checks), checks)

        monkeypatch.setattr(runner, "run", run)
        return asked

    return put


def check(console: Client, hostname: str = "mail.example.com", **more: Any) -> str:
    return html(console.post(f"{TAB}preflight/", {"hostname": hostname}, **more))


def enable_button(page: str) -> str:
    return page[page.index('id="enable"') :].split(">", maxsplit=1)[0]


# --- off


def test_a_fresh_node_is_asked_for_a_hostname(console: Client) -> None:
    page = html(console.get(TAB, follow=True))
    assert "A mail server on this node" in page
    assert "Check this machine" in page
    assert 'id="enable"' not in page


def test_what_is_right_lets_the_server_be_enabled(console: Client, finds: Callable[..., list[str]]) -> None:
    asked = finds(*FREE)
    page = check(console, " mail.example.com ", headers=HTMX)
    assert asked == ["mail.example.com"]
    assert "587, 465 and 993 are free." in page
    assert "disabled" not in enable_button(page)
    assert "<html" not in page


def test_an_error_stands_first_with_its_hint_and_keeps_the_button_shut(
    console: Client, finds: Callable[..., list[str]]
) -> None:
    finds(*FREE, BLOCKED, TAKEN)
    page = check(console)
    assert page.index("process 812") < page.index("Stop that Postfix.") < page.index("outward is blocked")
    assert "disabled" in enable_button(page)


def test_a_warning_does_not_stand_in_the_way(console: Client, finds: Callable[..., list[str]]) -> None:
    finds(*FREE, BLOCKED)
    assert "disabled" not in enable_button(check(console))


def test_a_blocked_port_25_offers_the_relay_in_one_click(
    console: Client, finds: Callable[..., list[str]], relay: RelaySettings
) -> None:
    finds(BLOCKED)
    assert "Send through the relay</button>" in check(console)
    assert console.post(f"{TAB}relay/", {"on": "on"}, headers=HTMX).status_code == 204
    assert Stack.load().send_through_relay
    assert "mail will leave through the relay (relay.example)" in check(console)


def test_a_blocked_port_25_without_a_relay_leads_to_its_settings(
    console: Client, finds: Callable[..., list[str]]
) -> None:
    finds(BLOCKED)
    assert "Set up the relay, to send through it" in check(console)


def test_no_hostname_is_said_before_anything_is_looked_at(
    console: Client, finds: Callable[..., list[str]]
) -> None:
    asked = finds()
    assert "Enter the name of your mail server" in check(console, " ")
    assert not asked


def test_enabling_starts_the_progress(
    console: Client, rung: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = console.post(f"{TAB}enable/", {"hostname": "mail.example.com"})
    assert answer["Location"] == f"{TAB}server/"
    assert (Stack.load().enabled, rung) == (True, ["stack"])
    assert "Starting mail.example.com" in html(console.get(f"{TAB}server/"))


def test_a_hostname_that_is_none_is_refused_and_stays_in_the_field(console: Client) -> None:
    page = html(console.post(f"{TAB}enable/", {"hostname": "mail_server"}))
    assert 'value="mail_server"' in page
    assert "q-invalid" in page
    assert not Stack.load().enabled


def test_another_hostname_while_it_runs_is_refused(console: Client) -> None:
    running()
    page = html(console.post(f"{TAB}enable/", {"hostname": "mx.example.org"}))
    assert "Disable it first" in page
    assert Stack.load().hostname == "mail.example.com"


@pytest.mark.slow
def test_mailboxes_that_were_kept_are_counted(console: Client) -> None:
    factories.mailbox(usage_bytes=139 * 1024)
    factories.stack(hostname="mail.example.com")
    page = html(console.get(f"{TAB}server/"))
    assert "1 mailbox is kept with 139 KiB of mail" in page
    Mailbox.objects.update(usage_bytes=0)  # as after "Remove everything"
    assert "The list of 1 mailbox is kept." in html(console.get(f"{TAB}server/"))
    assert 'value="mail.example.com"' in page


# --- on its way


def progress(console: Client, query: str = "") -> Any:
    return console.get(f"{TAB}progress/{query}", headers=HTMX)


def test_the_progress_says_the_step_and_the_percent(console: Client) -> None:
    running(phase="pulling", step=2, percent=37, progress_message="Fetching dovecot")
    page = html(progress(console))
    assert "Fetching dovecot" in page
    assert page.count('data-state="ok"') == 1
    assert 'aria-valuenow="37"' in page


@pytest.mark.parametrize(
    ("seen", "shown"), [("12", 37), ("61", 61), ("999", 100), ("", 37), ("x", 37), ("²", 37)]
)
def test_the_percent_never_falls(console: Client, seen: str, shown: int) -> None:
    running(phase="pulling", step=2, percent=37)
    assert f'aria-valuenow="{shown}"' in html(progress(console, f"?percent={seen}"))


def test_what_has_not_changed_is_not_sent_again(console: Client) -> None:
    running(phase="pulling", step=2, percent=37)
    page = html(progress(console))
    digest = page.split('name="seen" value="')[1].split('"')[0]
    assert progress(console, f"?seen={digest}").status_code == 204
    Stack.objects.update(percent=38)
    assert progress(console, f"?seen={digest}").status_code == 200


@pytest.mark.parametrize("phase", ["healthy", "degraded"])
def test_a_server_that_is_up_leads_to_the_tab(console: Client, phase: str) -> None:
    running(phase=phase)
    assert progress(console)["HX-Redirect"] == TAB
    assert console.get(TAB)["Location"] == f"{TAB}list/"


def test_a_failure_says_code_sentence_and_hint(console: Client) -> None:
    running(
        phase="failed",
        step=4,
        percent=72,
        last_error=error_value("port_taken", "Port 25 is <taken>.", "Stop it."),
    )
    page = console.get(f"{TAB}server/").content.decode()
    for words in ("port_taken", "Port 25 is &lt;taken&gt;.", "Stop it.", "Try again", 'data-state="failed"'):
        assert words in page


def test_trying_again_rings_the_worker(
    console: Client, rung: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    running(phase="failed")
    with django_capture_on_commit_callbacks(execute=True):
        console.post(f"{TAB}retry/")
    assert (rung, Stack.load().phase) == (["stack"], "preflight")


# --- back


def test_disabling_keeps_the_volumes(console: Client) -> None:
    running()
    answer = console.post(f"{TAB}disable/", {"purge": "", "confirm": ""}, headers=HTMX)
    assert answer["HX-Refresh"] == "true"
    stack = Stack.load()
    assert (stack.enabled, stack.purge, stack.phase) == (False, False, "stopping")
    assert "Stopping mail.example.com" in html(console.get(f"{TAB}server/"))


def test_purging_asks_for_the_hostname(console: Client) -> None:
    running()
    page = html(console.post(f"{TAB}disable/", {"purge": "on", "confirm": "example.com"}, headers=HTMX))
    assert "repeat its hostname" in page
    assert Stack.load().enabled
    console.post(f"{TAB}disable/", {"purge": "on", "confirm": "mail.example.com"}, headers=HTMX)
    assert (Stack.load().enabled, Stack.load().purge) == (False, True)


def test_asking_whether_to_disable_changes_nothing(console: Client) -> None:
    running()
    assert "Remove everything" in html(console.get(f"{TAB}disable/", headers=HTMX))
    assert Stack.load().enabled


def test_what_nobody_looked_at_is_not_ticked() -> None:
    untried = Check("outbound_25", True, "warning", "Outgoing port 25 was not tried.", tried=False)
    (row,) = wizard.rows(Report(True, (untried,)))
    assert row.state == "not tried"


def test_ports_are_named_as_they_are_published(settings: Any) -> None:
    settings.QUAZZAR_STACK_PORT_OFFSET = 24_000
    free = [
        Check(f"port_{number}", True, "error", f"Port {number + 24_000} is free.") for number in (25, 587)
    ]
    (row,) = wizard.rows(Report(True, tuple(free)))
    assert row.message == "24025 and 24587 are free."


def test_a_check_without_a_title_of_its_own_is_shown_too() -> None:
    (row,) = wizard.rows(Report(True, (Check("another_check", True, "warning", "Fine."),)))
    assert row.title == "Another check"
