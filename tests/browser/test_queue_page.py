"""Postfix's queue with mail that really waits: found, held, released, retried and deleted, by keyboard and by mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import faults
from tests.browser.chromium import PHONE, WIDE, Chromium
from tests.browser.test_page_walk import TABLET, show, tab_to
from tests.live.console import OPERATOR, OPERATOR_PASSWORD
from tests.live.mailstack import MailStack
from tests.live.mailworld import World, outside
from tests.quazzar.nodes import wait_until
from tests.rig import or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker
    from playwright.sync_api import Playwright

    from tests.rig.images import Images
    from tests.rig.standins import Sink

pytestmark = [pytest.mark.real, pytest.mark.thorough]

PAGE = "/admin/mail-relay/mailboxes/queue/"
FAR = "far.queue-elsewhere.test"
BUSY = "451 4.3.0 Busy, says the other side"


@pytest.fixture
def world(
    stack_project: str, docker_client: docker.DockerClient, stack_images: Images, tmp_path: Path
) -> Iterator[World]:
    stack = MailStack(tmp_path, docker_client, stack_images, stack_project, static=True)
    with stack:
        stack.enable()
        yield World(stack, "queue.test")


@pytest.fixture
def far(world: World, stack_images: Images) -> Iterator[Sink]:
    """Another mail server, which takes nothing yet."""
    with outside(world.stack, stack_images, [FAR]) as sink:
        sink.answer("RCPT", BUSY)
        yield sink


def test_waiting_mail_is_held_released_retried_and_deleted(
    world: World, far: Sink, driver: Playwright
) -> None:
    for name in ("ann", "ben", "cleo"):
        assert world.submit(f"To {name}", f"{name}@{FAR}").accepted
    wait_until(lambda: len(queue_ids(world.stack)) == 3, "three mails wait", 60)
    ids = queue_ids(world.stack)
    with or_skip(lambda: Chromium(world.stack.url(""), driver)) as chromium:
        chromium.sign_in(OPERATOR, OPERATOR_PASSWORD).close()
        page = chromium.page(PAGE)
        expect(page.locator("#list")).to_contain_text("3 waiting")
        expect(page.locator(".m-reasons")).to_contain_text("Busy, says the other side")
        find(page)
        keep_the_focus(page)
        hold_by_keyboard(page, ids[f"ben@{FAR}"], world.stack)
        delete_by_keyboard(page, ids[f"ann@{FAR}"], world.stack)
        look(page)
        # Released, and retried at once: it arrives.
        far.answer("RCPT", None)
        page.get_by_role("button", name=f"Release: {ids[f'ben@{FAR}']}").click()
        expect(page.locator("#list")).not_to_contain_text("on hold")
        page.get_by_role("button", name="Retry all now").click()
        expect(page.get_by_text("No mail is waiting")).to_be_visible(timeout=60_000)
        assert {mail.recipients[0] for mail in far.wait_for(2)} == {f"ben@{FAR}", f"cleo@{FAR}"}
        assert not chromium.outside
        assert not chromium.problems
        assert not chromium.errors


def queue_ids(stack: MailStack) -> dict[str, str]:
    """Recipient → queue id, as the API lists them once each was tried."""
    found = stack.expect(200, "GET", "/api/mail/stack/queue")["messages"]
    tried = [mail for mail in found if mail["recipients"][0]["reason"]]
    return {mail["recipients"][0]["address"]: mail["id"] for mail in tried}


def find(page: Page) -> None:
    """The list shrinks to what is typed, and grows again."""
    search = page.get_by_label("Search by address, reason or queue id")
    search.fill("cleo@")
    expect(page.locator("#list")).to_contain_text("1 of 3 waiting")
    expect(page.get_by_role("row")).to_have_count(2)
    search.fill("nobody@")
    expect(page.get_by_text("No mail in the queue matches “nobody@”")).to_be_visible()
    search.fill("")
    expect(page.locator("#list")).to_contain_text("3 waiting")


def keep_the_focus(page: Page) -> None:
    """A link keeps the focus when the list around it is replaced."""
    link = page.locator(".m-reasons a").first
    link.focus()
    with page.expect_response(lambda answer: "/queue/" in answer.url and answer.status == 200):
        page.evaluate(
            "document.querySelector('#list input[data-kept]')?.remove(); htmx.trigger('#list', 'poll')"
        )
    expect(page.locator("#list input[data-kept]")).to_have_count(1)
    expect(link).to_be_focused()


def hold_by_keyboard(page: Page, queue_id: str, stack: MailStack) -> None:
    tab_to(page, page.get_by_role("button", name=f"Hold: {queue_id}"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 mail put on hold.")).to_be_visible()
    row = page.locator(f"#mail-{queue_id}")
    expect(row).to_contain_text("On hold.")
    expect(page.locator("#list")).to_contain_text("3 waiting, 1 on hold")
    assert f"{queue_id}!" in stack.inside("postfix", "mailq")
    # The button is gone; the next one of the row has the focus.
    expect(page.get_by_role("button", name=f"Release: {queue_id}")).to_be_focused()


def delete_by_keyboard(page: Page, queue_id: str, stack: MailStack) -> None:
    """Asked first; Escape leaves everything as it is, and the focus where it was."""
    delete = page.get_by_role("button", name=f"Delete {queue_id}…")
    dialog = page.get_by_role("dialog")
    tab_to(page, delete)
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("heading", name="Delete 1 mail from the queue?")).to_be_visible()
    assert not faults(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(delete).to_be_focused()
    assert queue_id in stack.inside("postfix", "mailq")
    page.keyboard.press("Enter")
    tab_to(page, dialog.get_by_role("button", name="Delete 1 mail"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 mail deleted from the queue.")).to_be_visible()
    expect(page.locator(f"#mail-{queue_id}")).to_have_count(0)
    assert queue_id not in stack.inside("postfix", "mailq")


def look(page: Page) -> None:
    """Nothing shuts anybody out, at each width, light and dark."""
    for size in (PHONE, TABLET, WIDE):
        for theme in ("light", "dark"):
            show(page, size, theme)
            page.reload()
            assert not faults(page), (size, theme)
    show(page, WIDE, "auto")
    page.reload()
