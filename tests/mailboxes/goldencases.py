"""Snapshots whose files are kept in golden/. ``python -m tests.mailboxes.goldencases`` writes the files again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mailboxes.push import render, smarthost
from mailboxes.push.entries import AliasEntry, DomainEntry, MailboxEntry, Smarthost, Snapshot
from mailboxes.push.parts import bundle

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent / "golden"
FILES = (
    *("users", "domains_table", "mailboxes_table", "aliases_table", "senders_table"),
    *("relayhost", "sasl_passwd", "tls_policy", "rspamd_domains", "rspamd_mailboxes"),
)
HASH = (
    "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA"
    "$4wGtv1lXc6bXMrA5Qq3rGQm5FSq2Ox0hY8tQ7J4mXyE"
)
COM = DomainEntry("example.com", private_key="akey")


def box(address: str = "ada@example.com", **more: object) -> MailboxEntry:
    """A mailbox in its usual home, with a password."""
    local, _, domain = address.partition("@")
    fields = {"home": f"{domain}/{local}", "password_hash": HASH, **more}
    return MailboxEntry(address=address, **fields)  # type: ignore[arg-type]


def snapshot_of(
    *mailboxes: MailboxEntry, aliases: dict[str, tuple[str, ...]] | None = None, **more: object
) -> Snapshot:
    """A snapshot of example.com with these mailboxes."""
    rows = tuple(AliasEntry(address, to) for address, to in (aliases or {}).items())
    fields = {"generation": 7, "domains": (COM,), "mailboxes": mailboxes, "aliases": rows, **more}
    return Snapshot(**fields)  # type: ignore[arg-type]


def through(security: str, port: int, username: str = "node", password: str = "s3cret: #1") -> Snapshot:
    """A snapshot with a smarthost."""
    return snapshot_of(smarthost=Smarthost("smtp.relay.example", port, security, username, password))


ADA, BOB, EVE = box(), box("bob@example.com"), box("eve@example.com")
CASES = {
    "empty": Snapshot(),
    "one-domain": snapshot_of(),
    "one-mailbox": snapshot_of(ADA),
    "sorted": snapshot_of(
        EVE, box("ada.b@example.com"), BOB, box("ada-b@example.com"), ADA, box("ada@a.example.net")
    ),
    "catch-all": snapshot_of(ADA, BOB, domains=(DomainEntry("example.com", catch_all="ada@example.com"),)),
    "catch-all-to-outside": snapshot_of(
        ADA, domains=(DomainEntry("example.com", catch_all="me@gmail.example"),)
    ),
    "catch-all-to-nobody": snapshot_of(
        ADA, domains=(DomainEntry("example.com", catch_all="gone@example.com"),)
    ),
    "disabled": snapshot_of(box(enabled=False), BOB),
    "no-password": snapshot_of(box(password_hash=""), BOB),
    "send-only": snapshot_of(box(can_receive=False), BOB),
    "receive-only": snapshot_of(
        box(can_send=False), BOB, aliases={"info@example.com": ("ada@example.com", "bob@example.com")}
    ),
    "quota": snapshot_of(box(quota_mb=100), BOB),
    "made-again": snapshot_of(box(home="example.com/ada..2")),
    "idna-domain": snapshot_of(
        box("jo@xn--mnchen-3ya.example"), domains=(DomainEntry("xn--mnchen-3ya.example", private_key="k"),)
    ),
    "domain-without-key": snapshot_of(
        ADA, domains=(DomainEntry("example.com"), DomainEntry("b.example", private_key="k"))
    ),
    "selector": snapshot_of(domains=(DomainEntry("example.com", selector="next-2027", private_key="k"),)),
    "two-keys": snapshot_of(
        domains=(
            DomainEntry(
                "example.com", private_key="k", ed25519_selector="quazzar-ed-1", ed25519_private_key="e"
            ),
            DomainEntry("b.example", private_key="k", ed25519_selector="waits"),
        )
    ),
    "odd-local-parts": snapshot_of(box("o'neil&co@example.com"), box("_x~y-@example.com")),
    "alias": snapshot_of(ADA, aliases={"info@example.com": ("ada@example.com",)}),
    "alias-to-tagged": snapshot_of(ADA, aliases={"shop@example.com": ("ada+shop@example.com",)}),
    "alias-to-outside": snapshot_of(ADA, aliases={"info@example.com": ("o.k+x=1@gmail.example",)}),
    "alias-to-several": snapshot_of(
        ADA, BOB, aliases={"all@example.com": ("bob@example.com", "ada@example.com", "x@gmail.example")}
    ),
    "alias-to-alias": snapshot_of(
        ADA, aliases={"a@example.com": ("b@example.com",), "b@example.com": ("ada@example.com",)}
    ),
    "alias-in-a-circle": snapshot_of(
        ADA,
        aliases={"a@example.com": ("b@example.com", "ada@example.com"), "b@example.com": ("a@example.com",)},
    ),
    "aliases-that-only-circle": snapshot_of(
        ADA, aliases={"a@example.com": ("b@example.com",), "b@example.com": ("a@example.com",)}
    ),
    "alias-to-alias-to-nobody": snapshot_of(
        ADA, aliases={"a@example.com": ("b@example.com",), "b@example.com": ("gone@example.com",)}
    ),
    "alias-to-nobody": snapshot_of(ADA, aliases={"info@example.com": ("gone@example.com",)}),
    "alias-of-a-mailbox": snapshot_of(ADA, BOB, aliases={"ada@example.com": ("bob@example.com",)}),
    "smarthost-starttls": through("starttls", 587),
    "smarthost-tls": through("tls", 465),
    "smarthost-none": through("none", 25),
    "smarthost-without-login": through("starttls", 587, username="", password=""),
    "smarthost-by-address": snapshot_of(smarthost=Smarthost("192.0.2.7", 25, "none")),
}


def renderer(name: str) -> Callable[[Snapshot], bytes]:
    """The function that renders this file."""
    module = smarthost if hasattr(smarthost, name) else render
    return getattr(module, name)  # type: ignore[no-any-return]


def rendered(snapshot: Snapshot) -> str:
    """Every file of a snapshot in one text."""
    parts = [f"== {name}\n{renderer(name)(snapshot).decode()}" for name in FILES]
    dkim = [f"== {file.path}\n{file.data.decode()}\n" for file in bundle(snapshot, ("", ""))["dkim"]]
    return "".join([*parts, *dkim])


def write() -> None:
    """Replaces the golden files. Read the difference before you commit it."""
    for name, snapshot in CASES.items():
        (FOLDER / f"{name}.txt").write_text(rendered(snapshot))


if __name__ == "__main__":
    write()
