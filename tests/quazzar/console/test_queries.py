"""No page asks the database more often where there is more to show."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailboxes.models import Domain
from mailrelay.models import ExpectedReport, Message
from quazzar.access import apikeys, audit
from quazzar.models import ApiKey
from tests.mailboxes import factories

#: Of any page; the mailboxes' pages, with the state of the mail server above them, ask most.
MOST = 40
PAGES = (
    "/admin/",
    "/admin/doctor/",
    "/admin/mail-relay/",
    "/admin/mail-relay/mailboxes/list/",
    "/admin/mail-relay/mailboxes/aliases/",
    "/admin/mail-relay/mailboxes/domains/",
    "/admin/mail-relay/mailboxes/add/",
    "/admin/mail-relay/dns/",
    "/admin/mailrelay/message/",
    "/admin/mailrelay/message/?tab=failed&q=report",
    "/admin/expected/",
    "/admin/quazzar/apikey/",
    "/admin/quazzar/auditentry/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/account/",
    "/admin/tables/",
)


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def fill(operator: User, first: int, last: int) -> None:
    """Rows of each kind that pages list."""
    factories.stack(hostname="mail.example.com")
    now = timezone.now()
    viewer = Group.objects.get(name="Viewer")
    for number in range(first, last):
        Domain.objects.get_or_create(name=f"d{number}.test", defaults={"applied_at": now})
        factories.mailbox(f"m{number}@d{number}.test")
        factories.alias(f"info@d{number}.test", f"m{number}@d{number}.test")
        Message.objects.create(
            subject=f"Report {number}",
            message_id=f"<{number}@x>",
            status=("sent", "failed", "queued")[number % 3],
            recipients=[{"address": "ops@example.com", "status": "pending"}],
            created_at=now - timedelta(hours=number),
        )
        ExpectedReport.objects.create(
            name=f"job {number}",
            title=f"job {number}",
            key=str(number),
            state=("on_time", "proposed", "learning", "ignored")[number % 4],
            schedule={"kind": "daily", "at": "02:04"},
            last_at=now,
        )
        apikeys.mint(operator, f"key {number}", ApiKey.Scope.values)
        audit.record("relay.changed", f"entry {number}")
        User.objects.create_user(f"user{number}", is_staff=True).groups.add(viewer)


def asked(console: Client, path: str) -> int:
    console.get(path)  # what is remembered from then on is asked once
    with CaptureQueriesContext(connection) as queries:
        assert console.get(path).status_code == 200, path
    return len(queries)


@pytest.mark.slow
def test_pages_ask_as_often_for_many_rows_as_for_few(
    console: Client, operator: User, rings: list[str], subtests: pytest.Subtests
) -> None:
    fill(operator, 0, 4)
    few = {path: asked(console, path) for path in PAGES}
    fill(operator, 4, 16)
    for path in PAGES:
        with subtests.test(path):
            many = asked(console, path)
            assert many <= few[path], (path, few[path], many)
            assert many <= MOST
