"""Snapshot of the rows → the files of the stack: bytes, sorted, the same for the same rows. Pure.

Every value is checked again here: whatever a row holds, it can never add a line or a column.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Nobody's password: no hash of anything starts with a star.
NO_LOGIN = "{CRYPT}*"
MAIL_ROOT = "/srv/vmail"
_GENERATION = "# quazzar generation "

_ADDRESS = re.compile(r"[a-z0-9_'&~.-]{1,64}@[a-z0-9.-]{1,253}")
_DESTINATION = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[a-z0-9.-]{1,253}")
_DOMAIN = re.compile(r"[a-z0-9.-]{1,253}")
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOME = re.compile(r"[a-z0-9.-]+/[a-z0-9_'&~.-]+")
_HASH = re.compile(r"\{[A-Z0-9.-]+\}[!-9;-~]+")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_LINE_ENDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class ConfigFile:
    """A file in one of the stack's volumes.

    Attributes:
        volume: config or dkim.
        path: below the volume's root.
    """

    volume: str
    path: str
    data: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True)
class MailboxEntry:
    """A mailbox. ``password_hash``: empty when nobody can log in. ``home``: below /srv/vmail."""

    address: str
    home: str
    password_hash: str = field(repr=False)
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
    """A domain. ``catch_all``: empty when mail to unknown addresses is refused; ``private_key``: PEM or empty."""

    name: str
    catch_all: str = ""
    selector: str = "quazzar"
    private_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Smarthost:
    """Where mail to other servers leaves through. ``security``: starttls, tls or none."""

    host: str
    port: int
    security: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Snapshot:
    """All that the files are made of, as it was at one generation."""

    generation: int
    domains: tuple[DomainEntry, ...] = ()
    mailboxes: tuple[MailboxEntry, ...] = ()
    aliases: tuple[AliasEntry, ...] = ()
    smarthost: Smarthost | None = None


# --- Dovecot -----------------------------------------------------------------------------------------------
def users(snapshot: Snapshot) -> bytes:
    """Dovecot's passwd-file: ``user:hash:uid:gid:gecos:home:shell:extra``; line 1 carries the generation."""
    lines = [f"{_GENERATION}{snapshot.generation}"]
    lines += sorted(map(_user, snapshot.mailboxes))
    return _text(lines)


def _user(box: MailboxEntry) -> str:
    address = _checked(_ADDRESS, box.address, "an address")
    home = _checked(_HOME, box.home, "a mailbox's place")
    hashed = _checked(_HASH, box.password_hash, "a hash") if box.enabled and box.password_hash else NO_LOGIN
    # 2.4's name: the one of 2.3 would silently mean "no limit".
    quota = f"userdb_quota_storage_size={int(box.quota_mb)}M" if box.quota_mb else ""
    return f"{address}:{hashed}::::{MAIL_ROOT}/{home}::{quota}"


def generation_of(line: bytes) -> int | None:
    """The generation in a users file's first line, or in the bundle's file; None when there is none."""
    digits = line.strip().removeprefix(_GENERATION.encode())
    return int(digits) if digits.isdigit() else None


# --- Postfix -----------------------------------------------------------------------------------------------
def domains_table(snapshot: Snapshot) -> bytes:
    """``virtual_mailbox_domains``."""
    return _table((_name(domain), "OK") for domain in snapshot.domains)


def mailboxes_table(snapshot: Snapshot) -> bytes:
    """``virtual_mailbox_maps``: who can receive."""
    return _table((_address(box.address), "OK") for box in snapshot.mailboxes if box.can_receive)


def aliases_table(snapshot: Snapshot) -> bytes:
    """``virtual_alias_maps``: aliases, catch-alls, and a row to itself for each mailbox.

    Postfix looks for an alias before it looks for a mailbox: without its own row a catch-all would swallow it.
    What would lead only to addresses of ours that nobody has gets no row: refused at once, instead of bounced later.
    """
    reachable = _reachable(snapshot)
    rows = [(_address(box.address), box.address) for box in snapshot.mailboxes if box.can_receive]
    for alias in snapshot.aliases:
        kept = [_destination(each) for each in alias.destinations if reachable(each)]
        if kept:
            rows.append((_address(alias.address), ", ".join(kept)))
    rows += [
        (f"@{_name(domain)}", _destination(domain.catch_all))
        for domain in snapshot.domains
        if domain.catch_all and reachable(domain.catch_all)
    ]
    return _table(rows)


def _reachable(snapshot: Snapshot) -> Callable[[str], bool]:
    """Whether mail to a destination ends somewhere: outside, or at an address of ours that exists."""
    ours = {domain.name for domain in snapshot.domains}
    known = {box.address for box in snapshot.mailboxes if box.can_receive}
    known |= {alias.address for alias in snapshot.aliases}

    def exists(destination: str) -> bool:
        local, _, domain = destination.rpartition("@")
        return domain not in ours or f"{local.partition('+')[0]}@{domain}" in known

    caught = {each.name for each in snapshot.domains if each.catch_all and exists(each.catch_all)}
    return lambda destination: exists(destination) or destination.rpartition("@")[2] in caught


def senders_table(snapshot: Snapshot) -> bytes:
    """``smtpd_sender_login_maps``: whose envelope sender an address may be."""
    senders = {_address(box.address) for box in snapshot.mailboxes if box.can_send}
    owners: dict[str, set[str]] = defaultdict(set)
    for address in senders:
        owners[address].add(address)
    targets = {alias.address: alias.destinations for alias in snapshot.aliases}
    for alias in snapshot.aliases:
        owners[_address(alias.address)] |= _reached(alias.address, targets) & senders
    return _table((address, ", ".join(sorted(logins))) for address, logins in owners.items() if logins)


def _reached(alias: str, targets: dict[str, tuple[str, ...]]) -> set[str]:
    """All addresses that an alias leads to, through other aliases too."""
    seen: set[str] = set()
    waiting = [alias]
    while waiting:
        for each in targets.get(waiting.pop(), ()):
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return seen


def sasl_passwd(snapshot: Snapshot) -> bytes:
    """``smtp_sasl_password_maps``: the smarthost's user name and password."""
    host = snapshot.smarthost
    if host is None or not host.username:
        return b""
    # Postfix splits at the first colon, and strips a line's ends.
    user, password = _line(host.username, "user name"), _line(host.password, "password")
    if ":" in user or user != user.strip() or password != password.rstrip():
        raise ValueError(
            "Postfix cannot take a user name with a colon, or a password that ends with a space."
        )
    return _table([(_nexthop(host), f"{user}:{password}")])


def tls_policy(snapshot: Snapshot) -> bytes:
    """``smtp_tls_policy_maps``: the smarthost's certificate is verified, as the relay itself does."""
    host = snapshot.smarthost
    if host is None:
        return b""
    policy = "none" if host.security == "none" else f"secure match={host.host}"
    return _table([(_nexthop(host), policy)])


def relayhost(snapshot: Snapshot) -> bytes:
    """``relayhost``: brackets, because the name is a host and not a mail domain; empty: mail goes straight out."""
    return _text([_nexthop(snapshot.smarthost)]) if snapshot.smarthost else b"\n"


def _nexthop(host: Smarthost) -> str:
    name = _checked(_HOST, host.host, "a host")
    return f"[{name}]:{int(host.port)}"


# --- Rspamd ------------------------------------------------------------------------------------------------
def rspamd_domains(snapshot: Snapshot) -> bytes:
    """Map of our domains."""
    return _text(sorted(map(_name, snapshot.domains)))


def rspamd_mailboxes(snapshot: Snapshot) -> bytes:
    """Map of addresses that mail is taken for."""
    known = {_address(each.address) for each in snapshot.mailboxes}
    known |= {_address(each.address) for each in snapshot.aliases}
    return _text(sorted(known))


# --- OpenDKIM ----------------------------------------------------------------------------------------------
def key_table(snapshot: Snapshot) -> bytes:
    """KeyTable: ``name domain:selector:path``. No row without a key: that would hold the domain's mail up."""
    rows = []
    for domain in snapshot.domains:
        if domain.private_key:
            name, selector = _name(domain), _checked(_SELECTOR, domain.selector, "a selector")
            path = f"/etc/opendkim/keys/{name}.{selector}.private"
            rows.append(f"{selector}._domainkey.{name} {name}:{selector}:{path}")
    return _text(sorted(rows))


def signing_table(snapshot: Snapshot) -> bytes:
    """SigningTable, read as a ``refile``: every sender of the domain."""
    return _text(
        sorted(
            f"*@{_name(domain)} {domain.selector}._domainkey.{domain.name}"
            for domain in snapshot.domains
            if domain.private_key
        )
    )


# --- shared ------------------------------------------------------------------------------------------------
def _table(rows: Iterable[tuple[str, str]]) -> bytes:
    return _text(sorted(f"{key} {value}" for key, value in rows))


def _text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _name(domain: DomainEntry) -> str:
    return _checked(_DOMAIN, domain.name, "a domain")


def _address(text: str) -> str:
    return _checked(_ADDRESS, text, "an address")


def _destination(text: str) -> str:
    return _checked(_DESTINATION, text, "a destination")


def _line(text: str, what: str) -> str:
    if _LINE_ENDS.search(text):
        raise ValueError(f"The {what} contains a line break or control character.")
    return text


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    # Never the value itself: it may be a hash.
    if not pattern.fullmatch(text):
        raise ValueError(f"What should be {what} cannot stand in the stack's files.")
    return text
