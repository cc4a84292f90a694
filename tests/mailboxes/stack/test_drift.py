"""Files that were changed in the containers are found and repaired."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mailboxes.engine.values import PutFile
from mailboxes.models import DkimKey, Mailbox, Stack
from mailboxes.push import snapshots
from mailboxes.stack import bringup, drift, reconcile
from tests.mailboxes import factories
from tests.mailboxes.stack.rowchanges import add
from tests.mailboxes.stackengine import StackEngine
from tests.mailboxes.trials import case


def differing(engine: StackEngine) -> set[str]:
    return drift.find(bringup.target(engine, Stack.load()))


def test_where_all_is_well_nothing_is_found(up: StackEngine) -> None:
    factories.alias()
    assert differing(up) == {
        "postfix/aliases",
        "postfix/aliases.lmdb",
        "postfix/senders",
        "postfix/senders.lmdb",
    }
    Stack.objects.update(parts={})
    reconcile.converge(deep=True)
    assert differing(up) == set()


FILES = [
    *("users", "dovecot.conf", "50-quazzar.sh", "rspamd/local.d/actions.conf", "rspamd/domains.map"),
    *("postfix/domains", "postfix/relayhost", "tls/tls.crt", "tls/tls.key"),
]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["changed", "deleted"])
def test_a_file_that_was_changed_or_deleted_by_hand_is_repaired(
    up: StackEngine, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = up.everything()
    for path in FILES:
        with case(path), caplog.at_level(logging.WARNING):
            if how == "deleted":
                del up.config[path]
            else:
                up.put_by_hand(path, b"# quazzar generation 1\nby hand\n")
            assert differing(up) == {path}
            reconcile.converge(quiet=True, deep=True)
            assert up.everything() == before and f"not as they should be: {path}" in caplog.text


@pytest.mark.slow
def test_a_dkim_file_that_was_changed_by_hand_is_repaired(up: StackEngine) -> None:
    before = up.everything()
    for path in ("domains/example.com", "keys/example.com.quazzar"):
        with case(path):
            up.keys[path] = PutFile(path, b"by hand")
            assert differing(up) == {f"dkim/{path}"}
            reconcile.converge(quiet=True, deep=True)
            assert up.everything() == before


@pytest.mark.parametrize("table", ["mailboxes", "relayhost"])
def test_what_postfix_uses_in_place_of_the_file_is_repaired_too(up: StackEngine, table: str) -> None:
    up.in_force[table] = b"zoe@example.com ok\n"
    reconcile.converge(quiet=True, deep=True)
    assert up.in_force["mailboxes"] == b"ada@example.com ok\n" and up.in_force["relayhost"] == b""


def test_mail_with_the_wrong_owner_is_given_back_and_nothing_else_is_written(
    up: StackEngine, caplog: pytest.LogCaptureFixture
) -> None:
    up.wrong_owners = {"example.com/ada", "example.com", "strange\tname", "../etc"}
    assert differing(up) == {"mail/example.com", "mail/example.com/ada"}
    with caplog.at_level(logging.WARNING):
        reconcile.converge(quiet=True, deep=True)
    assert up.done == ["own"] and up.wrong_owners == {"strange\tname", "../etc"}
    assert "mail/example.com/ada" in caplog.text


def test_only_the_part_that_differs_is_written_again(up: StackEngine) -> None:
    up.put_by_hand("postfix/aliases", b"")
    reconcile.converge(quiet=True, deep=True)
    assert [push.actions for push in up.pushes] == [("tables",)]


def test_static_files_are_put_back_without_disturbing_anybody(up: StackEngine) -> None:
    up.put_by_hand("dovecot.conf", b"")
    reconcile.converge(quiet=True, deep=True)
    assert up.done == [] and (up.called("put"), up.called("restart")) == (1, 0)


def test_rspamd_takes_its_static_files_at_once_after_the_keys_that_they_need(up: StackEngine) -> None:
    """As after an upgrade: what signs must not wait for the restart that the operator has to allow."""
    up.put_by_hand("rspamd/rspamd.local.lua", b"-- of another release")
    up.keys.clear()
    reconcile.converge(quiet=True, deep=True)
    assert up.done == ["bundle", "rspamd reload"] and up.called("restart") == 0


def test_without_the_deep_look_files_are_not_compared(up: StackEngine) -> None:
    up.put_by_hand("users", b"")
    reconcile.converge(quiet=True)
    assert up.users() == {} and up.commands == []


def test_one_look_is_a_command_in_each_container(up: StackEngine) -> None:
    up.forget()
    assert differing(up) == set() and len(up.commands) == 3


# --- no false alarm ----------------------------------------------------------------------------------------
def test_while_a_change_is_on_its_way_nothing_is_drift(up: StackEngine) -> None:
    add("bob")
    assert differing(up) == set()


def test_while_a_write_is_unfinished_nothing_is_drift(up: StackEngine) -> None:
    up.put_by_hand("users", b"")
    Stack.objects.update(parts={"dirty": ["users"]})
    assert differing(up) == set()


def test_the_generation_alone_is_no_difference(up: StackEngine) -> None:
    up.put_by_hand("users", up.config["users"].data.replace(b"generation 1", b"generation 7"))
    assert differing(up) == set()


def test_postfix_keys_are_compared_as_postfix_keeps_them(up: StackEngine) -> None:
    assert drift._as_postmap_prints(b"# note\nB@x.example b\nA@X.example a, c\n\n@x.example\n") == (
        b"@x.example\t\na@x.example\ta, c\nb@x.example\tb\n"
    )


# --- secrets that cannot be opened -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "column", "path"),
    [
        (Mailbox, "password_hash", "users"),
        (Stack, "tls_key", "tls/tls.key"),
        (DkimKey, "private_key", "dkim"),
    ],
)
def test_what_cannot_be_known_is_not_compared(
    up: StackEngine, row: Any, column: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.spoil(row.objects.get(), column)
    monkeypatch.setattr(snapshots, "_entries", {})
    up.put_by_hand(path, b"another")
    if path == "dkim":
        up.keys["keys/example.com.quazzar"] = PutFile("keys/example.com.quazzar", b"another")
    assert differing(up) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("script", [drift._OWN, drift.OWN_ALL])
def test_root_gives_mail_back_and_nothing_behind_a_link_that_dovecots_user_made(
    tmp_path: Path, script: str
) -> None:
    mail, elsewhere = tmp_path / "mail", tmp_path / "elsewhere"
    for folder in (mail / "b.test/bob/Maildir/cur", mail / "c.test/carol", elsewhere / "bob/cur"):
        folder.mkdir(parents=True)
    theirs = [mail / "b.test/bob", mail / "b.test/bob/Maildir/cur/1"]
    theirs[1].write_text("mail")
    ours = [
        elsewhere,
        elsewhere / "bob",
        elsewhere / "bob/cur",
        elsewhere / "bob/shadow",
        elsewhere / "linked",
    ]
    for file in ours[3:]:
        file.write_text("secret")
    # What is Postfix's stays Postfix's.
    queue = mail / ".postfix-queue"
    (queue / "active").mkdir(parents=True)
    (queue / "active/1").write_text("mail")
    ours += [queue, queue / "active", queue / "active/1"]
    (mail / "a.test").symlink_to(elsewhere)
    (mail / "b.test/bob/link").symlink_to(ours[3])
    (mail / "b.test/bob/hard").hardlink_to(ours[4])
    (mail / "c.test/carol/bob").symlink_to(elsewhere / "bob")
    here = (
        script.replace("/srv/vmail", str(mail)).replace("vmail", "nobody").replace("nobody:nobody", "nobody:")
    )
    names = ["a.test/bob", "b.test/bob", "c.test/carol", "c.test/carol/bob"]
    subprocess.run(["bash", "-c", here, "own", *names], check=True, capture_output=True, timeout=60)
    assert [path.lstat().st_uid for path in ours] == [0] * len(ours)
    assert 0 not in [path.lstat().st_uid for path in theirs]
