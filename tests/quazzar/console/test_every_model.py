"""Every model of the product has its pages in the admin: a list, each row, no secret, and nothing that a GET writes."""

from __future__ import annotations

import html as html_of
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dnsrecords.models import (
    BlocklistChange,
    BlocklistEntry,
    BlocklistRound,
    DomainCheck,
    DomainOptions,
    Network,
    Proof,
    ProofSchedule,
    Publisher,
    ReceivedReport,
    RecordChange,
    RecordCheck,
    RefusedReport,
    ReportedMail,
    ReportedTls,
)
from mailboxes.models import (
    Alias,
    DkimKey,
    Domain,
    ImageUpgrade,
    ImportJob,
    Journey,
    JourneyKey,
    LogPosition,
    Mailbox,
    MailEvent,
    Stack,
    StackImage,
    error_value,
)
from mailrelay.models import (
    AlertState,
    EventSource,
    ExpectedReport,
    ExpectedSweep,
    Feedback,
    HourlyCount,
    Inbox,
    LicenceWatch,
    Message,
    MessageAddress,
    RelaySettings,
    Suppression,
)
from quazzar.access import apikeys
from quazzar.console.rows import ReadOnlyAdmin, RightfulAdmin, label
from quazzar.models import (
    ApiKey,
    AuditEntry,
    Finding,
    FindingChange,
    FirstStep,
    Heartbeat,
    IdempotentRequest,
    OneTimeLink,
    Operator,
    Passkey,
    Process,
    RecoveryCode,
    SealingKey,
    Session,
    SignInPolicy,
)
from tests.mailboxes import factories
from tests.mailboxes.consolepages import grant
from tests.tiers import some

MODELS = [
    model
    for label in ("quazzar", "mailrelay", "mailboxes", "dnsrecords")
    for model in apps.get_app_config(label).get_models()
]
READ_ONLY = [model for model in MODELS if model not in (ApiKey, Message)]
GATED = [model for model in MODELS if model._meta.app_label != "quazzar"]
WALL = "Mail Relay requires Orbit Pro"
Rows = dict[type[models.Model], models.Model]
#: In every secret column of every row.
SECRET = "fern-Otter-31-gravel"


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def rows(operator: User, db: None) -> Rows:
    """A row of every model, with a secret in every column that can hold one."""
    stack = factories.stack(
        hostname="mail.example.com",
        phase="degraded",
        last_error=error_value("x", "Rspamd is ill."),
        controller_password=SECRET,
        tls_key=SECRET,
        parts={"users": {"generation": 1, "digest": "d"}},
    )
    mailbox = factories.mailbox(password_hash=SECRET, usage_bytes=5 << 20)
    domain = mailbox.domain
    assert domain
    now = timezone.now()
    made: list[models.Model] = [
        apikeys.mint(operator, "Grafana", ["mail:send"])[0],
        Operator.objects.create(user=operator, totp_secret=SECRET, totp_since=timezone.now()),
        RecoveryCode.objects.create(user=operator, digest=SECRET),
        Passkey.objects.create(
            user=operator, name="Phone", host="localhost", credential_id=SECRET, credential=SECRET.encode()
        ),
        OneTimeLink.objects.create(
            user=operator,
            purpose="invitation",
            digest=SECRET,
            made_by="user:operator",
            expires_at=timezone.now(),
        ),
        Session.objects.create(
            session_key="k", session_data=SECRET, expire_date=timezone.now(), user=operator
        ),
        SignInPolicy.objects.create(),
        AuditEntry.objects.create(actor="user:operator", action="relay.update", fields=["host"]),
        Heartbeat.objects.create(name="worker"),
        Process.objects.create(
            machine="web-1", role="web", version="0.4.0", secret_key=SECRET, licence="Orbit Pro"
        ),
        SealingKey.objects.create(number=1, proof=SECRET.encode()),
        FirstStep.objects.create(key="alert"),
        IdempotentRequest.objects.create(
            principal="key:1",
            method="POST",
            path="/api/mail/messages",
            key="k",
            fingerprint=SECRET,
            status=202,
            answer={"id": SECRET},
        ),
        RelaySettings.objects.create(
            pk=1, host="smtp.example.com", username="u", password=SECRET, alert_recipients=["ops@example.com"]
        ),
        message := Message.objects.create(subject="Disk", message_id="<m@x>", body=SECRET.encode()),
        MessageAddress.objects.create(address="ops@example.com", message=message),
        AlertState.objects.create(key="disk", digest="d", message=message),
        LicenceWatch.objects.create(is_entitled=True),
        ExpectedReport.objects.create(
            name="nightly", title="nightly", schedule={"kind": "daily", "at": "02:04"}
        ),
        ExpectedSweep.objects.create(at=timezone.now()),
        Inbox.objects.create(host="imap.example.com", username="u", password=SECRET),
        feedback := Feedback.objects.create(
            message=message, recipient="a@example.com", kind="bounced", source="dsn", report=SECRET
        ),
        EventSource.objects.create(provider="mailgun", token=SECRET, token_digest="d", key=SECRET),
        Suppression.objects.create(address="a@example.com", reason="bounced", feedback=feedback),
        HourlyCount.objects.create(hour=timezone.now(), outcome="sent", number=3),
        Finding.objects.create(
            check_name="disk", level="failed", sentence="Full.", since=now, checked_at=now, told_at=now
        ),
        FindingChange.objects.create(check_name="disk", level="failed", sentence="Full.", at=now),
        stack,
        mailbox,
        domain,
        DkimKey.objects.create(
            domain=domain,
            algorithm="rsa",
            selector="quazzar",
            state="signing",
            private_key=SECRET,
            public_key="MII",
        ),
        factories.alias(),
        ImportJob.objects.create(total=5, done=2, rows=SECRET),
        StackImage.objects.create(service="rspamd", ref="rspamd/rspamd:4.1.5", image_id="sha256:1"),
        ImageUpgrade.objects.create(state="rolled_back", error=error_value("x", "It does not sign.")),
        (journey := Journey.objects.create(message_id="<1@x.test>")),
        JourneyKey.objects.create(key="ada@x.test", journey=journey),
        MailEvent.objects.create(journey=journey, at=now, service="postfix", kind="accepted"),
        LogPosition.objects.create(service="postfix"),
        DomainCheck.objects.create(domain=domain, checked_at=timezone.now()),
        RecordCheck.objects.create(domain=domain, record="spf", expected="v=spf1 mx -all", status="mismatch"),
        RecordChange.objects.create(domain=domain, record="spf", before="ok", status="missing"),
        DomainOptions.objects.create(domain=domain),
        Publisher.objects.create(domain=domain, server="ns.example.com", key_name="k", secret=SECRET),
        ReceivedReport.objects.create(
            domain=domain,
            kind="dmarc",
            organisation="google.com",
            begins=timezone.now(),
            ends=timezone.now(),
            way="mail",
        ),
        ReportedMail.objects.create(
            domain=domain, day="2026-11-20", dkim=True, spf=False, disposition="none", count=3
        ),
        ReportedTls.objects.create(domain=domain, day="2026-11-20", policy="sts", result="ok", count=3),
        Network.objects.create(address="192.0.2.1", reported_on="2026-11-20"),
        RefusedReport.objects.create(day="2026-11-20", why="dates", count=2),
        BlocklistEntry.objects.create(
            subject="192.0.2.1", blocklist="psbl", listed=True, checked_at=timezone.now()
        ),
        BlocklistChange.objects.create(subject="192.0.2.1", blocklist="psbl", listed=True),
        BlocklistRound.objects.create(),
        ProofSchedule.objects.create(pk=1),
        Proof.objects.create(
            nonce="0" * 20,
            way="relay",
            from_address="a@example.com",
            to="b@example.com",
            message_id="<1@example.com>",
        ),
    ]
    return {type(row): row for row in made}


def test_there_is_a_row_of_every_model(rows: Rows) -> None:
    assert set(MODELS) == rows.keys()


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_a_list_and_a_page_for_each_row(
    console: Client, rows: Rows, model: type[models.Model]
) -> None:
    for page in ("changelist", "change"):
        with CaptureQueriesContext(connection) as queries:
            answer = console.get(address(rows[model], page))
        assert answer.status_code == 200
        assert SECRET not in html(answer)
        assert written(queries) == []


def address(row: models.Model, page: str) -> str:
    """The address of one of the pages of the row's model."""
    arguments = [row.pk] if page in ("change", "delete", "history") else []
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=arguments)


def html(answer: Any) -> str:
    return html_of.unescape(answer.content.decode())


def written(queries: CaptureQueriesContext) -> list[str]:
    """The statements that change a table."""
    statements = [query["sql"] for query in queries.captured_queries]
    return [sql for sql in statements if sql.split()[0] in ("INSERT", "UPDATE", "DELETE")]


@pytest.mark.slow
@pytest.mark.long
def test_what_is_shown_as_it_is_stored_is_not_changed_there(console: Client, rows: Rows) -> None:
    for model in some(READ_ONLY, 2):
        row = rows[model]
        assert console.post(address(row, "change"), {"name": "x"}).status_code == 403, model
        assert console.post(address(row, "add"), {"name": "x"}).status_code == 403, model
        assert console.post(address(row, "delete"), {"post": "yes"}).status_code == 403, model
        selected = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        console.post(address(row, "changelist"), selected)
        assert model._base_manager.filter(pk=row.pk).exists(), model


@pytest.mark.slow
@pytest.mark.long
def test_a_model_of_mail_relay_is_behind_the_gate(
    console: Client, rows: Rows, plan: Callable[[str], None]
) -> None:
    for model in GATED:
        assert WALL not in html(console.get(address(rows[model], "changelist"))), model
    plan("community")
    for model in some(GATED, 5):
        for page in ("changelist", "add", "change", "delete", "history"):
            assert WALL in html(console.get(address(rows[model], page))), (model, page)
        assert console.post(address(rows[model], "delete"), {"post": "yes"}).status_code == 402, model


@pytest.mark.slow
@pytest.mark.long
def test_staff_without_the_permission_see_neither_list_nor_row(
    client: Client, other_staff: User, rows: Rows
) -> None:
    client.force_login(other_staff)
    for model in some(MODELS, 3):
        for page in ("changelist", "change"):
            assert client.get(address(rows[model], page)).status_code == 403, (model, page)
        # Redirected to the model's other page, which is just as closed, or from someone else's row to the start page.
        for page in ("add", "delete", "history"):
            assert client.get(address(rows[model], page)).status_code in (302, 403), (model, page)


@pytest.mark.slow
def test_the_permission_to_look_opens_list_and_row(client: Client, other_staff: User, rows: Rows) -> None:
    grant(other_staff, "view_publisher")
    client.force_login(other_staff)
    for page in ("changelist", "change"):
        assert client.get(address(rows[Publisher], page)).status_code == 200
    assert client.get(address(rows[Domain], "changelist")).status_code == 403


@pytest.mark.parametrize(
    ("model", "page", "to"),
    [
        (Domain, "add", "/admin/mail-relay/mailboxes/domains/"),
        (Mailbox, "add", "/admin/mail-relay/mailboxes/list/"),
        (Mailbox, "delete", "/admin/mail-relay/mailboxes/{pk}/"),
        (Alias, "delete", "/admin/mail-relay/mailboxes/aliases/{pk}/"),
    ],
)
def test_where_rows_were_once_added_and_deleted_leads_to_the_tab(
    console: Client,
    rows: Rows,
    model: type[models.Model],
    page: str,
    to: str,
) -> None:
    row = rows[model]
    assert console.get(address(row, page))["Location"] == to.format(pk=row.pk)


@pytest.mark.slow
def test_a_row_tells_what_it_holds_and_where_it_is_changed(console: Client, rows: Rows) -> None:
    page = html(console.get(address(rows[Stack], "change")))
    for words in ("mail.example.com", "Rspamd is ill.", "Certificate key", "saved, sealed"):
        assert words in page
    assert 'href="/admin/mail-relay/mailboxes/server/"' in page


def test_a_secret_that_cannot_be_opened_says_so(
    console: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quazzar.sealing.keyring.existing", lambda: None)
    assert "unreadable" in html(console.get(address(rows[Publisher], "change")))


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [Mailbox, Alias, Domain, RecordCheck, AlertState], ids=lambda model: model.__name__
)
def test_the_number_of_queries_does_not_grow(console: Client, rows: Rows, model: type[models.Model]) -> None:
    def look() -> int:
        with CaptureQueriesContext(connection) as queries:
            console.get(address(rows[model], "changelist"))
        return len(queries)

    look()
    few = look()
    for number in range(1, 12):
        domain = factories.mailbox(f"m{number}@d{number}.example", password_hash="x").domain
        assert domain
        factories.alias(f"a{number}@d{number}.example")
        RecordCheck.objects.create(domain=domain, record="spf", expected="", status="ok")
        message = Message.objects.create(subject=f"m{number}", message_id=f"<{number}@x>", body=b"x")
        AlertState.objects.create(key=f"k{number}", digest="d", message=message)
    assert look() <= few + 1


#: Names of columns as code has them: "told at", "looked for".
_RAW = re.compile(r" (?:at|of|for|since when)$|\b(?:[Tt]old|mb)\b")


def test_columns_have_names_in_plain_english_and_tables_a_sentence(subtests: pytest.Subtests) -> None:
    assert reverse("admin:index")  # by then every page is registered
    for model in MODELS:
        page = admin.site.get_model_admin(model)
        with subtests.test(model=model.__name__):
            assert isinstance(page, RightfulAdmin)
            assert page.about.endswith(".")
            names = [
                label(field) for field in model._meta.fields if field.name not in getattr(page, "hidden", ())
            ]
            assert not [name for name in names if _RAW.search(name)] or not isinstance(page, ReadOnlyAdmin)
