"""Pushes that meet another generation, fail, are killed, or lack a secret: nothing in force is lost."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from mailboxes.engine.values import PutFile, Result
from mailboxes.models import DkimKey, Domain, Mailbox, Stack
from mailboxes.push import parts, snapshots, writer
from mailboxes.push.entries import Snapshot
from mailboxes.stack import control, reconcile
from mailboxes.stack.blueprint import services
from quazzar.errors import StaleGeneration
from tests.fakes import Killed
from tests.mailboxes import factories
from tests.mailboxes.stack.rowchanges import HASH, OTHER_HASH, add, change, changed, push, remove
from tests.mailboxes.stackengine import StackEngine
from tests.mailboxes.trials import healthy_stack


# --- generations -------------------------------------------------------------------------------------------
def test_whoever_wrote_before_us_is_told_apart_by_the_generation(up: StackEngine) -> None:
    add("bob")
    push(up)
    assert [(push.what, push.expected) for push in up.pushes] == [("users", "1"), ("bundle", "1")]
    assert up.generation("users") == up.generation("bundle") == "2"


def test_a_file_of_another_generation_is_replaced(up: StackEngine, caplog: pytest.LogCaptureFixture) -> None:
    for number, content in enumerate((b"", b"# quazzar generation 99\n", b"# by hand\n")):
        row = add(f"box{number}")
        up.put_by_hand("users", content)
        caplog.clear()
        push(up)
        assert {"ada@example.com", row.address} <= set(up.users()), content
        assert "writing them again" in caplog.text


@pytest.mark.parametrize("what", ["users", "postfix/generation"])
def test_a_file_that_is_gone_is_written_anew(up: StackEngine, what: str) -> None:
    add("bob")
    del up.config[what]
    push(up)
    assert set(up.users()) == up.accepted() == {"ada@example.com", "bob@example.com"}


def test_newer_rows_that_another_node_brought_in_are_not_overwritten(up: StackEngine) -> None:
    Stack.objects.update(desired_generation=3)
    up.put_by_hand("users", b"# quazzar generation 3\nzoe@example.com:x::::::\n")
    add("bob")
    stale = writer.Writer(up, services.for_hostname("mail.example.com"))
    with pytest.raises(StaleGeneration):
        stale.write_users(snapshots.Desired(Snapshot()), Snapshot(generation=2))
    assert "zoe@example.com" in up.users()


@pytest.mark.slow
def test_of_a_long_file_a_push_sends_the_difference_unless_somebody_else_wrote(
    up: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.push.splice.WORTH_IT", 1)
    for number in range(5):
        add(f"box{number}")
    push(up)
    up.whole.clear()
    add("zoe")
    push(up)
    assert up.whole == [False]
    # A killed worker wrote and did not confirm; somebody edited the file; another worker has pushed since.
    writer.forget([parts.USERS])
    add("bob")
    push(up)
    data = up.config["users"].data
    up.put_by_hand("users", data.replace(b"zoe@", b"eve@"))
    add("cyn")
    push(up)
    monkeypatch.setitem(writer._written, "qz-dovecot", b"# quazzar generation 1\n")
    add("dan")
    push(up)
    assert up.whole == [False, True, False, True, True]
    assert {"eve@example.com", "zoe@example.com", "dan@example.com"} & set(up.users()) == {
        "zoe@example.com",
        "dan@example.com",
    }


# --- failures ----------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("what", ["users", "bundle"])
def test_a_script_that_fails_is_shown_and_tried_again(up: StackEngine, what: str) -> None:
    for exit_code, error in ((75, "push_locked"), (77, "push_cut"), (1, "push_failed")):
        row = add(f"box{exit_code}")
        up.exits[what] = [exit_code]
        push(up)
        row.refresh_from_db()
        stack = Stack.load()
        assert stack.phase == "degraded" and (stack.last_error or {})["code"] == error and not row.synced
        reconcile.converge(quiet=True)
        row.refresh_from_db()
        assert row.synced and Stack.load().phase == "healthy" and row.address in up.accepted()


@pytest.mark.slow
def test_killed_at_any_call_the_next_worker_finishes(enabled: StackEngine) -> None:
    for call, after in product(range(1, 5), (False, True)):
        with healthy_stack(enabled, "call", call, "after" if after else "before"):
            bob = add("bob", password_hash=HASH)
            remove(Mailbox.objects.get(address="ada@example.com"))
            enabled.die_at, enabled.die_after = call, after
            with pytest.raises(Killed):
                reconcile.converge(fast=True)
            enabled.die_at = 0
            reconcile.converge(fast=True)
            bob.refresh_from_db()
            assert bob.synced and Mailbox.objects.get(address="ada@example.com").removed_at
            assert enabled.users() == {"bob@example.com": HASH} and enabled.accepted() == {"bob@example.com"}
            assert "ada@example.com" in enabled.kicked and reconcile.differences() == []


@pytest.mark.parametrize("call", [1, 2])
def test_who_may_be_there_already_keeps_its_place_until_the_tables_know(up: StackEngine, call: int) -> None:
    """Killed after the users file was written, an addition is taken back: its mail still arrives."""
    bob = add("bob")
    up.die_at, up.die_after = len(up.calls) + call, True
    with pytest.raises(Killed):
        reconcile.converge(fast=True)
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
    """The hash of the one mailbox and the key of its domain cannot be unsealed; no worker remembers them."""
    factories.spoil(Mailbox.objects.get(), "password_hash")
    factories.spoil(DkimKey.objects.get(), "private_key")
    monkeypatch.setattr(snapshots, "_entries", {})
    return up


def test_an_unreadable_hash_keeps_its_line(spoiled: StackEngine) -> None:
    add("bob", password_hash=OTHER_HASH)
    push(spoiled)
    assert spoiled.users() == {"ada@example.com": HASH, "bob@example.com": OTHER_HASH}


def test_an_unreadable_dkim_key_keeps_its_file_and_selector(spoiled: StackEngine) -> None:
    changed(factories.domain("second.example", dkim_private_key="second\n"))
    push(spoiled)
    assert spoiled.keys["keys/example.com.quazzar"].data == b"dkimkey"
    assert spoiled.keys["domains/example.com"].data == b"quazzar\n"
    assert "keys/second.example.quazzar" in spoiled.keys


def test_an_unreadable_ed25519_key_keeps_its_file_and_selector(up: StackEngine) -> None:
    row = Domain.objects.get()
    key = factories.dkim_key(row, "ed25519", selector="ed", private_key="second\n")
    changed(row)
    push(up)
    assert up.keys["keys/example.com.ed"].data == b"second"
    factories.spoil(key, "private_key")
    changed(factories.domain("second.example", dkim_private_key="other\n"))
    push(up)
    assert up.keys["keys/example.com.ed"].data == b"second"
    assert up.keys["domains/example.com"].data == b"quazzar\ned\n"


def test_the_copy_that_release_0_3_0_left_is_taken(spoiled: StackEngine) -> None:
    """OpenDKIM had the keys as PEM, in files of their own."""
    legacy = b"-----BEGIN PRIVATE KEY-----\nQUJD\nREVG\n-----END PRIVATE KEY-----\n"
    spoiled.keys.clear()
    spoiled.config["/etc/opendkim/keys/example.com.quazzar.private"] = PutFile("", legacy)
    writer.forget()
    reconcile.converge(fast=False)
    assert spoiled.keys["keys/example.com.quazzar"].data == b"QUJDREVG"


def test_a_new_password_replaces_it(spoiled: StackEngine) -> None:
    change(Mailbox.objects.get(), password_hash=OTHER_HASH)
    push(spoiled)
    assert spoiled.users() == {"ada@example.com": OTHER_HASH}


@pytest.mark.parametrize("file", ["users", "key"])
def test_while_the_last_copy_cannot_be_read_nothing_is_written_over_it(
    spoiled: StackEngine, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(ran: Any) -> Result:
        is_wanted = ("users" in ran.argv[4]) == (file == "users")
        return Result(137) if is_wanted else spoiled._show(ran)

    spoiled.reply("bash", "-c", writer._SHOW, with_=show)
    add("bob")
    assert push(spoiled) == [] and (Stack.load().last_error or {})["code"] == "command_failed"
    assert spoiled.users() == {"ada@example.com": HASH}


def test_without_any_copy_the_others_come_in_all_the_same(spoiled: StackEngine) -> None:
    spoiled.config.pop("users")
    spoiled.keys.clear()
    add("bob", password_hash=OTHER_HASH)
    push(spoiled)
    assert spoiled.users() == {"ada@example.com": "{CRYPT}*", "bob@example.com": OTHER_HASH}
    # Not without a selector: the domain's mail must not leave unsigned.
    assert spoiled.keys["domains/example.com"].data == b"quazzar\n"
    assert spoiled.keys["keys/example.com.quazzar"].data == b"lost"


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
        "tls" not in str([push.actions for push in up.pushes])
        and up.config["tls/tls.crt"].data == b"certificate\n"
    )
    assert "bob@example.com" in up.accepted()


def test_an_unreadable_relay_password_leaves_the_relay_in_force(up: StackEngine, relay: Any) -> None:
    type(relay).objects.update(username="user", password="secret")
    control.change(send_through_relay=True)
    push(up)
    type(relay).objects.update(host="other.example")
    factories.spoil(relay, "password")
    add("bob")
    push(up)
    assert up.in_force["relayhost"] == b"[relay.example]:2525\n"
    assert up.config["postfix/sasl_passwd"].data == b"[relay.example]:2525 user:secret\n"
    assert "bob@example.com" in up.accepted()
