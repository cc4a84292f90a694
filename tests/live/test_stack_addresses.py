"""Where mail goes in the running stack: role addresses, forwarding, and circles from earlier versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rig.mailclients import deliver, mail, messages, wait_for_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import Box, MailStack

pytestmark = [pytest.mark.real, pytest.mark.thorough]

OURS, OTHER = "addresses.test", "ring.test"
#: As an older version accepted it: the circle leads out to Bob, and its mail was never accepted.
_CIRCLE = f"""
from mailboxes import changes
from mailboxes.models import Alias, Domain
with changes.writing():
    ours = Domain.objects.get(name="{OURS}")
    to = ["anything@{OTHER}", "bob@{OURS}"]
    row = Alias(domain=ours, local_part="ring", address="ring@{OURS}", destinations=to)
    changes.stamp(row)
    row.save()
    Domain.objects.filter(name="{OTHER}").update(catch_all="ring@{OURS}")
    changes.announce()
"""


@pytest.fixture(scope="module")
def boxes(mailstack: MailStack) -> Iterator[tuple[Box, Box]]:
    """Ada, who is the domain's contact, and Bob, who gets a copy of her mail."""
    domain = mailstack.add_domain(OURS)
    bob = mailstack.add_mailbox(domain, "bob")
    ada = mailstack.add_mailbox(domain, "ada")
    mailstack.expect(200, "PATCH", ada.path, {"forward_to": [bob.address]})
    mailstack.expect(200, "PATCH", f"/api/mail/domains/{domain['id']}", {"contact": ada.address})
    mailstack.wait_synced()
    for box in (ada, bob):
        box.wait_login()
    yield ada, bob


def test_role_addresses_are_taken_and_reach_the_contact_and_who_gets_a_copy(
    mailstack: MailStack, boxes: tuple[Box, Box]
) -> None:
    for role in ("postmaster", "abuse"):
        sent = deliver(mailstack.server, mail(f"to {role}", to=f"{role}@{OURS}"), f"{role}@{OURS}")
        assert sent.accepted, sent
        for box in boxes:
            assert wait_for_message(mailstack.server, box.login, f"to {role}")


def test_a_mailbox_that_keeps_no_copy_passes_its_mail_on(
    mailstack: MailStack, boxes: tuple[Box, Box]
) -> None:
    ada, bob = boxes
    mailstack.expect(200, "PATCH", ada.path, {"keep_copy": False})
    mailstack.wait_synced()
    assert deliver(mailstack.server, mail("passed on", to=ada.address), ada.address).accepted
    assert wait_for_message(mailstack.server, bob.login, "passed on")
    assert "passed on" not in [each["Subject"] for each in messages(mailstack.server, ada.login)]
    mailstack.expect(200, "PATCH", ada.path, {"keep_copy": True})


def test_mail_for_a_circle_of_before_gets_in_and_arrives_where_it_leads_out(
    mailstack: MailStack, boxes: tuple[Box, Box]
) -> None:
    other = mailstack.add_domain(OTHER)
    mailstack.manage("shell", "-c", _CIRCLE)
    mailstack.wait_synced()
    for to in (f"zzz@{OTHER}", f"ring+tag@{OURS}"):
        sent = deliver(mailstack.server, mail(f"for {to}", to=to), to)
        assert sent.accepted, sent
        assert wait_for_message(mailstack.server, boxes[1].login, f"for {to}")
    # The last row of a circle is refused, whichever it is.
    mailstack.expect(200, "PATCH", f"/api/mail/domains/{other['id']}", {"catch_all": None})
    refused = mailstack.expect(
        400, "PATCH", f"/api/mail/domains/{other['id']}", {"catch_all": f"ring@{OURS}"}
    )
    assert "forwarded in a circle" in refused["fields"]["catch_all"][0]
