"""The lock card in place of the tabs, and the upgrade dialog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from mailrelay.models import Message, RelaySettings
from tests.conftest import signed
from tests.markup import html

PAGE = "/admin/mail-relay/"
LICENSE = "/admin/mail-relay/license/"
OPEN_DIALOG = 'aria-labelledby="upgrade-title" open>'
WALL = "Mail Relay requires Orbit Pro"


@pytest.fixture
def console(client: Client, operator: User, rings: list[str]) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def pages(queued: Callable[..., Message]) -> list[str]:
    """Every page of Mail Relay in the console."""
    message = f"/admin/mailrelay/message/{queued().pk}"
    paths = ("/change/", "/delete/", "/history/")
    return [PAGE, "/admin/mailrelay/message/", *(f"{message}{path}" for path in paths)]


@pytest.mark.slow
def test_pro_opens_every_page(console: Client, pages: list[str]) -> None:
    for page in pages:
        assert WALL not in html(console.get(page, follow=True))


def test_community_sees_the_lock_card_on_every_page(
    console: Client, pages: list[str], plan: Callable[[str], None]
) -> None:
    plan("community")
    for page in pages:
        shown = html(console.get(page, follow=True))
        assert WALL in shown, page
        assert "Relay settings" not in shown
        assert "Orbit Community" in shown


def test_what_is_sent_to_a_locked_page_changes_nothing(
    console: Client, queued: Callable[..., Message], plan: Callable[[str], None]
) -> None:
    message = queued()
    plan("community")
    assert console.post(PAGE, {"provider": "custom", "host": "evil.example"}).status_code == 402
    assert console.post(f"{PAGE}remove/").status_code == 402
    assert console.post(f"{PAGE}test/", {"to": "a@example.com"}).status_code == 402
    assert console.post(f"/admin/mailrelay/message/{message.pk}/retry/").status_code == 402
    assert console.post(f"/admin/mailrelay/message/{message.pk}/delete/", {"post": "yes"}).status_code == 402
    chosen = {"action": "delete_selected", "_selected_action": [message.pk], "post": "yes"}
    assert console.post("/admin/mailrelay/message/", chosen).status_code == 402
    assert (RelaySettings.load().host, Message.objects.count()) == ("relay.example", 1)


def test_an_expired_licence_is_named_on_the_card(
    console: Client, plan: Callable[[str], None], settings: Any
) -> None:
    plan("pro")
    settings.QUAZZAR_LICENSE_FILE.write_text(signed("pro", seconds=-60))
    assert "The licence for Orbit Pro expired on" in html(console.get(PAGE))


def test_a_pasted_licence_opens_the_page_at_once(console: Client, plan: Callable[[str], None]) -> None:
    plan("community")
    answer = console.post(LICENSE, {"license": f"  {signed('business')}\n"}, follow=True)
    assert WALL not in html(answer)
    assert "The licence for Orbit Business is in force." in html(answer)


def test_a_bad_licence_is_refused_in_the_dialog(console: Client, plan: Callable[[str], None]) -> None:
    plan("community")
    page = html(console.post(LICENSE, {"license": "<b>rubbish</b>"}))
    assert "a valid licence, or it was cut off" in page
    assert "&lt;b&gt;rubbish&lt;/b&gt;" in page
    assert OPEN_DIALOG in page
    assert WALL in page


def test_a_bad_licence_leaves_the_good_one_in_force(console: Client) -> None:
    page = html(console.post(LICENSE, {"license": "rubbish"}))
    assert "a valid licence, or it was cut off" in page
    assert WALL not in page


def test_the_dialog_shows_every_plan_and_which_is_current(
    console: Client, plan: Callable[[str], None]
) -> None:
    plan("community")
    page = html(console.get(PAGE))
    for name in ("Orbit Community", "Orbit Pro", "Orbit Business", "Orbit Enterprise"):
        assert name in page
    assert page.count("Current</span>") == 1


def test_the_dialog_opens_without_a_script_too(console: Client, plan: Callable[[str], None]) -> None:
    plan("community")
    assert OPEN_DIALOG in html(console.get(f"{PAGE}?upgrade=1"))
    assert OPEN_DIALOG not in html(console.get(PAGE))


def test_who_may_only_look_installs_no_licence(
    client: Client, other_staff: User, plan: Callable[[str], None]
) -> None:
    plan("community")
    other_staff.user_permissions.add(Permission.objects.get(codename="view_relaysettings"))
    client.force_login(other_staff)
    assert "Install licence" not in html(client.get(PAGE))
    assert client.post(LICENSE, {"license": signed("pro")}).status_code == 403
    assert WALL in html(client.get(PAGE))
