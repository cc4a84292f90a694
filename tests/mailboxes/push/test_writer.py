"""Changes of the rows come into the running stack in the order that loses no mail, each in one push."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailboxes.models import Domain, Mailbox, Stack
from mailboxes.provisioning.mailboxes import change_mailbox
from mailboxes.push import snapshots, writer
from mailboxes.stack import control, reconcile
from tests.mailboxes import factories
from tests.mailboxes.stack.rowchanges import OTHER_HASH, add, change, changed, push, remove
from tests.mailboxes.stackengine import StackEngine


@pytest.fixture
def ada(up: StackEngine) -> Mailbox:
    return Mailbox.objects.get()


# --- order -------------------------------------------------------------------------------------------------
def test_added_there_is_a_place_for_mail_before_mail_is_accepted(up: StackEngine) -> None:
    add("bob")
    assert push(up) == ["users", "bundle"]
    assert set(up.users()) == up.accepted() == {"ada@example.com", "bob@example.com"}


def test_removed_no_mail_is_accepted_before_its_place_goes_and_sessions_end_last(
    up: StackEngine, ada: Mailbox
) -> None:
    remove(ada)
    assert push(up) == ["bundle", "users", "kick"]
    assert up.users() == {} and up.accepted() == set() and up.kicked == ["ada@example.com"]


def test_added_and_removed_at_once_both_orders_hold(up: StackEngine, ada: Mailbox) -> None:
    add("bob")
    remove(ada)
    assert push(up) == ["users", "bundle", "users", "kick"]
    between = up.pushes[0].files["users"]
    assert b"bob@example.com:" in between and b"ada@example.com:{CRYPT}*:" in between
    assert set(up.users()) == {"bob@example.com"} and up.kicked == ["ada@example.com"]


def test_an_address_made_again_gets_its_new_place(up: StackEngine, ada: Mailbox) -> None:
    remove(ada)
    add("ada", home="example.com/ada..2", password_hash=OTHER_HASH)
    push(up)
    assert (
        up.users() == {"ada@example.com": OTHER_HASH}
        and b"/srv/vmail/example.com/ada..2:" in up.config["users"].data
    )
    assert up.kicked == ["ada@example.com"] and all(
        row.removed_at or row.synced for row in Mailbox.objects.all()
    )


def test_a_password_is_written_to_the_users_file_alone(up: StackEngine, ada: Mailbox) -> None:
    change(ada, password_hash=OTHER_HASH)
    assert push(up) == ["users"]
    assert up.users() == {"ada@example.com": OTHER_HASH}


def test_an_alias_is_written_to_the_tables_alone(up: StackEngine, ada: Mailbox) -> None:
    changed(factories.alias())
    assert push(up) == ["bundle"]
    assert up.pushes[0].actions == ("tables",) and set(up.pushes[0].files) == {
        "postfix/domains",
        "postfix/mailboxes",
        "postfix/aliases",
        "postfix/senders",
        "postfix/port25_commands",
        "postfix/submission_commands",
        "rspamd/domains.map",
        "rspamd/mailboxes.map",
    }


def test_a_domain_brings_its_key_with_its_tables(up: StackEngine) -> None:
    changed(factories.domain("second.example", dkim_private_key="second\n"))
    assert push(up) == ["bundle"]
    assert up.pushes[0].actions == ("tables", "dkim") and "keys/second.example.quazzar" in up.keys


def test_a_domain_that_goes_takes_its_key_along(up: StackEngine, ada: Mailbox) -> None:
    remove(ada)
    ada.domain.delete()  # type: ignore[union-attr]
    push(up)
    assert not up.keys


def test_a_certificate_is_reloaded_once_both_files_are_there(up: StackEngine) -> None:
    factories.stack(tls_certificate="new\n", tls_key="new key\n", desired_generation=2)
    assert push(up) == ["bundle", "doveadm reload"]
    assert up.pushes[0].actions == ("reload",) and set(up.pushes[0].files) == {"tls/tls.key", "tls/tls.crt"}


def test_the_relay_comes_with_a_reload(up: StackEngine, relay: Any) -> None:
    control.change(send_through_relay=True)
    assert push(up) == ["bundle"]
    assert (
        up.pushes[0].actions == ("relay", "reload") and up.in_force["relayhost"] == b"[relay.example]:2525\n"
    )


@pytest.mark.slow
def test_many_changes_are_one_push(up: StackEngine) -> None:
    for number in range(30):
        add(f"user{number}")
    assert push(up) == ["users", "bundle"] and len(up.accepted()) == 31
    assert Stack.load().applied_generation == Stack.load().desired_generation


def test_what_changes_no_file_is_confirmed_without_a_write(up: StackEngine, ada: Mailbox) -> None:
    change(ada, display_name="Ada")
    assert push(up) == []
    ada.refresh_from_db()
    assert ada.synced


# --- the directory fresh -----------------------------------------------------------------------------------
def fresh(stack: StackEngine) -> list[str]:
    """Addresses with a line there; each line is also in the users file."""
    assert {*stack.fresh} <= {*stack.config["users"].data.decode().splitlines()}
    return sorted(line.partition(":")[0] for line in stack.fresh)


@pytest.mark.slow
def test_who_cannot_wait_is_fresh_for_some_seconds(
    up: StackEngine, ada: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("mailboxes.push.writer.time", lambda: now)
    bob = add("bob")
    push(up)
    assert fresh(up) == ["bob@example.com"]
    change_mailbox(ada.pk, {"password": "correct horse"})
    now += 1
    push(up)
    assert fresh(up) == ["ada@example.com", "bob@example.com"]
    remove(bob)
    now += 1
    push(up)
    assert fresh(up) == ["ada@example.com"]
    now += 2
    change(ada, quota_mb=5)
    push(up)
    assert fresh(up) == []


@pytest.mark.slow
def test_of_many_a_hundred_are_fresh_and_first_those_that_are_already(up: StackEngine) -> None:
    add("zoe")
    push(up)
    for number in range(120):
        add(f"user{number}")
    push(up)
    assert len(up.fresh) == 100 and "zoe@example.com" in fresh(up)


# --- sessions ----------------------------------------------------------------------------------------------
def test_who_is_disabled_is_out_at_once_and_still_gets_mail(up: StackEngine, ada: Mailbox) -> None:
    change(ada, enabled=False)
    assert push(up) == ["users", "kick"]
    assert up.users() == {"ada@example.com": "{CRYPT}*"} and up.accepted() == {"ada@example.com"}


@pytest.mark.slow
def test_another_password_ends_the_sessions_of_before_once(up: StackEngine, ada: Mailbox) -> None:
    add("bob")
    push(up)
    for columns in ({"password": "correct horse"}, {"password": None}):
        up.forget()
        change_mailbox(ada.pk, columns)
        assert push(up) == ["users", "kick"] and up.kicked == ["ada@example.com"]
    up.forget()
    change_mailbox(ada.pk, {"quota_mb": 9, "password": ""})
    assert push(up) == ["users"]


@pytest.mark.slow
def test_nobody_else_is_disturbed(up: StackEngine, ada: Mailbox) -> None:
    add("bob")
    for columns in ({"password_hash": None}, {"quota_mb": 5}, {"can_send": False}, {"display_name": "A"}):
        change(ada, **columns)
        push(up)
        assert up.kicked == [], columns


def test_one_that_was_added_disabled_has_nothing_to_be_put_out_of(up: StackEngine, ada: Mailbox) -> None:
    change(ada, enabled=False)
    add("bob", enabled=False)
    push(up)
    assert "bob@example.com" not in up.kicked


@pytest.mark.slow
def test_many_are_put_out_in_few_commands(up: StackEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_KICKS", 4)
    rows = [add(f"user{number}") for number in range(10)]
    push(up)
    for row in rows:
        remove(row)
    assert push(up) == ["bundle", "users", "kick", "kick", "kick"] and len(up.kicked) == 10


def test_sessions_that_cannot_be_ended_are_tried_again(up: StackEngine, ada: Mailbox) -> None:
    up.exits["kick"] = [1]
    remove(ada)
    assert push(up) == ["bundle", "users"]
    assert (Stack.load().last_error or {})["code"] == "kick_failed"
    ada.refresh_from_db()
    assert ada.removed_at is None
    reconcile.converge(quiet=True)
    ada.refresh_from_db()
    assert up.kicked == ["ada@example.com"] and ada.removed_at and Stack.load().phase == "healthy"


# --- bookkeeping -------------------------------------------------------------------------------------------
def test_what_arrived_says_since_when(up: StackEngine) -> None:
    rows = [add("bob"), changed(factories.alias()), changed(factories.domain("second.example"))]
    push(up)
    for row in rows:
        row.refresh_from_db()
        assert row.applied_at == row.live_at is not None


def test_a_later_change_keeps_when_it_first_went_live(up: StackEngine, ada: Mailbox) -> None:
    first = ada.live_at
    change(ada, quota_mb=7)
    push(up)
    ada.refresh_from_db()
    assert ada.live_at == first and ada.applied_at is not None and ada.applied_at > (first or ada.applied_at)


def test_what_changed_meanwhile_is_not_taken_for_arrived(up: StackEngine) -> None:
    bob = add("bob")

    def look(method: str) -> None:
        assert not Mailbox.objects.get(pk=bob.pk).synced

    def meanwhile(method: str) -> None:
        up.before = look
        change(Mailbox.objects.get(pk=bob.pk), password_hash=OTHER_HASH)

    up.before = meanwhile
    assert push(up) == ["users", "bundle", "users"]
    bob.refresh_from_db()
    assert bob.synced and up.users()["bob@example.com"] == OTHER_HASH


def test_one_deleted_while_it_is_brought_in_goes_in_the_next_round(up: StackEngine) -> None:
    bob = add("bob")

    def meanwhile(method: str) -> None:
        up.before = lambda method: None
        remove(bob)

    up.before = meanwhile
    assert push(up) == ["users", "bundle", "bundle", "users", "kick"]
    bob.refresh_from_db()
    assert bob.removed_at and set(up.users()) == up.accepted() == {"ada@example.com"}


def test_one_deleted_while_the_writer_starts_still_leaves_the_tables_first(
    up: StackEngine, ada: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = snapshots.take

    def late() -> snapshots.Desired:
        monkeypatch.setattr(snapshots, "take", take)
        remove(ada)
        return take()

    monkeypatch.setattr(snapshots, "take", late)
    add("bob")
    assert push(up) == ["users", "bundle", "users", "kick"]
    assert set(up.users()) == up.accepted() == {"bob@example.com"} and up.kicked == ["ada@example.com"]


def test_what_comes_during_a_sweep_is_brought_in_without_another_look(up: StackEngine) -> None:
    reconcile.converge(quiet=True)
    last = len(up.calls)
    up.forget()

    def late(method: str) -> None:
        if len(up.calls) == last - 1:
            up.before = lambda method: None
            add("bob")

    up.before = late
    reconcile.converge(quiet=True)
    assert up.done == ["users", "bundle"] and "bob@example.com" in up.users()
    assert {method for method, _ in up.calls[last:]} <= {"run", "close"}


def test_one_deleted_while_the_rows_are_read_is_not_taken_for_gone(
    up: StackEngine, ada: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = snapshots._smarthost

    def late(stack: Stack) -> Any:
        monkeypatch.setattr(snapshots, "_smarthost", read)
        remove(ada)
        return read(stack)

    monkeypatch.setattr(snapshots, "_smarthost", late)
    add("bob")
    # In the second round it leaves as it should: out of the tables first.
    assert push(up) == ["users", "bundle", "kick", "bundle", "users", "kick"]


def test_one_deleted_before_it_ever_arrived_is_removed_without_a_trace(up: StackEngine) -> None:
    bob = add("bob")
    remove(bob)
    push(up)
    bob.refresh_from_db()
    assert bob.removed_at and bob.live_at is None and up.pushes == []


# --- costs -------------------------------------------------------------------------------------------------
def cost(engine: StackEngine) -> tuple[int, int]:
    """Calls of the engine and queries of a push of one added mailbox."""
    factories.mailbox(f"n{Mailbox.objects.count()}@example.com", generation=9)
    Stack.objects.update(desired_generation=Stack.load().desired_generation + 9)
    engine.forget()
    with CaptureQueriesContext(connection) as queries:
        reconcile.converge(fast=True)
    assert engine.done == ["users", "bundle"]
    return len(engine.calls), len(queries)


@pytest.mark.slow
def test_a_push_costs_two_commands_and_no_more_queries_with_many_mailboxes(up: StackEngine) -> None:
    few = cost(up)
    rows = [
        Mailbox(
            domain=Domain.objects.get(),
            local_part=f"u{n}",
            address=f"u{n}@example.com",
            home=f"example.com/u{n}",
        )
        for n in range(400)
    ]
    Mailbox.objects.bulk_create(rows)
    cost(up)
    assert cost(up) == few and few[0] == 2


def test_no_secret_is_in_an_argument_or_a_log(up: StackEngine, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        add("bob", password_hash=OTHER_HASH)
        push(up)
    assert OTHER_HASH not in str([ran.argv for ran in up.commands]) + caplog.text
