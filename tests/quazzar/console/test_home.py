"""Home: what each operator sees of the node, what it costs, and no outdated results after the worker died."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from mailrelay.models import HourlyCount, Message, RelaySettings, envelope
from quazzar import actors
from quazzar.access import audit
from quazzar.console.shown import moment
from quazzar.models import Finding, Heartbeat, Operator
from quazzar.monitoring import findings
from tests.mailboxes import factories
from tests.mailboxes.consolepages import running
from tests.mailrelay.queue.test_counts import plan as query_plan

HOME, NOW, CHARTS, LATEST = "/admin/", "/admin/home/now/", "/admin/home/charts/", "/admin/home/latest/"


@pytest.fixture
def alive(db: None) -> None:
    """A worker that has just checked everything."""
    Heartbeat.objects.create(name="worker")
    findings.look()


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def seen_by(client: Client, other_staff: User) -> Callable[[str], str]:
    """The page as an operator with this role sees it."""

    def see(role: str) -> str:
        other_staff.groups.set([Group.objects.get(name=role)] if role else [])
        client.force_login(other_staff)
        return text(client.get(HOME))

    return see


def text(answer: Any) -> str:
    return unescape(answer.content.decode())


def line(page: str) -> str:
    found = re.search(r'id="line">(.*?)</p>', page)
    return re.sub(r"<[^>]+>", "", found[1]) if found else ""


def states(page: str) -> dict[str, str]:
    return dict(re.findall(r'data-area="([a-z]+)" data-state="([a-z]+)"', page))


def sent(minutes: int, **fields: Any) -> Message:
    at = timezone.now() - timedelta(minutes=minutes)
    return Message.objects.create(
        status="sent",
        subject="Disk full",
        to=["ops@example.com"],
        message_id="<1@x>",
        **envelope(["ops@example.com"]),
        created_at=at,
        sent_at=at,
        **fields,
    )


def delivered() -> None:
    """A mail was sent two minutes ago, and a check has seen that."""
    RelaySettings.objects.update(updated_at=timezone.now() - timedelta(days=1))
    sent(2)
    findings.look(names=["relay"])


# --- the line and the tiles


@pytest.mark.slow
def test_the_console_opens_home(console: Client, alive: None) -> None:
    page = text(console.get(HOME))
    assert re.search(r"<title>\s*Home", page)
    assert line(page) == "No mail has been sent yet."
    assert states(page)["relay"] == "off"


@pytest.mark.slow
def test_a_delivery_turns_home_green(console: Client, relay: RelaySettings, alive: None) -> None:
    delivered()
    page = text(console.get(HOME))
    assert line(page) == "Mail works. Last delivery 2 min ago."
    assert states(page)["relay"] == "works"


@pytest.mark.slow
def test_a_refused_password_is_said_with_its_time(console: Client, relay: RelaySettings, alive: None) -> None:
    at = timezone.now()
    RelaySettings.objects.update(updated_at=at - timedelta(days=1))
    error = {
        "stage": "auth",
        "code": 535,
        "message": "5.7.8 Error: authentication failed",
        "at": at.isoformat(),
    }
    Message.objects.create(status="retrying", message_id="<1@x>", last_error=error, created_at=at)
    findings.look(names=["relay"])
    page = text(console.get(HOME))
    assert line(page) == f"Mail has been failing at sign-in since {strip_tags(moment(at))}."
    assert states(page)["relay"] == "failing"


@pytest.mark.slow
def test_a_dead_worker_is_said_and_nothing_is_shown_as_well(
    console: Client, relay: RelaySettings, alive: None
) -> None:
    delivered()
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Finding.objects.update(checked_at=an_hour_ago)
    Heartbeat.objects.update(at=an_hour_ago)
    page = text(console.get(HOME))
    assert line(page) == f"The worker has not reported since {strip_tags(moment(an_hour_ago))}."
    assert states(page)["relay"] == "unknown"
    assert states(page)["node"] == "failing"


@pytest.mark.slow
def test_a_part_that_has_not_changed_is_not_sent_again(console: Client, alive: None) -> None:
    first = console.get(CHARTS)
    seen = re.search(r'name="seen" value="(\w+)"', text(first))
    assert seen
    assert console.get(CHARTS, {"seen": seen[1]}).status_code == 204
    assert console.get(CHARTS, {"seen": "other"}).status_code == 200


# --- what happened last


def test_deliveries_failures_changes_and_sign_ins_stand_by_their_time(console: Client, alive: None) -> None:
    sent(3)
    error = {"stage": "recipient", "code": 550, "message": "No <such> user", "at": timezone.now().isoformat()}
    failed = Message.objects.create(
        status="failed", subject="Cron", to=["x@y.org"], message_id="<2@x>", last_error=error
    )
    with actors.acting_as("user:anna"):
        audit.record("operator.signed_in", "anna")
        audit.record("operator.signed_out", "anna")
        audit.record("relay.changed", "", ["host"])
    page = console.get(LATEST).content.decode()
    kinds = re.findall(r'data-kind="([a-z-]+)"', page)
    assert sorted(kinds[:3]) == ["change", "failed", "sign-in"]
    assert kinds[3:] == ["sent"]
    assert "was not delivered to x@y.org: No &lt;such&gt; user" in page
    assert "</a> changed the relay settings: host" in " ".join(page.split())
    assert f'href="/admin/mailrelay/message/{failed.pk}/change/"' in page


# --- who sees what


#: Role → the areas of its tiles, and whether there are charts, messages and the audit log.
ROLES = {
    "Owner": ({"relay", "server", "dns", "queue", "certificate", "licence", "node", "reports"}, True, True),
    "Mail admin": (
        {"relay", "server", "dns", "queue", "certificate", "licence", "node", "reports"},
        True,
        False,
    ),
    "Sender": ({"queue", "licence", "node"}, True, False),
    "Viewer": ({"relay", "server", "dns", "queue", "certificate", "licence", "node", "reports"}, True, False),
}


@pytest.mark.slow
def test_the_queue_tile_tells_apart_what_waits_where(console: Client, alive: None) -> None:
    waits = {"count": 3, "oldest_at": timezone.now().isoformat(), "reasons": []}
    factories.stack(enabled=True, hostname="mail.example.com", mail_queue=waits)
    page = console.get("/admin/").content.decode()
    tile = strip_tags(page[page.index('data-area="queue"') :].partition("</li>")[0])
    facts = re.findall(r"Waiting (for the relay|in Postfix)\s*(\d+)", tile)
    assert facts == [("for the relay", "0"), ("in Postfix", "3")]


@pytest.mark.slow
def test_each_role_sees_what_it_may(
    seen_by: Callable[[str], str], relay: RelaySettings, alive: None, subtests: pytest.Subtests
) -> None:
    sent(2)
    audit.record("relay.changed")
    for role, (areas, charts, log) in ROLES.items():
        with subtests.test(role=role):
            page = seen_by(role)
            assert set(states(page)) == areas
            assert ("data-chart" in page, 'data-kind="sent"' in page) == (charts, charts)
            assert ('data-kind="change"' in page) is log


@pytest.mark.slow
def test_no_link_leads_to_a_page_that_the_operator_may_not_open(
    client: Client, seen_by: Callable[[str], str], relay: RelaySettings, alive: None
) -> None:
    running()
    factories.domain()
    sent(2)
    for role in ROLES:
        main = seen_by(role).partition('<main id="main"')[2]
        for address in set(re.findall(r'href="(/admin/[^"#]*)', main)):
            assert client.get(address).status_code in (200, 302), (role, address)


def test_an_operator_without_a_role_gets_a_sentence(seen_by: Callable[[str], str], alive: None) -> None:
    page = seen_by("")
    assert "You have no role yet" in page
    assert not states(page)
    assert "data-chart" not in page


# --- plans


@pytest.mark.slow
def test_on_the_free_plan_home_says_what_still_works(
    console: Client, plan: Callable[[str], None], relay: RelaySettings, alive: None
) -> None:
    delivered()
    plan("community")
    page = text(console.get(HOME))
    assert "Orbit Community does not include Mail Relay</h2>" in page
    assert "refused with 402" in page
    assert line(page).startswith("Mail works.")
    for part in (NOW, CHARTS, LATEST):
        assert console.get(part, headers={"HX-Request": "true"}).status_code == 200
    plan("pro")
    assert "does not include Mail Relay" not in text(console.get(HOME))


@pytest.mark.slow
def test_without_a_licence_it_is_the_next_step_and_nothing_leads_to_a_locked_page(
    console: Client, plan: Callable[[str], None], alive: None
) -> None:
    plan("community")
    page = text(console.get(NOW))
    assert re.findall(r'h-current" data-step="([a-z ]+)"', page) == ["licence"]
    assert 'href="/admin/?upgrade=1"' in page
    assert "/admin/mail-relay/" not in page and "Set up a relay" not in page
    plan("pro")
    page = text(console.get(NOW))
    assert 'data-step="licence"' not in page and "Set up a relay" in page


# --- first steps


@pytest.mark.slow
def test_the_steps_can_be_hidden_and_called_back(console: Client, operator: User, alive: None) -> None:
    page = text(console.get(HOME))
    assert "First steps" in page
    assert 'id="steps-show"' not in page
    assert console.post("/admin/home/first-steps/", {"hide": "1"})["Location"] == HOME
    assert 'id="steps-title"' not in text(console.get(HOME))
    assert 'id="steps-show"' in text(console.get(HOME))
    console.post("/admin/home/first-steps/", {"show": "1"})
    assert 'id="steps-title"' in text(console.get(HOME))
    assert Operator.objects.get(user=operator).checklist == "shown"


@pytest.mark.slow
def test_reading_the_address_of_the_choice_changes_nothing(console: Client, alive: None) -> None:
    assert console.get("/admin/home/first-steps/", {"hide": "1"}).status_code == 302
    assert 'id="steps-title"' in text(console.get(HOME))


# --- what it costs


def filled(number: int) -> None:
    """A node with so many messages of each kind, hours, entries of the audit log, domains and mailboxes."""
    for at in range(number):
        sent(at)
        Message.objects.create(
            status="failed", message_id="<f@x>", last_error={"stage": "data", "message": "no"}
        )
        audit.record("relay.changed")
        hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=at)
        HourlyCount.objects.create(hour=hour, outcome="sent", number=at)
        factories.domain(name=f"d{at}-{number}.example")


@pytest.mark.slow
def test_the_number_of_queries_does_not_grow(console: Client, relay: RelaySettings, alive: None) -> None:
    running()
    counted = []
    for number in (1, 30):
        filled(number)
        HourlyCount.objects.all().delete()
        with CaptureQueriesContext(connection) as queries:
            console.get(HOME)
        counted.append(len(queries))
    assert counted[0] == counted[1]
    assert counted[0] <= 50


@pytest.mark.slow
def test_no_query_reads_its_way_through_the_history(
    console: Client, relay: RelaySettings, alive: None
) -> None:
    running()
    filled(3)
    with CaptureQueriesContext(connection) as queries:
        console.get(HOME)
    if connection.vendor != "sqlite":
        pytest.skip("query plans are read as SQLite writes them")
    for query in queries:
        if query["sql"].startswith("SELECT"):
            how = query_plan(query["sql"])
            for table in ("mailrelay_message", "quazzar_auditentry", "mailboxes_mailbox"):
                bounded = " LIMIT " in query["sql"] and f"SCAN {table}" in how and "TEMP B-TREE" not in how
                assert f"SCAN {table}" not in how or bounded, (query["sql"], how)
