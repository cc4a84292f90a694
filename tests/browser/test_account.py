"""The account page in Chromium, with its virtual authenticator: passkeys on localhost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Chromium, go
from tests.live.console import OPERATOR_PASSWORD, Console

pytestmark = pytest.mark.real

#: A separate operator: adding the first second factor ends an operator's other sessions, which other tests use.
_NAME = "keyholder"
_AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    """A page with an authenticator, which no other test sees: browsers give passkeys to names, not to addresses."""
    page = chromium.page("/admin/account/")
    cdp = chromium.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR})
    yield page
    chromium.context.clear_cookies(domain="localhost")
    chromium.outside[:] = [url for url in chromium.outside if "://localhost:" not in url]


def sign_in(page: Page, root: str) -> None:
    go(page, f"{root}/admin/login/")
    page.get_by_label("Name").fill(_NAME)
    page.get_by_label("Password").fill(OPERATOR_PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_passkey_is_added_signs_in_both_ways_and_is_removed(page: Page, node: Console) -> None:
    root = f"http://localhost:{node.port}"
    node.manage(
        "createsuperuser",
        "--noinput",
        DJANGO_SUPERUSER_USERNAME=_NAME,
        DJANGO_SUPERUSER_EMAIL="k@example.test",
        DJANGO_SUPERUSER_PASSWORD=OPERATOR_PASSWORD,
    )
    sign_in(page, root)
    page.wait_for_url(lambda url: "/login/" not in url)
    go(page, f"{root}/admin/account/passkeys/add/")
    page.get_by_label("Name", exact=True).fill("Laptop")
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.locator("#codes")).to_be_visible()

    page.context.clear_cookies(domain="localhost")
    sign_in(page, root)
    page.wait_for_url("**/second-step/")
    page.get_by_role("button", name="Use your passkey").click()
    page.wait_for_url(lambda url: "second-step" not in url and "passkey" not in url)

    page.context.clear_cookies(domain="localhost")
    go(page, f"{root}/admin/login/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(lambda url: "/login/" not in url and "passkey" not in url)
    go(page, f"{root}/admin/account/")
    page.get_by_role("link", name="Remove passkey Laptop").click()
    page.get_by_role("button", name="Remove the passkey").click()
    expect(page.get_by_text("Passkey “Laptop” removed.")).to_be_visible()
