"""Rows become the snapshot that the stack's files are rendered from."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailboxes.models import DkimKey, Mailbox, Stack
from mailboxes.push import snapshots
from mailboxes.push.entries import LOST, AliasEntry, DomainEntry, MailboxEntry, Smarthost, Snapshot
from mailrelay.models import RelaySettings
from mailrelay.relay import authorities
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets the rows that an earlier test has read."""
    monkeypatch.setattr(snapshots, "_entries", {})


# --- rows --------------------------------------------------------------------------------------------------
def test_without_rows_the_snapshot_is_empty() -> None:
    desired = snapshots.take()
    assert desired.snapshot == Snapshot() and desired.frozen == {"tls"}


def test_every_column_arrives() -> None:
    factories.stack(desired_generation=9)
    factories.domain(catch_all="ada@example.com", dkim_selector="s1", dkim_private_key="key\n")
    factories.mailbox(password_hash="hash", quota_mb=5, enabled=False, can_send=False, can_receive=False)
    factories.alias("info@example.com", "ada@example.com", "out@example.net")
    snapshot = snapshots.take().snapshot
    assert snapshot.generation == 9
    assert snapshot.domains == (DomainEntry("example.com", "ada@example.com", "s1", "key\n"),)
    assert snapshot.mailboxes == (
        MailboxEntry(
            "ada@example.com", "example.com/ada", "hash", 5, enabled=False, can_send=False, can_receive=False
        ),
    )
    assert snapshot.aliases == (AliasEntry("info@example.com", ("ada@example.com", "out@example.net")),)


def test_deleted_mailboxes_and_disabled_aliases_are_left_out() -> None:
    factories.mailbox(deleted_at=NOW)
    factories.alias(enabled=False)
    snapshot = snapshots.take().snapshot
    assert (snapshot.mailboxes, snapshot.aliases) == ((), ())


# --- what a push must know besides --------------------------------------------------------------------------
def test_new_are_those_that_the_stack_never_had() -> None:
    factories.mailbox("old@example.com", live_at=NOW)
    factories.mailbox("new@example.com")
    assert snapshots.take().new == {"new@example.com"}


def test_removed_are_those_that_it_may_still_have() -> None:
    factories.mailbox("a@example.com", deleted_at=NOW)
    factories.mailbox("b@example.com", deleted_at=NOW, removed_at=NOW)
    assert snapshots.take().removed == ("a@example.com",)


@pytest.mark.parametrize(
    ("columns", "cut_off"),
    [
        ({"enabled": False, "live_at": NOW}, True),
        ({"password_changed_at": NOW, "live_at": NOW}, True),
        ({"password_changed_at": NOW}, False),
        ({"password_changed_at": NOW, "live_at": NOW, "applied_at": NOW}, False),
        ({"live_at": NOW}, False),
        ({"enabled": False}, False),
        ({"enabled": False, "live_at": NOW, "applied_at": NOW}, False),
        ({"enabled": False, "live_at": NOW, "deleted_at": NOW}, False),
    ],
)
def test_cut_off_are_those_that_were_disabled_or_got_another_password_since(
    columns: dict[str, Any], cut_off: bool
) -> None:
    factories.mailbox(**columns)
    assert snapshots.take().cut_off == (("ada@example.com",) if cut_off else ())


# --- secrets -----------------------------------------------------------------------------------------------
def test_unreadable_secrets_are_named_and_left_out() -> None:
    row = factories.mailbox(password_hash="hash")
    factories.spoil(row, "password_hash")
    domain = factories.domain("b.example")
    factories.spoil(factories.dkim_key(domain, selector="quazzar"), "private_key")
    desired = snapshots.take()
    assert desired.unreadable == {"ada@example.com"}
    assert desired.unreadable_keys == {("b.example", "quazzar")}
    assert desired.snapshot.mailboxes[0].password_hash == ""
    assert desired.snapshot.domains[0].private_key == LOST


def test_what_the_stack_still_has_takes_their_place() -> None:
    factories.spoil(factories.mailbox(password_hash="hash"), "password_hash")
    factories.mailbox("bob@example.com", password_hash="bobs")
    factories.domain("b.example", dkim_private_key="bs")
    factories.spoil(factories.dkim_key(factories.domain("c.example"), selector="quazzar"), "private_key")
    desired = snapshots.take().with_hashes({"ada@example.com": "kept", "bob@example.com": "old"})
    assert [mailbox.password_hash for mailbox in desired.snapshot.mailboxes] == ["kept", "bobs"]
    desired = desired.with_keys({("c.example", "quazzar"): "kept"})
    assert {domain.name: domain.private_key for domain in desired.snapshot.domains} == {
        "example.com": "",
        "b.example": "bs",
        "c.example": "kept",
    }


@pytest.mark.parametrize(("signs", "kept"), [(True, "kept"), (False, "")])
def test_so_does_an_ed25519_key_that_signs(signs: bool, kept: str) -> None:
    state = DkimKey.State.SIGNING if signs else DkimKey.State.WAITING
    key = factories.dkim_key(factories.domain("b.example"), "ed25519", selector="ed", state=state)
    factories.spoil(key, "private_key")
    desired = snapshots.take()
    assert desired.unreadable_keys == ({("b.example", "ed")} if signs else set())
    (domain,) = desired.with_keys({("b.example", "ed"): "kept"} if signs else {}).snapshot.domains
    assert (domain.ed25519_private_key, domain.private_key) == (kept, "")


def test_the_certificate_is_there_as_long_as_its_key_can_be_opened() -> None:
    row = factories.stack(tls_certificate="certificate", tls_key="key")
    assert snapshots.take().certificate == ("certificate", "key")
    factories.spoil(row, "tls_key")
    desired = snapshots.take()
    assert desired.certificate is None and desired.frozen == {"tls"}


@pytest.mark.slow
def test_nothing_secret_is_in_a_repr() -> None:
    factories.stack(tls_certificate="c", tls_key="tls-secret", send_through_relay=True)
    factories.domain(dkim_private_key="dkim-secret")
    factories.mailbox(password_hash="hash-secret")
    relay(username="u", password="relay-secret")
    assert "secret" not in repr(snapshots.take())


# --- smarthost ---------------------------------------------------------------------------------------------
def relay(**columns: Any) -> RelaySettings:
    row = RelaySettings(
        pk=1, host="relay.example", port=587, security="starttls", from_address="node@example.org", **columns
    )
    row.save()
    return row


def test_the_relay_is_the_smarthost_when_it_is_wanted() -> None:
    relay(username="user", password="word")
    assert snapshots.take().snapshot.smarthost is None
    factories.stack(send_through_relay=True)
    trusted = authorities.read().pem
    assert "BEGIN CERTIFICATE" in trusted
    wanted = Smarthost("relay.example", 587, "starttls", "user", "word", trusted)
    assert snapshots.take().snapshot.smarthost == wanted


def test_without_a_relay_mail_goes_straight_out() -> None:
    factories.stack(send_through_relay=True)
    desired = snapshots.take()
    assert desired.snapshot.smarthost is None and "relay" not in desired.frozen


def test_with_an_unreadable_password_the_relay_stays_as_it_is() -> None:
    factories.stack(send_through_relay=True)
    factories.spoil(relay(username="user", password="word"), "password")
    assert "relay" in snapshots.take().frozen


def test_a_relay_that_postfix_cannot_use_stays_out_and_says_why() -> None:
    factories.stack(send_through_relay=True)
    relay(username="a:b", password="word")
    desired = snapshots.take()
    assert desired.snapshot.smarthost is None and "relay" in desired.frozen
    assert "colon" in desired.relay_problem and "word" not in desired.relay_problem


# --- costs -------------------------------------------------------------------------------------------------
def boxes(count: int) -> None:
    domain = factories.domain()
    Mailbox.objects.bulk_create(
        Mailbox(domain=domain, local_part=f"u{n}", address=f"u{n}@example.com", home=f"example.com/u{n}")
        for n in range(count)
    )


@pytest.mark.slow
def test_only_what_changed_is_read_again() -> None:
    boxes(1200)
    Stack.load()
    assert queries() - queries() == 3  # three portions of 500
    few = queries()
    Mailbox.objects.filter(local_part="u7").update(quota_mb=3, generation=1)
    assert queries() == few + 1
    quotas = {mailbox.address: mailbox.quota_mb for mailbox in snapshots.take().snapshot.mailboxes}
    assert quotas["u7@example.com"] == 3 and quotas["u8@example.com"] == 0


def queries() -> int:
    """How many queries one snapshot takes."""
    with CaptureQueriesContext(connection) as captured:
        snapshots.take()
    return len(captured)


def test_what_is_gone_is_forgotten() -> None:
    boxes(3)
    snapshots.take()
    Mailbox.objects.all().delete()
    assert snapshots.take().snapshot.mailboxes == () and snapshots._entries == {}


def test_what_could_not_be_opened_is_tried_again() -> None:
    row = factories.mailbox(password_hash="hash")
    factories.spoil(row, "password_hash")
    assert snapshots.take().unreadable
    Mailbox.objects.update(password_hash="hash")  # the key is back: no generation tells
    assert snapshots.take().snapshot.mailboxes[0].password_hash == "hash"
