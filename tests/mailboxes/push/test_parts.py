"""What is written into the stack, in parts, each with a digest that tells whether it differs."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

from mailboxes.push import parts, render
from mailboxes.push.entries import LOST, AliasEntry, DomainEntry, MailboxEntry, Smarthost, Snapshot
from mailboxes.push.parts import PartFile
from tests.mailboxes import factories

PAIR = ("certificate\n", "key\n")
RELAY = Smarthost("relay.example", 465, "tls", "user", "secret")
SNAPSHOT = Snapshot(
    generation=5,
    domains=(DomainEntry("example.com", private_key="key\n"), DomainEntry("unsigned.example")),
    mailboxes=(MailboxEntry("ada@example.com", "example.com/ada", factories.HASH),),
    aliases=(AliasEntry("info@example.com", ("ada@example.com",)),),
)


def files(snapshot: Snapshot = SNAPSHOT, pair: tuple[str, str] = PAIR) -> dict[str, PartFile]:
    return {file.path: file for part in parts.bundle(snapshot, pair).values() for file in part}


def changed(snapshot: Snapshot, pair: tuple[str, str] = PAIR) -> set[str]:
    """The parts whose digest has changed."""
    before, after = parts.bundle(SNAPSHOT, PAIR), parts.bundle(snapshot, pair)
    return {name for name in before if parts.digest(before[name], "k") != parts.digest(after[name], "k")}


# --- files -------------------------------------------------------------------------------------------------
def test_the_parts_come_in_their_order_each_with_its_files() -> None:
    assert tuple(parts.bundle(SNAPSHOT, PAIR)) == parts.BUNDLE
    assert set(files()) == {
        "dkim/keys/example.com.quazzar",
        "dkim/domains/example.com",
        "dkim/domains/unsigned.example",
        "tls/tls.key",
        "tls/tls.crt",
        "postfix/domains",
        "postfix/mailboxes",
        "postfix/aliases",
        "postfix/senders",
        "postfix/port25_commands",
        "postfix/submission_commands",
        "postfix/sasl_passwd",
        "postfix/tls_policy",
        "postfix/relayhost",
        "postfix/relay_wrappermode",
        "postfix/authorities.pem",
        "rspamd/domains.map",
        "rspamd/mailboxes.map",
    }


def test_what_is_secret_is_readable_by_root_alone() -> None:
    secret = {path for path, file in files(replace(SNAPSHOT, smarthost=RELAY)).items() if file.mode == 0o600}
    assert secret == {"dkim/keys/example.com.quazzar", "tls/tls.key", "postfix/sasl_passwd"}


def test_a_domain_without_a_key_says_so_and_one_whose_key_is_lost_does_not() -> None:
    """Rspamd lets the mail of the first out unsigned, and none of the second."""
    lost = DomainEntry("lost.example", private_key=LOST)
    found = files(replace(SNAPSHOT, domains=(*SNAPSHOT.domains, lost)))
    assert found["dkim/domains/unsigned.example"].data == b""
    assert found["dkim/domains/lost.example"].data == b"quazzar\n"
    assert found["dkim/keys/lost.example.quazzar"].data == b"lost"


def test_an_ed25519_key_is_a_file_of_its_own_and_changes_its_part_alone() -> None:
    both = replace(SNAPSHOT.domains[0], ed25519_selector="ed", ed25519_private_key="second\n")
    later = replace(SNAPSHOT, domains=(both, *SNAPSHOT.domains[1:]))
    assert files(later)["dkim/keys/example.com.ed"].data == b"second"
    assert files(later)["dkim/keys/example.com.quazzar"] == files()["dkim/keys/example.com.quazzar"]
    assert files(later)["dkim/domains/example.com"].data == b"quazzar\ned\n"
    assert changed(later) == {"dkim"}


def test_what_rspamd_reads_is_readable_by_it() -> None:
    assert {file.mode for path, file in files().items() if path.startswith("rspamd/")} == {0o644}


def test_tls_from_the_first_byte_is_switched_beside_the_tables() -> None:
    for security, wrapper in (("tls", b"yes\n"), ("starttls", b"no\n"), ("none", b"no\n")):
        snapshot = replace(SNAPSHOT, smarthost=replace(RELAY, security=security))
        assert files(snapshot)["postfix/relay_wrappermode"].data == wrapper


def test_nothing_secret_is_in_a_repr() -> None:
    assert "key" not in repr(files()["tls/tls.key"]).replace("tls.key", "")


# --- digests -----------------------------------------------------------------------------------------------
def test_another_generation_alone_changes_no_part() -> None:
    later = replace(SNAPSHOT, generation=6)
    assert changed(later) == set()
    assert parts.digest_users(render.users(later), "k") == parts.digest_users(render.users(SNAPSHOT), "k")


def test_another_password_changes_the_users_file_alone() -> None:
    box = replace(SNAPSHOT.mailboxes[0], password_hash="")
    later = replace(SNAPSHOT, mailboxes=(box,))
    assert changed(later) == set()
    assert parts.digest_users(render.users(later), "k") != parts.digest_users(render.users(SNAPSHOT), "k")


def test_a_change_changes_its_part_alone() -> None:
    domains = (DomainEntry("example.com", private_key="other"), DomainEntry("unsigned.example"))
    assert changed(replace(SNAPSHOT, aliases=())) == {"tables"}
    assert changed(replace(SNAPSHOT, smarthost=RELAY)) == {"relay"}
    assert changed(replace(SNAPSHOT, domains=domains)) == {"dkim"}


def test_another_certificate_changes_tls_alone() -> None:
    assert changed(SNAPSHOT, ("other\n", "key\n")) == {"tls"}


def test_a_digest_tells_bytes_names_modes_and_their_borders_apart() -> None:
    for other in (
        [PartFile("a", b"xy"), PartFile("b", b"")],
        [PartFile("b", b"y"), PartFile("a", b"x")],
        [PartFile("a", b"x", 0o600), PartFile("b", b"y")],
        [PartFile("a", b"x")],
    ):
        assert parts.digest(other, "k") != parts.digest([PartFile("a", b"x"), PartFile("b", b"y")], "k")


def test_a_digest_is_of_no_use_without_its_key() -> None:
    assert parts.digest([PartFile("a", b"x")], "k") != parts.digest([PartFile("a", b"x")], "other")


# --- over the wire -----------------------------------------------------------------------------------------
def test_the_archive_holds_every_byte_and_mode_and_says_nothing_of_us() -> None:
    sent = [PartFile("tls/tls.key", b"\x00key\n", 0o600), PartFile("postfix/domains", b"")]
    with tarfile.open(fileobj=io.BytesIO(parts.tar(sent))) as archive:
        entries = [(entry.name, entry.mode, entry.uid, entry.uname, entry.mtime) for entry in archive]
        assert archive.extractfile("tls/tls.key").read() == b"\x00key\n"  # type: ignore[union-attr]
    assert entries == [("tls/tls.key", 0o600, 0, "", 0), ("postfix/domains", 0o640, 0, "", 0)]


def test_the_longest_names_fit() -> None:
    name = ".".join(["a" * 63] * 3 + ["b" * 61])
    file = PartFile(f"dkim/keys/{name}.quazzar", b"key")
    with tarfile.open(fileobj=io.BytesIO(parts.tar([file]))) as archive:
        assert archive.getnames() == [file.path]
