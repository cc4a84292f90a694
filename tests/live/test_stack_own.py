"""Quazzar's own mailbox in the running stack: it is there by itself, and what comes to it is read over real IMAP."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.dnsrecords.reports.shapes import PASS, document, mail, tls
from tests.quazzar.nodes import wait_until
from tests.rig import or_skip
from tests.rig.mailclients import deliver
from tests.rig.mailclients import mail as letter
from tests.rig.postfix import RealPostfix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import MailStack

pytestmark = [pytest.mark.real, pytest.mark.thorough]

OURS, GONE = "own.test", "gone.test"
#: Takes every mail, and finds out later that nobody is at gone.test; it keeps what comes back.
_RELAY = {
    "virtual_mailbox_domains": f"{OURS}, {GONE}",
    "virtual_mailbox_maps": f"inline:{{ {{@{OURS} = all/}} }}",
    "smtpd_reject_unlisted_recipient": "no",
}
#: Seconds until a mail that has come was read: looks come every 30 seconds.
_READ = 90


@pytest.fixture(scope="module")
def domain(mailstack: MailStack) -> dict[str, Any]:
    domain = mailstack.add_domain(OURS)
    mailstack.wait_synced()
    return domain


@pytest.fixture(scope="module")
def relay(mailstack: MailStack) -> Iterator[RealPostfix]:
    with or_skip(lambda: RealPostfix(options=_RELAY)) as postfix:
        mailstack.use_relay(postfix.plain_port, from_address=f"node@{OURS}", bounce_address=f"bounces@{OURS}")
        yield postfix
        mailstack.expect(204, "DELETE", "/api/mail/relay")


def inbox(stack: MailStack) -> dict[str, Any]:
    """The inbox that Quazzar looks after."""
    return next(row for row in stack.expect(200, "GET", "/api/mail/inboxes")["results"] if row["owned"])


def reported(stack: MailStack, domain: dict[str, Any]) -> tuple[int, int]:
    """Mails that passed, and TLS sessions, in the reports on the domain."""
    found = stack.expect(200, "GET", f"/api/mail/domains/{domain['id']}/dns/reports")
    return found["numbers"]["passed"], found["sessions"]


def test_it_is_there_by_itself_and_no_operators_mailbox(mailstack: MailStack, domain: dict[str, Any]) -> None:
    address = f"quazzar@{mailstack.state()['hostname']}"
    assert mailstack.state()["own_address"] == address
    wait_until(lambda: inbox(mailstack)["looked_at"], "the inbox is read", _READ)
    found = inbox(mailstack)
    assert (found["username"], found["enabled"], found["password"]) == (address, True, "")
    assert found["last_error"] is None
    assert found["port"] == mailstack.server.port(993)
    listed = mailstack.expect(200, "GET", "/api/mail/mailboxes?page_size=500")["results"]
    assert address not in [row["address"] for row in listed]


def test_only_the_certificate_of_the_stack_is_trusted(mailstack: MailStack, domain: dict[str, Any]) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    at = ("127.0.0.1", mailstack.server.port(993))
    with socket.create_connection(at) as bare, context.wrap_socket(bare) as tls_socket:
        served = ssl.DER_cert_to_PEM_cert(tls_socket.getpeercert(binary_form=True) or b"")
    pinned = mailstack.manage("shell", "-c", _PINNED.format(served=served))
    assert "pinned: True" in pinned


_PINNED = """
from mailboxes.own import places
from mailrelay.models import Inbox
print("pinned:", Inbox.objects.get(owned=True).certificates == [places.fingerprint('''{served}''')])
"""


def test_a_bounce_ends_on_the_timeline_of_its_message(
    mailstack: MailStack, domain: dict[str, Any], relay: RealPostfix
) -> None:
    number = mailstack.send(f"anna@{GONE}")
    (bounce,) = relay.wait_for(1, timeout=60)
    returned = str(bounce["Delivered-To"])
    assert returned.startswith("bounces+")
    sent = deliver(mailstack.server, relay.raw_messages()[0], returned, sender="")
    assert sent.accepted, sent
    wait_until(lambda: mailstack.message(number)["feedback"], "the bounce is known", _READ)
    (told,) = mailstack.message(number)["feedback"]
    assert (told["recipient"], told["kind"], told["hard"]) == (f"anna@{GONE}", "bounced", True)


def test_reports_are_read_also_those_that_look_like_spam(
    mailstack: MailStack, domain: dict[str, Any]
) -> None:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    begin, end = int(day.timestamp()), int(day.timestamp()) + 86_399
    xml = document(PASS.replace("example.com", OURS), domain=OURS, begin=begin, end=end)
    name = f"reporter.example!{OURS}!{begin}!{end}"
    dmarc = mail(gzip.compress(xml), "application/gzip", f"{name}.xml.gz")
    policy = {
        "policy": {"policy-type": "sts", "policy-domain": OURS},
        "summary": {"total-successful-session-count": 7, "total-failure-session-count": 0},
    }
    times = {"start-datetime": day.isoformat(), "end-datetime": (day + timedelta(hours=23)).isoformat()}
    report = tls("reporter.example", "tls-1", policy, **{"date-range": times})
    assert json.loads(report)["policies"]
    spam = mail(gzip.compress(report), "application/tlsrpt+gzip", f"{name}.json.gz")
    # What the mail server's filter adds to spam, and what it files by.
    spam = b"X-Spam: Yes\r\n" + spam
    for to, raw in ((f"dmarc@{OURS}", dmarc), (f"tlsrpt@{OURS}", spam)):
        sent = deliver(mailstack.server, raw, to, sender="noreply@reporter.example")
        assert sent.accepted, sent
    wait_until(lambda: reported(mailstack, domain) == (3, 7), "both reports are on the page", _READ)


def test_the_records_ask_for_reports_at_its_addresses(mailstack: MailStack, domain: dict[str, Any]) -> None:
    records = mailstack.expect(200, "GET", f"/api/mail/domains/{domain['id']}/dns")["records"]
    values = " ".join(record["value"] for record in records)
    assert f"rua=mailto:dmarc@{OURS}" in values
    assert f"rua=mailto:tlsrpt@{OURS}" in values


def test_an_operators_address_of_that_name_stays_theirs(mailstack: MailStack) -> None:
    other = mailstack.add_domain("own-else.test")
    box = mailstack.add_mailbox(other, "dmarc")
    mailstack.wait_synced()
    box.wait_login()
    assert deliver(mailstack.server, letter("theirs", to=box.address), box.address).accepted
    from tests.rig.mailclients import wait_for_message

    assert wait_for_message(mailstack.server, box.login, "theirs")
    known = mailstack.expect(200, "GET", "/api/mail/stack/own-mailbox")
    assert {"address": box.address, "kind": "mailbox"} in known["not_ours"]
    assert f"dmarc@{OURS}" in known["addresses"]
    box.delete()


def test_it_goes_when_it_is_switched_off_and_comes_back(mailstack: MailStack, domain: dict[str, Any]) -> None:
    mailstack.expect(200, "PATCH", "/api/mail/stack", {"own_mailbox": False})
    try:
        wait_until(
            lambda: deliver(mailstack.server, letter("x"), f"bounces@{OURS}").code == 550,
            "its addresses are refused",
            60,
        )
        assert mailstack.state()["own_address"] == ""
    finally:
        mailstack.expect(200, "PATCH", "/api/mail/stack", {"own_mailbox": True})
    wait_until(
        lambda: deliver(mailstack.server, letter("x"), f"bounces@{OURS}").accepted, "and taken again", 60
    )
