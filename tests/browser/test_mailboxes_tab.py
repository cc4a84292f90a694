"""The Mailboxes tab in a real browser. No container runs: what the worker would write is written by the tests."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Locator, Page, Route, expect

from tests.browser.chromium import PHONE, Chromium
from tests.live.console import Console
from tests.live.puppets import Puppet

pytestmark = pytest.mark.real

TAB = "/admin/mail-relay/mailboxes/"
SETUP = "from django.utils.timezone import now\nfrom mailboxes.models import *\n"
EMPTY = "for each in (Mailbox, Alias, Domain, ImportJob, Stack): each.objects.all().delete()\n"
UP = """Stack.objects.update_or_create(pk=1, defaults=dict(enabled=True, phase="healthy", percent=100,
    hostname="mail.example.com", own_mailbox=False, desired_generation=0, applied_generation=0, last_error=None,
    services=[dict(name=name, image=name, status="running", health="healthy", ports=[])
              for name in ("postfix", "dovecot", "rspamd")]))
"""
PEOPLE = """domain = Domain.objects.create(name="example.com", applied_at=now())
for number in range(60):
    name = f"m{number:02d}"
    Mailbox.objects.create(domain=domain, local_part=name, address=f"{name}@example.com", home=f"example.com/{name}",
        display_name="Ada Lovelace" if number == 7 else "", password_hash="x", quota_mb=100, usage_bytes=number << 21,
        applied_at=now(), live_at=now())
Alias.objects.create(domain=domain, local_part="info", address="info@example.com", destinations=["m01@example.com"])
"""

Rows = Callable[[str], None]


@pytest.fixture(scope="module")
def rows(node: Console, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rows]:
    """``rows(code)`` runs it against the node's database.

    The worker does nothing during that: we are the only writer.
    """
    said = tmp_path_factory.mktemp("rows") / "said"
    with (node.data / "stack.lock").open("w") as lock, Puppet(node, said, "exec") as puppet:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def run(code: str) -> None:
            puppet.do(SETUP + code)

        yield run
        run(EMPTY)


@pytest.fixture
def off(rows: Rows) -> None:
    """There is no mail server."""
    rows(EMPTY)


@pytest.fixture
def up(rows: Rows) -> None:
    """There is one, with sixty mailboxes."""
    rows(EMPTY + UP + PEOPLE)


def mark(page: Page, address: str) -> Locator:
    """The badge in an address's row."""
    return page.locator(".m-row", has_text=address).locator(".q-badge")


# --- the wizard and the progress


def test_the_wizard_checks_the_machine_and_says_what_it_found(chromium: Chromium, off: None) -> None:
    page = chromium.page(TAB)
    page.get_by_label("Hostname").fill("mail.example.invalid")
    page.get_by_label("Hostname").press("Enter")
    report = page.get_by_role("region", name="Preflight of mail.example.invalid")
    expect(report).to_be_visible()
    for check in ("docker", "disk", "memory", "hostname", "outbound_25", "image_postfix"):
        expect(report.locator(f"[data-check={check}]")).to_have_attribute(
            "data-state", re.compile("^(ok|warning|error|not tried)$")
        )
    expect(report.locator("[data-check=hostname]")).to_contain_text("mail.example.invalid")
    enable = page.get_by_role("button", name="Enable the mail server")
    assert enable.is_enabled() is (report.get_attribute("data-ok") == "true")


def test_only_the_name_that_was_checked_can_be_enabled(chromium: Chromium, off: None) -> None:
    page = chromium.page(TAB)
    page.get_by_label("Hostname").fill("mail.example.invalid")
    page.get_by_role("button", name="Check this machine").click()
    enable = page.get_by_role("button", name="Enable the mail server")
    expect(enable).to_be_visible()
    page.get_by_label("Hostname").fill("another.example.invalid")
    expect(enable).to_be_disabled()
    expect(page.get_by_role("button", name="Check again")).to_be_visible()


def test_the_progress_moves_by_itself_and_ends_at_the_server(chromium: Chromium, rows: Rows) -> None:
    pulling = 'Stack.objects.update(phase="pulling", step=2, percent={}, progress_message="Fetching {}")\n'
    rows(EMPTY + UP + pulling.format(20, "postfix"))
    page = chromium.page(TAB)
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "20")
    rows(pulling.format(45, "dovecot"))
    expect(bar).to_have_attribute("aria-valuenow", "45")
    expect(page.get_by_text("Fetching dovecot…")).to_be_visible()
    rows(pulling.format(30, "rspamd"))
    expect(page.get_by_text("Fetching rspamd…")).to_be_visible()
    expect(bar).to_have_attribute("aria-valuenow", "45")
    rows('Stack.objects.update(phase="healthy")')
    page.wait_for_url(f"**{TAB}list/")
    expect(page.get_by_text("All changes are live")).to_be_visible()


def test_a_failure_can_be_tried_again_or_given_up(chromium: Chromium, rows: Rows) -> None:
    error = '{"code": "port_taken", "message": "Port 25 is taken by master.", "hint": "Stop that Postfix."}'
    rows(EMPTY + UP + f'Stack.objects.update(phase="failed", step=4, percent=72, last_error={error})')
    page = chromium.page(TAB)
    for words in ("Port 25 is taken by master.", "Stop that Postfix.", "port_taken"):
        expect(page.get_by_text(words).first).to_be_visible()
    expect(page.get_by_role("link", name="Give up or change the hostname…")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Port 25 is taken by master.")).to_have_count(0)
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_role("dialog").get_by_text("Remove everything").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove the server and all mail").click()
    expect(page.get_by_role("dialog")).to_contain_text("repeat its hostname")
    page.get_by_role("dialog").get_by_text("Keep the mail").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_role("heading", name="Stopping mail.example.com")).to_be_visible()


# --- mailboxes


def test_a_first_domain_and_a_first_mailbox(chromium: Chromium, rows: Rows) -> None:
    rows(EMPTY + UP)
    page = chromium.page(TAB)
    page.get_by_role("link", name="Add domain").click()
    page.get_by_role("dialog").get_by_label("Domain").fill("example.org")
    page.get_by_role("dialog").get_by_role("button", name="Add domain").click()
    expect(page.get_by_role("status").get_by_text("example.org is added.")).to_be_visible()
    page.get_by_role("link", name="Add mailbox").last.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Address").fill("anna")
    dialog.get_by_role("button", name="Generate").click()
    expect(dialog.get_by_label("Password", exact=True)).to_have_value(re.compile(r".{15,}"))
    password = dialog.get_by_label("Password", exact=True).input_value()
    dialog.get_by_role("button", name="Add mailbox").click()
    expect(dialog.get_by_role("heading", name="anna@example.org is added")).to_be_visible()
    expect(dialog.locator("#new-password")).to_have_text(password)
    expect(dialog.locator(".m-qr svg")).to_be_visible()
    expect(dialog.get_by_text("On its way")).to_be_visible()
    rows("Mailbox.objects.update(applied_at=now())")
    expect(dialog.get_by_text("It can sign in now.")).to_be_visible()
    dialog.get_by_role("link", name="Done").click()
    expect(page.locator("#modal-body")).to_be_empty()
    assert password not in page.content()
    expect(mark(page, "anna@example.org")).to_have_text("Live")


def test_what_was_typed_stays_when_something_is_wrong(chromium: Chromium, up: None) -> None:
    page = chromium.page(TAB)
    page.get_by_role("link", name="Add mailbox").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Address").fill("m01")
    dialog.get_by_label("Display name").fill("Another")
    dialog.get_by_label("Password", exact=True).fill("plum-Tundra-77-kettle")
    dialog.get_by_role("button", name="Add mailbox").click()
    expect(dialog.get_by_text("The mailbox m01@example.com already exists.")).to_be_visible()
    expect(dialog.get_by_label("Address")).to_be_focused()
    expect(dialog.get_by_label("Display name")).to_have_value("Another")
    # The server does not send it back; the browser kept its field.
    expect(dialog.get_by_label("Password", exact=True)).to_have_value("plum-Tundra-77-kettle")
    dialog.get_by_label("Address").fill("another")
    dialog.get_by_role("button", name="Add mailbox").click()
    expect(dialog.get_by_role("heading", name="another@example.com is added")).to_be_visible()


def test_a_dialog_that_was_closed_keeps_no_password_for_the_next(chromium: Chromium, up: None) -> None:
    page = chromium.page(TAB)
    page.get_by_role("link", name="Add mailbox").click()
    page.get_by_label("Password", exact=True).fill("plum-Tundra-77-kettle")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Edit m01@example.com").click()
    expect(page.get_by_label("New password", exact=True)).to_have_value("")


def test_hints_follow_what_is_typed(chromium: Chromium, up: None) -> None:
    page = chromium.page(TAB)
    page.get_by_role("link", name="Add mailbox").click()
    length = page.locator("[data-rule=length]")
    page.get_by_label("Password", exact=True).fill("short")
    expect(length).to_have_attribute("data-met", "false")
    page.get_by_label("Password", exact=True).fill("long-enough-now")
    expect(length).to_have_attribute("data-met", "true")


def test_the_search_narrows_while_it_is_typed(chromium: Chromium, up: None) -> None:
    page = chromium.page(TAB)
    expect(page.locator(".m-row")).to_have_count(25)
    page.get_by_role("searchbox").press_sequentially("lovelace")
    expect(page.locator(".m-row")).to_have_count(1)
    expect(page.locator(".m-row")).to_contain_text("m07@example.com")
    assert page.url.endswith("?q=lovelace&state=")
    page.reload()
    expect(page.locator(".m-row")).to_have_count(1)


def test_pages_are_turned_without_loading_the_page(chromium: Chromium, up: None) -> None:
    page = chromium.page(TAB)
    page.get_by_role("link", name="Page 3").click()
    expect(page.locator(".m-row")).to_have_count(10)
    expect(page.get_by_text("51–60 of 60 mailboxes")).to_be_visible()
    page.get_by_role("combobox", name="State").select_option("80 % full or more")
    expect(page.locator(".m-row").first).to_contain_text("m40@example.com")
    expect(page.get_by_text("1–20 of 20").or_(page.get_by_text("20 mailboxes found"))).to_be_visible()


def test_the_live_mark_turns_by_itself(chromium: Chromium, up: None, rows: Rows) -> None:
    page = chromium.page(TAB)
    page.get_by_role("switch", name="m03@example.com may sign in").click()
    expect(page.get_by_role("status").get_by_text("m03@example.com can no longer sign in")).to_be_visible()
    expect(mark(page, "m03@example.com")).to_have_text("On its way")
    expect(page.get_by_text("Applying 1 change")).to_be_visible()
    rows("Mailbox.objects.update(applied_at=now()); Stack.objects.update(applied_generation=1)")
    expect(mark(page, "m03@example.com")).to_have_text("Disabled")
    expect(page.get_by_text("All changes are live")).to_be_visible()


def test_a_mailbox_is_deleted_after_a_question_and_restored(chromium: Chromium, up: None) -> None:
    page = chromium.page(TAB)
    page.get_by_role("link", name="Delete m05@example.com").click()
    expect(page.get_by_role("dialog")).to_contain_text("You can restore it")
    page.get_by_role("dialog").get_by_role("link", name="Cancel").click()
    expect(page.get_by_text("m05@example.com", exact=True)).to_be_visible()
    page.get_by_role("link", name="Delete m05@example.com").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete mailbox").click()
    expect(page.get_by_text("m05@example.com", exact=True)).to_be_hidden()
    page.get_by_role("link", name="Deleted 1").click()
    page.get_by_role("button", name="Restore m05@example.com").click()
    expect(page.get_by_text("Nothing deleted")).to_be_visible()
    expect(page.get_by_role("link", name="Mailboxes 60")).to_be_visible()


def test_a_change_is_shown_although_the_list_was_being_refreshed(chromium: Chromium, up: None) -> None:
    page = chromium.page(TAB)
    held: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    page.route(re.compile(r"/list/\?"), hold)
    with page.expect_request(re.compile(r"/list/\?")):
        page.evaluate("htmx.trigger('#list', 'poll')")
    page.get_by_role("link", name="Delete m05@example.com").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete mailbox").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    old, answer = held[0]
    old.fulfill(response=answer)
    expect(page.get_by_role("link", name="Delete m04@example.com")).to_be_visible()
    expect(page.get_by_role("link", name="Delete m05@example.com")).to_be_hidden()


def test_selected_mailboxes_stay_selected_while_the_list_refreshes_and_are_disabled(
    chromium: Chromium, up: None, rows: Rows
) -> None:
    page = chromium.page(TAB)
    expect(page.get_by_role("button", name="Disable")).to_be_hidden()
    page.get_by_label("Select m01@example.com").check()
    page.get_by_label("Select m03@example.com").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    # A change of another row makes the list fetch itself again.
    page.get_by_role("switch", name="m05@example.com may sign in").click()
    expect(mark(page, "m05@example.com")).to_have_text("On its way")
    expect(page.get_by_label("Select m01@example.com")).to_be_checked()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Disable").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Disable 2 mailboxes?")).to_be_visible()
    expect(dialog.get_by_role("listitem")).to_have_text(["m01@example.com", "m03@example.com"])
    dialog.get_by_role("button", name="Disable 2 mailboxes").click()
    expect(page.get_by_role("status").get_by_text("2 mailboxes can no longer sign in")).to_be_visible()
    expect(page.get_by_role("switch", name="m03@example.com may sign in")).not_to_be_checked()
    expect(page.get_by_label("Select m01@example.com")).not_to_be_checked()


def test_all_that_match_are_selected_and_deleted_by_keyboard_alone(chromium: Chromium, up: None) -> None:
    page = chromium.page(f"{TAB}list/?q=m")
    page.get_by_label("Select all on this page").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("25 selected")).to_be_visible()
    page.get_by_label("All 60 mailboxes that match").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("All selected")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Delete 60 mailboxes?")).to_be_visible()
    # The safe answer has the focus.
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").get_by_text("60 mailboxes are deleted.")).to_be_visible()
    expect(page.get_by_role("link", name="Deleted 60")).to_be_visible()


def test_on_another_page_nothing_is_selected(chromium: Chromium, up: None) -> None:
    page = chromium.page(TAB)
    page.get_by_label("Select all on this page").check()
    page.get_by_label("All 60 mailboxes").check()
    page.get_by_role("link", name="Page 2").click()
    expect(page.get_by_label("Select m25@example.com")).not_to_be_checked()
    page.get_by_label("Select m25@example.com").check()
    expect(page.get_by_text("1 selected")).to_be_visible()
    expect(page.get_by_label("All 60 mailboxes")).not_to_be_checked()


def test_unticking_one_ends_the_selection_of_all(chromium: Chromium, up: None) -> None:
    page = chromium.page(TAB)
    page.get_by_label("Select all on this page").check()
    page.get_by_label("All 60 mailboxes").check()
    page.get_by_label("Select m01@example.com").uncheck()
    expect(page.get_by_text("24 selected")).to_be_visible()
    expect(page.get_by_label("All 60 mailboxes")).not_to_be_checked()


def test_a_domain_that_still_has_mailboxes_stays_and_says_why(chromium: Chromium, up: None) -> None:
    page = chromium.page(f"{TAB}domains/")
    page.get_by_label("Select example.com").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete 1 domain").click()
    expect(dialog.get_by_role("alert")).to_contain_text("example.com still has 60 mailboxes")
    dialog.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_text("example.com", exact=True)).to_be_visible()


def test_a_file_is_checked_and_stays_chosen_for_the_import(chromium: Chromium, up: None) -> None:
    page = chromium.page(f"{TAB}import/")
    bad = b"address,password\nm01@example.com,plum-Tundra-77-kettle\nnew@example.com,short\n"
    page.get_by_label("CSV file").set_input_files({"name": "m.csv", "mimeType": "text/csv", "buffer": bad})
    page.get_by_role("button", name="Check only").click()
    expect(page.get_by_role("alert")).to_contain_text("line 2")
    expect(page.get_by_role("alert")).to_contain_text("line 3")
    good = b"address,password\nnew@example.com,plum-Tundra-77-kettle\n"
    page.get_by_label("CSV file").set_input_files({"name": "m.csv", "mimeType": "text/csv", "buffer": good})
    page.get_by_role("button", name="Check only").click()
    expect(page.get_by_text("1 mailbox would be added")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Import of 1 mailbox started.")).to_be_visible()


def test_rspamds_password_is_shown_in_a_dialog(chromium: Chromium, up: None, rows: Rows) -> None:
    rows('Stack.objects.update(controller_password="fern-Otter-31-gravel")')
    page = chromium.page(f"{TAB}server/")
    page.get_by_role("button", name="Show password").click()
    expect(page.locator("#controller-password")).to_have_text("fern-Otter-31-gravel")
    page.get_by_role("dialog").get_by_role("link", name="Done").click()
    expect(page.locator("#modal-body")).to_be_empty()
    assert "fern-Otter" not in page.content()


def test_a_console_that_stopped_answering_is_said_and_forgotten(chromium: Chromium, up: None) -> None:
    page = chromium.page(TAB)
    page.wait_for_url("**/list/")
    page.context.set_offline(True)
    warning = page.get_by_text("The console isn't answering.")
    expect(warning).to_be_visible()
    page.context.set_offline(False)
    expect(warning).to_be_hidden()


@pytest.mark.parametrize(
    "path", ["list/", "aliases/", "domains/", "deleted/", "import/", "server/", "add/", "certificate/"]
)
def test_a_phone_shows_every_page_without_scrolling_sideways(chromium: Chromium, up: None, path: str) -> None:
    page = chromium.page(f"{TAB}{path}", PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_phone_shows_a_dialog_whole(chromium: Chromium, up: None) -> None:
    page = chromium.page(f"{TAB}list/", PHONE)
    page.get_by_role("link", name="Connection settings of m01@example.com").click()
    box = page.get_by_role("dialog").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
    expect(page.get_by_role("dialog").get_by_role("heading").first).to_be_in_viewport(ratio=1)


def test_the_import_page_says_what_is_wrong_with_a_file(
    chromium: Chromium, off: None, tmp_path: Path
) -> None:
    chromium.errors.clear()
    page = chromium.page(f"{TAB}import/")
    no_list, large = tmp_path / "list.zip", tmp_path / "large.csv"
    no_list.write_bytes(b"PK\x03\x04\xff")
    with large.open("wb") as file:
        file.truncate(41 * 1024 * 1024)
    page.get_by_label("CSV file").set_input_files(no_list)
    page.get_by_role("button", name="Check only").click()
    expect(page.get_by_text("this is not UTF-8")).to_be_visible()
    page.get_by_label("CSV file").set_input_files(large)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("That is too large, so nothing was changed.")).to_be_visible()
    assert not chromium.errors
