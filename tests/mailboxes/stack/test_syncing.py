"""Changes of the rows come into the running stack in the order that loses no mail, each in one push."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailboxes import snapshots, stacksettings
from mailboxes.enginetypes import Result
from mailboxes.models import Domain, Mailbox, Stack
from mailboxes.stack import reconcile, syncing
from tests.fakes import Killed
from tests.mailboxes import factories
from tests.mailboxes.stackengine import StackEngine

HASH = factories.HASH
OTHER_HASH = HASH[:-1] + "B"


def add(local_part: str, **columns: Any) -> Mailbox:
    """A mailbox that the operator has just added."""
    return changed(factories.mailbox(f"{local_part}@example.com", **columns))


def change(row: Any, **columns: Any) -> Any:
    """What the operator has just changed of a row."""
    for name, value in columns.items():
        setattr(row, name, value)
    return changed(row)


def changed(row: Any) -> Any:
    stack = Stack.load()
    stack.desired_generation += 1
    stack.save(update_fields=["desired_generation"])
    row.generation, row.applied_at = stack.desired_generation, None
    row.save()
    return row


def remove(row: Mailbox) -> None:
    change(row, deleted_at=timezone.now())


def push(engine: StackEngine) -> list[str]:
    """What a push does, in order."""
    engine.forget()
    reconcile.converge(fast=True)
    return [*engine.done]


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
        "postfix/domains", "postfix/mailboxes", "postfix/aliases", "postfix/senders",
        "rspamd/domains.map", "rspamd/mailboxes.map",
    }  # fmt: skip


def test_a_domain_brings_its_key_with_its_tables(up: StackEngine) -> None:
    changed(factories.domain("second.example", dkim_private_key="second\n"))
    assert push(up) == ["bundle"]
    assert up.pushes[0].actions == ("tables", "dkim") and "second.example.quazzar.private" in up.keys


def test_a_domain_that_goes_takes_its_key_along(up: StackEngine, ada: Mailbox) -> None:
    remove(ada)
    ada.domain.delete()  # type: ignore[union-attr]
    push(up)
    assert set(up.keys) == {"KeyTable", "SigningTable"}


def test_a_certificate_is_reloaded_once_both_files_are_there(up: StackEngine) -> None:
    factories.stack(tls_certificate="new\n", tls_key="new key\n", desired_generation=2)
    assert push(up) == ["bundle", "doveadm reload"]
    assert up.pushes[0].actions == ("reload",) and set(up.pushes[0].files) == {"tls/tls.key", "tls/tls.crt"}


def test_the_relay_comes_with_a_reload(up: StackEngine, relay: Any) -> None:
    stacksettings.change(send_through_relay=True)
    assert push(up) == ["bundle"]
    assert (
        up.pushes[0].actions == ("relay", "reload") and up.in_force["relayhost"] == b"[relay.example]:2525\n"
    )


def test_many_changes_are_one_push(up: StackEngine) -> None:
    for number in range(30):
        add(f"user{number}")
    assert push(up) == ["users", "bundle"] and len(up.accepted()) == 31
    assert Stack.load().applied_generation == Stack.load().desired_generation


def test_what_changes_no_file_is_confirmed_without_a_write(up: StackEngine, ada: Mailbox) -> None:
    change(ada, display_name="Ada")
    assert push(up) == [] and up.calls == []
    ada.refresh_from_db()
    assert ada.synced


# --- sessions ----------------------------------------------------------------------------------------------
def test_who_is_disabled_is_out_at_once_and_still_gets_mail(up: StackEngine, ada: Mailbox) -> None:
    change(ada, enabled=False)
    assert push(up) == ["users", "kick"]
    assert up.users() == {"ada@example.com": "{CRYPT}*"} and up.accepted() == {"ada@example.com"}


@pytest.mark.parametrize(
    "columns", [{"password_hash": None}, {"quota_mb": 5}, {"can_send": False}, {"display_name": "A"}]
)
def test_nobody_else_is_disturbed(up: StackEngine, ada: Mailbox, columns: dict[str, Any]) -> None:
    add("bob")
    change(ada, **columns)
    push(up)
    assert up.kicked == []


def test_a_disabled_one_is_put_out_once(up: StackEngine, ada: Mailbox) -> None:
    change(ada, enabled=False)
    push(up)
    change(ada, quota_mb=5)
    add("bob", enabled=False)
    push(up)
    assert up.kicked == ["ada@example.com"] or up.kicked == []
    assert "bob@example.com" not in up.kicked


def test_many_are_put_out_in_few_commands(up: StackEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "_KICKS", 4)
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

    def meanwhile(method: str) -> None:
        up.before = lambda method: None
        change(Mailbox.objects.get(pk=bob.pk), password_hash=OTHER_HASH)
        bob.refresh_from_db()
        assert not bob.synced

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


def test_one_deleted_before_it_ever_arrived_is_removed_without_a_trace(up: StackEngine) -> None:
    bob = add("bob")
    remove(bob)
    push(up)
    bob.refresh_from_db()
    assert bob.removed_at and bob.live_at is None and up.pushes == []


# --- generations -------------------------------------------------------------------------------------------
def test_whoever_wrote_before_us_is_told_apart_by_the_generation(up: StackEngine) -> None:
    add("bob")
    push(up)
    assert [(each.what, each.expected) for each in up.pushes] == [("users", "1"), ("bundle", "1")]
    assert up.generation("users") == up.generation("bundle") == "2"


@pytest.mark.parametrize("found", [b"", b"# quazzar generation 99\n", b"# by hand\n"])
def test_over_a_file_of_another_generation_it_is_written_anew(
    up: StackEngine, found: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    add("bob")
    up.put_by_hand("users", found)
    push(up)
    assert set(up.users()) == {"ada@example.com", "bob@example.com"} and "written anew" in caplog.text


@pytest.mark.parametrize("what", ["users", "postfix/generation"])
def test_a_file_that_is_gone_is_written_anew(up: StackEngine, what: str) -> None:
    add("bob")
    del up.config[what]
    push(up)
    assert set(up.users()) == up.accepted() == {"ada@example.com", "bob@example.com"}


def test_newer_rows_that_another_node_brought_in_are_not_overwritten(up: StackEngine) -> None:
    taken = snapshots.take()
    Stack.objects.update(desired_generation=3)
    up.put_by_hand("users", b"# quazzar generation 3\nzoe@example.com:x::::::\n")
    add("bob")
    writer = syncing.Writer(up, reconcile.spec.build(reconcile.options.from_settings("mail.example.com")))
    with pytest.raises(syncing.StaleGeneration):
        writer.write_users(type(taken.snapshot)(generation=2))
    assert "zoe@example.com" in up.users()


# --- failures ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("code", "told"), [(75, "push_locked"), (77, "push_cut"), (1, "push_failed")])
@pytest.mark.parametrize("what", ["users", "bundle"])
def test_a_script_that_fails_is_told_and_tried_again(
    up: StackEngine, what: str, code: int, told: str
) -> None:
    bob = add("bob")
    up.exits[what] = [code]
    push(up)
    bob.refresh_from_db()
    assert (Stack.load().phase, (Stack.load().last_error or {})["code"], bob.synced) == (
        "degraded",
        told,
        False,
    )
    reconcile.converge(quiet=True)
    bob.refresh_from_db()
    assert bob.synced and Stack.load().phase == "healthy" and "bob@example.com" in up.accepted()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(1, 5))
def test_killed_at_any_call_the_next_worker_finishes(up: StackEngine, call: int, after: bool) -> None:
    bob = add("bob", password_hash=HASH)
    remove(Mailbox.objects.get(address="ada@example.com"))
    up.die_at, up.die_after = len(up.calls) + call, after
    with pytest.raises(Killed):
        reconcile.converge(fast=True)
    up.die_at = 0
    reconcile.converge(fast=True)
    bob.refresh_from_db()
    assert bob.synced and Mailbox.objects.get(address="ada@example.com").removed_at
    assert up.users() == {"bob@example.com": HASH} and up.accepted() == {"bob@example.com"}
    assert "ada@example.com" in up.kicked and reconcile.differences() == []


@pytest.mark.parametrize("call", [1, 2, 3])
def test_who_may_be_there_already_keeps_its_place_until_the_tables_know(up: StackEngine, call: int) -> None:
    """Killed after the users file was written, an addition is taken back: its mail still arrives."""
    bob = add("bob")
    up.die_at, up.die_after = len(up.calls) + call, True
    try:
        reconcile.converge(fast=True)
    except Killed:
        up.die_at = 0
    remove(bob)
    push(up)
    assert set(up.users()) == up.accepted() == {"ada@example.com"} and reconcile.differences() == []


def test_only_what_was_not_confirmed_is_written_again(up: StackEngine) -> None:
    add("bob")
    up.exits["bundle"] = [75]
    push(up)
    assert push(up) == ["bundle"]


# --- secrets that cannot be opened any more ----------------------------------------------------------------
@pytest.fixture
def spoiled(up: StackEngine, monkeypatch: pytest.MonkeyPatch) -> StackEngine:
    """Another worker, and the hash of the one mailbox and the key of its domain cannot be opened."""
    factories.spoil(Mailbox.objects.get(), "password_hash")
    factories.spoil(Domain.objects.get(), "dkim_private_key")
    monkeypatch.setattr(snapshots, "_entries", {})
    return up


def test_an_unreadable_hash_keeps_its_line(spoiled: StackEngine) -> None:
    add("bob", password_hash=OTHER_HASH)
    push(spoiled)
    assert spoiled.users() == {"ada@example.com": HASH, "bob@example.com": OTHER_HASH}


def test_an_unreadable_dkim_key_keeps_its_file_and_row(spoiled: StackEngine) -> None:
    changed(factories.domain("second.example", dkim_private_key="second\n"))
    push(spoiled)
    assert spoiled.keys["example.com.quazzar.private"].data == b"dkim key\n"
    assert b"example.com:quazzar:" in spoiled.keys["KeyTable"].data and "second.example" in str(spoiled.keys)


def test_a_new_password_replaces_it(spoiled: StackEngine) -> None:
    change(Mailbox.objects.get(), password_hash=OTHER_HASH)
    push(spoiled)
    assert spoiled.users() == {"ada@example.com": OTHER_HASH}


@pytest.mark.parametrize("file", ["users", "key"])
def test_while_the_last_copy_cannot_be_read_nothing_is_written_over_it(
    spoiled: StackEngine, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(ran: Any) -> Result:
        wrong = ("users" in ran.argv[4]) == (file == "users")
        return Result(137) if wrong else spoiled._show(ran)

    spoiled.reply("bash", "-c", syncing._SHOW, with_=show)
    add("bob")
    assert push(spoiled) == [] and (Stack.load().last_error or {})["code"] == "command_failed"
    assert spoiled.users() == {"ada@example.com": HASH}


def test_without_any_copy_the_others_come_in_all_the_same(spoiled: StackEngine) -> None:
    spoiled.config.pop("users")
    spoiled.keys.clear()
    add("bob", password_hash=OTHER_HASH)
    push(spoiled)
    assert spoiled.users() == {"ada@example.com": "{CRYPT}*", "bob@example.com": OTHER_HASH}


def test_a_line_that_was_written_by_hand_is_no_hash(spoiled: StackEngine) -> None:
    spoiled.put_by_hand("users", b"# quazzar generation 1\nada@example.com:{PLAIN}secret::::::\n")
    add("bob")
    push(spoiled)
    assert spoiled.users() == {"ada@example.com": "{CRYPT}*", "bob@example.com": "{CRYPT}*"}


def test_an_unreadable_certificate_key_leaves_the_pair_in_force(up: StackEngine) -> None:
    factories.stack(tls_certificate="new\n")
    factories.spoil(Stack.load(), "tls_key")
    add("bob")
    push(up)
    assert (
        "tls" not in str([each.actions for each in up.pushes])
        and up.config["tls/tls.crt"].data == b"certificate\n"
    )
    assert "bob@example.com" in up.accepted()


def test_an_unreadable_relay_password_leaves_the_relay_in_force(up: StackEngine, relay: Any) -> None:
    type(relay).objects.update(username="user", password="secret")
    stacksettings.change(send_through_relay=True)
    push(up)
    type(relay).objects.update(host="other.example")
    factories.spoil(relay, "password")
    add("bob")
    push(up)
    assert up.in_force["relayhost"] == b"[relay.example]:2525\n"
    assert up.config["postfix/sasl_passwd"].data == b"[relay.example]:2525 user:secret\n"
    assert "bob@example.com" in up.accepted()


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
