"""Import and export in the tab."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from mailboxes.models import ImportJob, Mailbox, error_value
from tests.mailboxes import factories
from tests.mailboxes.consolepages import HTMX, TAB, html, running

ROWS = (
    "address,password,quota_mb,display_name\n"
    "ada@example.com,plum-Tundra-77-kettle,100,Ada\n"
    "ben@example.com,,0,Ben\n"
)


@pytest.fixture
def console(client: Client, operator: User, rung: list[str]) -> Client:
    running()
    factories.domain()
    client.force_login(operator)
    return client


def send(console: Client, verb: str, text: str | None = ROWS, **more: Any) -> Any:
    file = {} if text is None else {"file": SimpleUploadedFile("m.csv", text.encode())}
    return console.post(f"{TAB}import/{verb}/", file, **more)


def test_only_checking_counts_and_writes_nothing(console: Client) -> None:
    page = html(send(console, "check", headers=HTMX))
    assert "2 mailboxes would be added" in page
    assert not ImportJob.objects.exists()
    assert not Mailbox.objects.exists()


def test_importing_starts_a_job(console: Client) -> None:
    answer = send(console, "start", headers=HTMX)
    assert "Import of 2 mailboxes started." in html(answer)
    assert answer["HX-Trigger"] == "console-changed"
    assert ImportJob.objects.get().total == 2


@pytest.mark.parametrize("verb", ["check", "start"])
def test_each_wrong_line_is_named(console: Client, verb: str) -> None:
    page = html(send(console, verb, f"{ROWS}no-address,x,0,\ncat@elsewhere.example,,0,\n", headers=HTMX))
    assert "Nothing was imported" in page
    assert "line 4" in page
    assert "line 5" in page
    assert not ImportJob.objects.exists()


@pytest.mark.slow
def test_no_password_of_the_file_is_shown_back(console: Client) -> None:
    for verb in ("check", "start"):
        assert "plum-Tundra" not in html(send(console, verb))
        assert "plum-Tundra" not in html(send(console, verb, ROWS.replace("100", "much")))


def test_a_missing_file_is_asked_for(console: Client) -> None:
    assert "Choose a CSV file." in html(send(console, "start", None, headers=HTMX))


def test_without_scripts_the_result_is_a_page(console: Client) -> None:
    page = html(send(console, "check"))
    assert "<html" in page
    assert "2 mailboxes would be added" in page


def test_a_page_that_was_just_opened_has_no_result(console: Client) -> None:
    page = html(console.get(f"{TAB}import/"))
    assert "would be added" not in page
    assert "Nothing was imported" not in page


def test_a_running_import_is_followed(console: Client) -> None:
    ImportJob.objects.create(total=200, done=50)
    page = html(console.get(f"{TAB}import/jobs/", headers=HTMX))
    assert 'aria-valuenow="25"' in page
    assert "data-waiting" in page


def test_an_import_that_failed_says_why(console: Client) -> None:
    ImportJob.objects.create(
        total=2, state="failed", last_error=error_value("already_exists", "ada@x is taken.", "Hm.")
    )
    page = html(console.get(f"{TAB}import/"))
    assert "ada@x is taken. Hm." in page
    assert '<li class="m-job" data-waiting' not in page


def test_the_export_has_every_mailbox_and_no_secret(console: Client) -> None:
    factories.mailbox(password_hash="{ARGON2ID}x", display_name="Ada")
    answer: Any = console.get(f"{TAB}export/")
    text = b"".join(answer.streaming_content).decode()
    assert "ada@example.com" in text
    assert "ARGON2ID" not in text
    assert answer["Content-Disposition"].startswith("attachment")
