"""Bounces that real servers make of mail from our own queue: each ends on its message, proven."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailrelay.feedback import recording
from mailrelay.mail.emails import Email
from mailrelay.models import Feedback, Message, RelaySettings, Suppression
from mailrelay.queue import delivery, outbox
from tests.rig import or_skip, wait_until
from tests.rig.exim import CONFIGURATION, StrictExim
from tests.rig.postfix import RealPostfix

pytestmark = [pytest.mark.real, pytest.mark.django_db]
#: Takes mail for everybody, and finds out later that nobody is at gone.test.
POSTFIX = {
    "virtual_mailbox_domains": "inbox.test, gone.test",
    "virtual_mailbox_maps": "inline:{ {@inbox.test = all/} }",
    "smtpd_reject_unlisted_recipient": "no",
}
#: Debian's checks, then: everybody at inbox.test has one file, everybody at gone.test is unknown.
EXIM = (
    CONFIGURATION.partition("begin routers")[0]
    + """\
begin routers
gone:
  driver = redirect
  domains = gone.test
  allow_fail
  data = :fail: no such user here
inbox:
  driver = accept
  domains = inbox.test
  transport = file

begin transports
file:
  driver = appendfile
  file = {dir}/inbox
  envelope_to_add
  return_path_add
  user = {account}
"""
)


@pytest.fixture(autouse=True)
def fresh_connections() -> Iterator[None]:
    delivery._stopping.clear()
    yield
    delivery.close_idle_connections(0)


@pytest.fixture
def postfix() -> Iterator[RealPostfix]:
    with or_skip(lambda: RealPostfix(options=POSTFIX)) as running:
        yield running


def send(relay: RelaySettings, port: int, *to: str) -> Message:
    relay.host, relay.port, relay.security = "127.0.0.1", port, "none"
    relay.bounce_address = "bounces@inbox.test"
    relay.save()
    row = outbox.enqueue(Email(to=[*to], subject="Disk 92 %", text="92 %"), source="api")
    assert delivery.drain() == 1
    return row


def known(row: Message) -> list[tuple[str, str, bool, str, bool]]:
    rows = Feedback.objects.filter(message=row).order_by("recipient")
    return [(each.recipient, each.kind, each.hard, each.status, each.proven) for each in rows]


def test_postfix_bounces(relay: RelaySettings, postfix: RealPostfix) -> None:
    row = send(relay, postfix.plain_port, "anna@gone.test", "carol@inbox.test")
    postfix.wait_for(2, timeout=60)
    assert sum(recording.read_mail(raw) for raw in postfix.raw_messages()) == 1
    assert known(row) == [("anna@gone.test", "bounced", True, "5.1.1", True)]
    assert Suppression.objects.get().address == "anna@gone.test"


class BouncingExim(StrictExim):
    """Knows nobody at gone.test, and keeps mail to inbox.test in one file."""

    def __init__(self) -> None:
        super().__init__()
        text = self._configuration.read_text()
        program = text.partition("exim_path = ")[2].partition("\n")[0]
        self._configuration.write_text(
            EXIM.format(program=program, dir=self.dir, account="mail", eight_bit="true", utf8="*")
        )

    @property
    def inbox(self) -> Path:
        """The file that holds the mail."""
        return self.dir / "inbox"


def test_exim_bounces(relay: RelaySettings) -> None:
    with or_skip(BouncingExim) as exim:
        row = send(relay, exim.port, "anna@gone.test")
        wait_until(exim.inbox.exists, 30, "a bounce from Exim")
        raw = exim.inbox.read_bytes()
        assert b"This message was created automatically by mail delivery software" in raw
    assert recording.read_mail(raw)
    assert [each[:3] for each in known(row)] == [("anna@gone.test", "bounced", True)]
    assert known(row)[0][4]
