"""A row of each kind that a route can name."""

from __future__ import annotations

import pytest
from django.utils import timezone

from dnsrecords.models import Proof
from mailboxes.engine import connect
from mailboxes.models import Alias, Domain, ImportJob, Journey, Mailbox
from mailrelay.events import settings as webhooks
from mailrelay.models import ExpectedReport, Inbox, Message, Suppression
from tests.fakes import FakeEngine


@pytest.fixture
def rows(db: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The beginning of an address → the id of a row that is there, the longer ones first. No Docker is asked."""
    monkeypatch.setattr(connect, "to_docker", lambda *_: FakeEngine())
    domain = Domain.objects.create(name="example.com")
    box = Mailbox.objects.create(domain=domain, local_part="ada", address="ada@example.com", home="a")
    deleted = Mailbox.objects.create(
        domain=domain, local_part="eve", address="eve@example.com", home="e", deleted_at=timezone.now()
    )
    alias = Alias.objects.create(
        domain=domain, local_part="info", address="info@example.com", destinations=["ada@example.com"]
    )
    message = Message.objects.create(message_id="<1@example.com>", to=["ops@example.com"], subject="Disk")
    return {
        "/api/mail/domains/": domain.pk,
        "/api/mail/mailboxes/import/": ImportJob.objects.create(total=1).pk,
        "/api/mail/mailboxes/1/restore": deleted.pk,
        "/api/mail/mailboxes/": box.pk,
        "/api/mail/aliases/": alias.pk,
        "/api/mail/journeys/": Journey.objects.create(message_id="<1@example.com>").pk,
        "/api/mail/messages/": message.pk,
        "/api/mail/proofs/": Proof.objects.create(
            nonce="0" * 20,
            way="relay",
            from_address="a@example.com",
            to="b@example.com",
            message_id="<1@example.com>",
        ).pk,
        "/api/mail/suppressions/": Suppression.objects.create(address="a@example.com", reason="manual").pk,
        "/api/mail/inboxes/": Inbox.objects.create(host="imap.example.com", username="a", enabled=False).pk,
        "/api/mail/webhooks/": webhooks.save("postmark", "").pk,
        "/api/mail/expected/": ExpectedReport.objects.create(
            name="nightly", title="nightly", state="proposed", schedule={"kind": "daily", "at": "02:04"}
        ).pk,
    }
