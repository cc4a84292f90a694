"""The life of the stack, by the API alone: enabled, mailboxes that live at once, disabled, purged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.mailclients import Login, deliver, imap_login, mail, wait_for_message

if TYPE_CHECKING:
    from tests.live.mailstack import MailStack

pytestmark = pytest.mark.real


def test_a_new_mailbox_can_log_in_and_get_mail(mailstack: MailStack) -> None:
    box = mailstack.add_mailbox(mailstack.add_domain("life.test"), "alice")
    box.wait_login()
    sent = deliver(mailstack.server, mail("Hello", to=box.address), box.address)
    assert sent.accepted, sent
    assert wait_for_message(mailstack.server, box.login, "Hello")
    mailstack.wait_synced()
    assert mailstack.expect(200, "GET", box.path)["synced"]


def test_nobody_gets_in_with_the_images_own_password(mailstack: MailStack) -> None:
    assert not imap_login(mailstack.server, Login("anybody@life.test", "supersecret"))
