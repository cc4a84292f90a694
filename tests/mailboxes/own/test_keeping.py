"""Quazzar's own mailbox is created, repaired and stopped by the same call, and changes nothing that is right."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mailboxes.certificates import pem
from mailboxes.models import Mailbox, Stack
from mailboxes.own import keeping, places, standing
from mailboxes.provisioning import deadends, passwords
from mailboxes.provisioning.aliases import add_alias
from mailboxes.provisioning.mailboxes import add_mailbox
from mailboxes.push import parts, render, snapshots
from mailboxes.stack import control
from mailrelay.inbox import owned
from mailrelay.models import Inbox, RelaySettings
from mailrelay.relay import ownserver
from mailrelay.relay.settings import relay_changed
from quazzar.errors import AlreadyExists
from quazzar.models import AuditEntry
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db
HOST, ADDRESS = "mail.example.com", "quazzar@mail.example.com"
CERTIFICATE, KEY = pem.self_signed(HOST, datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture
def stack() -> Stack:
    return factories.stack(enabled=True, hostname=HOST, tls_certificate=CERTIFICATE, tls_key=KEY)


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_IN_A_CONTAINER", ())
    monkeypatch.delenv("DOCKER_HOST", raising=False)


def inbox() -> Inbox:
    row = owned.row()
    assert row is not None
    return row


def password() -> str:
    secret = inbox().password
    assert secret is not None
    return str(secret.reveal())


def test_the_mailbox_and_its_inbox_are_created_together(stack: Stack) -> None:
    keeping.keep()
    row, read = Stack.load(), inbox()
    assert row.own_address == read.username == ADDRESS
    assert row.own_password_hash is not None
    assert passwords.verify(row.own_password_hash.reveal(), password())
    assert (read.host, read.port, read.security) == ("127.0.0.1", 993, "tls")
    assert read.certificates == [places.fingerprint(CERTIFICATE)]
    assert row.desired_generation == stack.desired_generation + 1
    assert AuditEntry.objects.get().action == "own_mailbox.added"
    assert not Mailbox.objects.exists()


def test_the_second_call_changes_nothing(stack: Stack, django_assert_max_num_queries: Any) -> None:
    keeping.keep()
    before, generation = password(), Stack.load().desired_generation
    with django_assert_max_num_queries(10):
        keeping.keep()
    assert (password(), Stack.load().desired_generation) == (before, generation)


@pytest.mark.parametrize("columns", [{"enabled": False}, {"own_mailbox": False}])
def test_without_a_stack_or_when_it_is_switched_off_there_is_none(columns: dict[str, bool]) -> None:
    factories.stack(**{"enabled": True, "hostname": HOST, **columns})
    keeping.keep()
    assert owned.row() is None
    assert Stack.load().own_address == ""


def test_a_lost_inbox_or_an_unreadable_password_is_renewed(stack: Stack) -> None:
    keeping.keep()
    first = password()
    Inbox.objects.all().delete()
    keeping.keep()
    second = password()
    Stack.objects.update(own_password_hash=None)
    keeping.keep()
    assert len({first, second, password()}) == 3
    hashed = Stack.load().own_password_hash
    assert hashed is not None and passwords.verify(hashed.reveal(), password())


def test_another_certificate_is_trusted_with_the_old_one_until_it_is_in_force(stack: Stack) -> None:
    keeping.keep()
    other, key = pem.self_signed(HOST)
    Stack.objects.update(tls_certificate=other, tls_key=key)
    keeping.keep()
    assert inbox().certificates == [places.fingerprint(other), places.fingerprint(CERTIFICATE)]
    Stack.objects.update(applied_generation=Stack.load().desired_generation)
    keeping.keep()
    assert inbox().certificates == [places.fingerprint(other)]


def test_it_is_read_once_the_server_runs(stack: Stack) -> None:
    for phase, read in (("starting", False), ("healthy", True), ("degraded", True), ("stopping", False)):
        Stack.objects.update(phase=phase)
        keeping.keep()
        assert inbox().enabled is read


def test_the_host_that_answered_stays_the_first_one(stack: Stack) -> None:
    keeping.keep()
    assert owned.hosts(inbox()) == ("127.0.0.1", HOST)
    Inbox.objects.update(host=HOST)
    keeping.keep()
    assert owned.hosts(inbox()) == (HOST, "127.0.0.1")
    Inbox.objects.update(host="the-gateway-of-another-container")
    assert owned.hosts(inbox()) == ("127.0.0.1", HOST)


def test_the_address_of_somebody_else_is_not_taken(stack: Stack) -> None:
    factories.mailbox(ADDRESS)
    keeping.keep()
    assert Stack.load().own_address == f"quazzar-2@{HOST}"


def test_it_follows_the_hostname(stack: Stack) -> None:
    keeping.keep()
    home = Stack.load().own_home
    Stack.objects.update(hostname="mx.example.net")
    keeping.keep()
    assert (Stack.load().own_address, inbox().username) == ("quazzar@mx.example.net",) * 2
    assert Stack.load().own_home == home


def test_nobody_can_get_its_address(stack: Stack) -> None:
    keeping.keep()
    domain = factories.domain(HOST)
    with pytest.raises(AlreadyExists, match="Quazzar's own mailbox"):
        add_mailbox(domain.pk, "quazzar")
    with pytest.raises(AlreadyExists, match="Quazzar's own mailbox"):
        add_alias(domain.pk, "quazzar", ["anna@example.net"])


def test_the_running_stack_gets_its_addresses_but_not_those_of_operators(stack: Stack) -> None:
    keeping.keep()
    factories.domain("example.com")
    factories.alias("dmarc@example.com", "anna@example.net", enabled=False)
    snapshot = snapshots.take().snapshot
    table = render.aliases_table(snapshot).decode().splitlines()
    assert f"bounces@example.com {ADDRESS}" in table
    assert f"tlsrpt@example.com {ADDRESS}" in table
    assert f"{ADDRESS} {ADDRESS}" in table
    assert not [line for line in table if line.startswith(("dmarc@", f"{HOST} "))]
    assert f"{HOST} ok" in render.domains_table(snapshot).decode()
    senders = render.senders_table(snapshot).decode().splitlines()
    assert f"bounces@example.com {ADDRESS}" in senders, "delivery proofs are sent from there"
    assert not [line for line in senders if line.startswith((ADDRESS, "dmarc@"))]
    assert f"{ADDRESS}:{{ARGON2ID}}" in render.users(snapshot).decode()
    assert parts.bundle(snapshot, ("", ""))
    shown = standing.read(Stack.load())
    assert shown.addresses == ["bounces@example.com", "tlsrpt@example.com"]
    assert [(other.address, other.kind) for other in shown.not_ours] == [("dmarc@example.com", "alias")]


def test_mail_that_an_operator_forwards_there_arrives(stack: Stack) -> None:
    keeping.keep()
    domain = factories.domain("example.com")
    row = add_alias(domain.pk, "reports", ["dmarc@example.com", ADDRESS])
    assert row.destinations == ["dmarc@example.com", ADDRESS]
    assert deadends.of_aliases([row]) == {row.pk: []}


def test_once_switched_off_it_leaves_the_stack_in_order(stack: Stack) -> None:
    Stack.objects.update(phase="healthy")
    keeping.keep()
    assert inbox().enabled
    control.change(own_mailbox=False)
    keeping.keep()
    desired = snapshots.take()
    assert desired.removed == (ADDRESS,)
    assert (desired.snapshot.mailboxes, desired.snapshot.own, desired.snapshot.own_roles) == ((), "", ())
    assert not inbox().enabled


def test_a_relay_that_is_this_mail_server_may_have_bounces_there_at_once(stack: Stack) -> None:
    keeping.keep()
    factories.mailbox("node@example.com")
    generation = Stack.load().desired_generation
    RelaySettings.objects.create(pk=1, username="Node@example.com", bounce_address="bounces@Example.com")
    relay_changed.send(sender=RelaySettings)
    assert Stack.load().desired_generation == generation + 1
    found = snapshots.take().snapshot
    assert (found.bounce_address, found.relay_login) == ("bounces@example.com", "node@example.com")
    assert not ownserver.takes("Node@example.com", "bounces@example.com"), (
        "the running mail server was not told yet"
    )
    assert ownserver.takes("Node@example.com", "node@example.com")
    assert ownserver.takes("somebody@else.example", "bounces@example.com"), "another server is not asked"
    Stack.objects.update(applied_generation=generation + 1)
    assert ownserver.takes("Node@example.com", "bounces@example.com")
    for other in ({"username": "somebody@else.example"}, {"bounce_address": "node@example.com"}):
        RelaySettings.objects.update(**other)
        found = snapshots.take().snapshot
        assert (found.bounce_address, found.relay_login) == ("", "")


def test_it_is_nobody_who_gets_the_mail_for_postmaster(stack: Stack) -> None:
    keeping.keep()
    factories.domain("example.com")
    assert ADDRESS not in snapshots.take().snapshot.operators
