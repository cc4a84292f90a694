"""What people see of images and upgrades, and how they ask for them: console, API and command line."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from mailboxes.models import ImageUpgrade, Stack, StackImage, error_value
from mailboxes.upgrades import steps
from tests.mailboxes.consolepages import HTMX, TAB, html, told
from tests.mailboxes.stackengine import IMAGES, StackEngine

API = "/api/mail/stack/images"
NEW = "sha256:new"


@pytest.fixture
def newer(up: StackEngine) -> StackEngine:
    """A healthy stack, and a newer Rspamd on the Docker host."""
    up.images[IMAGES[2]] = NEW
    return up


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


# --- the API -----------------------------------------------------------------------------------------------
def test_the_api_shows_what_runs_and_after_a_look_what_is_newer(newer: StackEngine, api: APIClient) -> None:
    before = api.get(API).json()
    assert [(each["service"], each["newer"], each["looked_at"]) for each in before["images"]] == [
        ("dovecot", None, None), ("postfix", None, None), ("rspamd", None, None)
    ]  # fmt: skip
    assert before["upgrade"] is None
    found = {each["service"]: each for each in api.post(f"{API}/look").json()["images"]}
    assert found["rspamd"]["newer"] == {
        "ref": IMAGES[2], "id": NEW, "digest": "", "version": "4.1.5", "where": "docker"
    }  # fmt: skip
    assert found["dovecot"]["newer"] is None and "cannot be fetched" in found["dovecot"]["problem"]
    assert newer.boxes["qz-rspamd"].image_id != NEW


def test_a_registry_that_has_another_image_is_told_and_nothing_is_fetched(
    up: StackEngine, api: APIClient, settings: Any
) -> None:
    StackImage.objects.filter(service="rspamd").update(digest="rspamd/rspamd@sha256:1")
    up.known_digests[up.boxes["qz-rspamd"].image_id] = ["rspamd/rspamd@sha256:1"]
    up.published = {IMAGES[2]: "sha256:2"}
    settings.QUAZZAR_IMAGE_DOVECOT = "dovecot/dovecot:9"
    found = {each["service"]: each for each in api.post(f"{API}/look").json()["images"]}
    assert (found["rspamd"]["newer"]["where"], found["rspamd"]["newer"]["digest"]) == ("registry", "sha256:2")
    assert (found["dovecot"]["newer"]["where"], found["dovecot"]["newer"]["ref"]) == (
        "setting",
        "dovecot/dovecot:9",
    )
    assert up.called("pull") == 0


def test_the_api_starts_an_upgrade_once(newer: StackEngine, api: APIClient) -> None:
    answer = api.post(f"{API}/upgrade")
    assert answer.status_code == 202 and answer.json()["upgrade"]["state"] == "fetching"
    again = api.post(f"{API}/upgrade")
    assert (again.status_code, again.json()["error"]) == (409, "upgrade_running")
    steps.carry_on()
    assert api.get(API).json()["upgrade"]["state"] == "done"


@pytest.mark.parametrize("columns", [{"enabled": False, "phase": "disabled"}, {"phase": "failed"}])
def test_a_server_that_does_not_run_is_not_upgraded(
    newer: StackEngine, api: APIClient, columns: dict[str, Any]
) -> None:
    Stack.objects.update(**columns)
    answer = api.post(f"{API}/upgrade")
    assert (answer.status_code, answer.json()["error"]) == (409, "stack_not_running")
    assert not ImageUpgrade.objects.exists()


# --- the console -------------------------------------------------------------------------------------------
def test_the_page_says_what_is_newer_and_upgrades_it(newer: StackEngine, console: Client) -> None:
    page = html(console.get(f"{TAB}server/"))
    assert "Not looked for a newer image yet." in page
    console.post(f"{TAB}images/look/", headers=HTMX)
    sentence = f"Newer: {IMAGES[2]} (version 4.1.5), on the Docker host under the same name."
    assert sentence in html(console.get(f"{TAB}server/"))
    assert "Upgrade now" in html(console.get(f"{TAB}images/upgrade/", headers=HTMX))
    console.post(f"{TAB}images/upgrade/", headers=HTMX)
    page = html(console.get(f"{TAB}server/"))
    assert "Upgrading mail.example.com" in page and "Mail flows as usual" in page
    refused = console.post(f"{TAB}images/upgrade/", headers=HTMX)
    assert "being upgraded already" in told(refused)
    steps.carry_on()
    over = console.get(f"{TAB}images/progress/", headers=HTMX)
    assert over["HX-Redirect"] == f"{TAB}server/"
    page = html(console.get(f"{TAB}server/"))
    assert "Last upgrade:" in page and "Passed: Sign-in by IMAP works." in page


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("saving", "Mail waits"),
        ("proving", "Prove that mail works"),
        ("returning", "Rolling back the upgrade"),
    ],
)
def test_each_step_is_shown_while_it_lasts(up: StackEngine, console: Client, state: str, words: str) -> None:
    failed = "proving" if state == "returning" else ""
    error = error_value("proof_failed", "It does not <sign>.", "Ask.") if failed else None
    proofs = [{"id": "login", "ok": True, "message": "Sign-in by IMAP works."}]
    ImageUpgrade.objects.create(state=state, failed_at=failed, error=error, proofs=proofs)
    page = console.get(f"{TAB}images/progress/", headers=HTMX).content.decode()
    assert words in page and "Passed: Sign-in by IMAP works." in page
    assert ("It does not &lt;sign&gt;." in page) is bool(failed)


# --- the command line --------------------------------------------------------------------------------------
def test_the_command_looks(newer: StackEngine) -> None:
    printed = io.StringIO()
    call_command("upgrade_images", "--look", stdout=printed)
    assert f"rspamd: {IMAGES[2]} runs. Newer: {IMAGES[2]}" in printed.getvalue()


def test_the_command_says_why_it_does_not_start(newer: StackEngine) -> None:
    ImageUpgrade.objects.create()
    with pytest.raises(CommandError, match="being upgraded already"):
        call_command("upgrade_images")
