"""The snapshot that the stack's files are rendered from: plain values, secrets hidden from their repr. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MailboxEntry:
    """A mailbox that is not deleted.

    Attributes:
        home: below MAIL_ROOT.
        password_hash: as ``passwords.hash_password`` makes it; empty: nobody logs in.
        quota_mb: 0 means no limit.
    """

    address: str
    home: str
    password_hash: str = field(default="", repr=False)
    quota_mb: int = 0
    enabled: bool = True
    can_send: bool = True
    can_receive: bool = True


@dataclass(frozen=True, slots=True)
class AliasEntry:
    """An alias that is enabled."""

    address: str
    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DomainEntry:
    """A mail domain. ``private_key`` is PEM; empty: its mail leaves unsigned.

    The old key signs no more, but SMTP sessions that are open still know it by name. The Ed25519 key is there only
    if it signs beside the other.
    """

    name: str
    catch_all: str = ""
    selector: str = "quazzar"
    private_key: str = field(default="", repr=False)
    old_selector: str = ""
    old_private_key: str = field(default="", repr=False)
    ed25519_selector: str = ""
    ed25519_private_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Smarthost:
    """The relay that takes what goes out. ``security``: starttls, tls or none."""

    host: str
    port: int
    security: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the files are made of, at one generation."""

    generation: int = 0
    domains: tuple[DomainEntry, ...] = ()
    mailboxes: tuple[MailboxEntry, ...] = ()
    aliases: tuple[AliasEntry, ...] = ()
    smarthost: Smarthost | None = None
