"""A real Dovecot lets in at once whom a push has just added, and nobody whom the rows do not let in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from mailboxes.certificates import pem
from mailboxes.engine.client import Engine
from mailboxes.provisioning import passwords
from mailboxes.push import recipe, render
from mailboxes.push.entries import MailboxEntry
from mailboxes.stack import drift, logs
from mailboxes.stack.blueprint import configuration
from tests.mailboxes.goldencases import box, snapshot_of
from tests.rig import wait_until
from tests.rig.standins import put, running, said

if TYPE_CHECKING:
    import docker

    from tests.rig.images import Images

pytestmark = [pytest.mark.real]
OLD, NEW = "correct horse battery", "another staple"
HASHES = {password: passwords.hash_password(password) for password in (OLD, NEW)}
ADA = box("ada@example.com", password_hash=HASHES[OLD])
BOB = box("bob@example.com", password_hash=HASHES[OLD], quota_mb=7)


@dataclass
class Dovecot:
    """A container whose users are written by the recipe."""

    engine: Engine
    container: Any
    name: str
    generation: int = 0

    def push(self, *boxes: MailboxEntry, fresh: Sequence[MailboxEntry] = ()) -> None:
        """Writes them into the users file, and the fresh ones into the directory: also those that are not in the file.

        So the file stands for the one that Dovecot has read, and nothing depends on when it does.
        """
        self.generation += 1
        users = render.users(replace(snapshot_of(*boxes), generation=self.generation))
        lines = render.fresh(snapshot_of(*fresh), [entry.address for entry in fresh])
        recipe.write_users(self.engine, self.name, recipe.UsersFile(users, lines), recipe.ANY)

    def lets_in(self, name: str, password: str = OLD) -> bool:
        """A login as by IMAP, which also finds the mail."""
        argv = ("doveadm", "auth", "login", "-x", "protocol=imap", name, password)
        return said(self.container, *argv)[0] == 0

    def delivers_to(self, address: str) -> str:
        """What LMTP is told about a recipient; empty if there is none."""
        code, text = said(self.container, "doveadm", "user", "-x", "protocol=lmtp", address)
        return text if code == 0 else ""

    def files(self) -> set[str]:
        return set(said(self.container, "ls", "/etc/dovecot/fresh")[1].split())

    def differs(self) -> bool:
        code, text = said(self.container, "bash", "-c", drift._CONFIG)
        assert code == 0, text
        return "fresh differs  users" in text


@pytest.fixture(scope="module")
def dovecot(
    docker_client: docker.DockerClient, stack_images: Images, shared_stack_project: str
) -> Iterator[Dovecot]:
    certificate, key = pem.self_signed("mail.example.com")
    rendered = configuration.static_files("mail.example.com", "", "")
    files = {file.path: file.data for file in rendered if not file.path.startswith("rspamd")}
    files |= {"tls/tls.crt": certificate.encode(), "tls/tls.key": key.encode()}
    name = f"{shared_stack_project}-fresh"
    ours = {"name": name, "labels": {"quazzar.project": shared_stack_project}}
    with ExitStack() as stack:
        container = stack.enter_context(
            running(docker_client, stack_images.dovecot, command=["sleep", "infinity"], **ours)
        )
        put(container, "/etc/dovecot", files)
        made = Dovecot(stack.enter_context(Engine()), container, name)
        made.push(ADA)
        assert said(container, "chown", "vmail", "/srv/vmail") == (0, "")
        assert said(container, "bash", "-c", "/dovecot/sbin/dovecot >/tmp/dovecot.log 2>&1")[0] == 0
        wait_until(lambda: said(container, "doveadm", "who")[0] == 0)
        yield made


# --- at once -----------------------------------------------------------------------------------------------
def test_who_was_just_added_signs_in_and_gets_mail(dovecot: Dovecot) -> None:
    dovecot.push(ADA)
    assert not dovecot.lets_in(BOB.address) and not dovecot.delivers_to(BOB.address)
    dovecot.push(ADA, fresh=[BOB])
    assert dovecot.lets_in("Bob@Example.COM") and "7M" in dovecot.delivers_to(BOB.address)
    assert not dovecot.lets_in(BOB.address, NEW) and dovecot.lets_in(ADA.address)


def test_a_new_password_works(dovecot: Dovecot) -> None:
    dovecot.push(ADA, fresh=[replace(ADA, password_hash=HASHES[NEW])])
    assert dovecot.lets_in(ADA.address, NEW)


@pytest.mark.thorough
def test_odd_names_find_their_file(dovecot: Dovecot) -> None:
    longest = f"{'x' * 64}@{'y' * 60}.example.com"
    odd = [
        box(address, password_hash=HASHES[OLD])
        for address in ("o'neil&co@example.com", "_x~y-@example.com", longest)
    ]
    typed = box("eva@xn--bcher-kva.example", password_hash=HASHES[OLD])
    dovecot.push(ADA, fresh=[*odd, typed])
    assert [entry.address for entry in (*odd, typed) if not dovecot.lets_in(entry.address)] == []
    assert dovecot.lets_in("eva@bücher.example")


# --- nobody else -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "after", [[], [replace(BOB, enabled=False)], [replace(BOB, password_hash=HASHES[NEW])]]
)
def test_who_was_just_added_and_is_removed_locked_or_changed_is_not_let_in_any_more(
    dovecot: Dovecot, after: list[MailboxEntry]
) -> None:
    dovecot.push(ADA, BOB, fresh=[BOB])
    assert dovecot.lets_in(BOB.address)
    dovecot.push(ADA, *after, fresh=after)
    wait_until(lambda: not dovecot.lets_in(BOB.address), 5, "the end of the old password")
    assert dovecot.lets_in(BOB.address, NEW) is (after[:1] == [replace(BOB, password_hash=HASHES[NEW])])
    assert bool(dovecot.delivers_to(BOB.address)) is bool(after)


def test_the_next_push_leaves_no_line_of_the_one_before(dovecot: Dovecot) -> None:
    dovecot.push(ADA, BOB, fresh=[BOB])
    assert len(dovecot.files()) == 2
    modes = said(
        dovecot.container, "bash", "-c", "cd /etc/dovecot/fresh; stat -c '%a %U:%G' $(ls | grep -v e3)"
    )
    assert modes == (0, "640 root:dovecot\n")
    dovecot.push(ADA, BOB)
    assert dovecot.files() == {render.LISTING}


def test_a_killed_writer_leaves_nothing_that_lets_anybody_in(dovecot: Dovecot) -> None:
    [(name, line)] = render.fresh(snapshot_of(BOB), [BOB.address])
    dovecot.push(ADA)
    put(dovecot.container, "/etc/dovecot/fresh/.new", {name: f"{line}\n".encode()})
    assert not dovecot.lets_in(BOB.address)
    dovecot.push(ADA)
    assert said(dovecot.container, "ls", "/etc/dovecot/fresh/.new") == (0, "")
    assert not dovecot.lets_in(BOB.address)


@pytest.mark.thorough
def test_strange_names_are_refused_and_are_no_error(dovecot: Dovecot) -> None:
    dovecot.push(ADA)
    said(dovecot.container, "truncate", "-s", "0", "/tmp/dovecot.log")
    for name in ("../users", "/etc/dovecot/users", "x" * 2000, "*", "%{user}", "a/../../users@example.com"):
        assert not dovecot.lets_in(name)
    assert "Error" not in said(dovecot.container, "cat", "/tmp/dovecot.log")[1].replace("\0", "")


# --- all else goes on --------------------------------------------------------------------------------------
@pytest.mark.thorough
def test_listing_users_needs_the_users_file_alone(dovecot: Dovecot) -> None:
    dovecot.push(ADA, fresh=[BOB])
    for argv in (("user", "*"), ("user", "*@example.com"), ("user", "-u", "*")):
        assert said(dovecot.container, "doveadm", *argv) == (0, "ada@example.com\n"), argv
    code, text = said(dovecot.container, "doveadm", "mailbox", "list", "-A", "INBOX")
    assert (code, text) == (0, "ada@example.com INBOX\n")


def test_nobody_has_a_line_in_the_file_for_listing() -> None:
    boxes = [box(f"box{number}@example.com") for number in range(2000)]
    lines = render.fresh(snapshot_of(*boxes), {entry.address for entry in boxes})
    assert len({name for name, _ in lines}) == 255 and render.LISTING not in dict(lines)
    assert f"fresh/{render.LISTING}" in configuration._FILES


def test_a_line_that_is_not_in_the_users_file_is_drift(dovecot: Dovecot) -> None:
    dovecot.push(ADA, fresh=[BOB])
    assert dovecot.differs()
    for fresh in ([BOB], []):
        dovecot.push(ADA, BOB, fresh=fresh)
        assert not dovecot.differs()


def test_a_missing_file_is_noise_in_the_log(dovecot: Dovecot) -> None:
    dovecot.push(ADA)
    said(dovecot.container, "truncate", "-s", "0", "/tmp/dovecot.log")
    assert not dovecot.lets_in(BOB.address)
    lines = said(dovecot.container, "cat", "/tmp/dovecot.log")[1].replace("\0", "").splitlines()
    assert [bool(logs._NOISE.search(line)) for line in lines if "fresh" in line] == [True]
    assert not any(logs._NOISE.search(line) for line in lines if "unknown user" in line)
