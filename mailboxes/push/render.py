"""A snapshot of the rows → the bytes of every file that the running stack reads. Pure, sorted, stable.

Nothing is escaped, because none of these formats has an escape: what could add a line or a column is refused.
"""

from __future__ import annotations

import re
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING

from mailboxes.provisioning import addresses, passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailboxes.push.entries import AliasEntry, MailboxEntry, Snapshot

#: Where Dovecot keeps mail; a mailbox's home lies below it.
MAIL_ROOT = "/srv/vmail"
#: Where OpenDKIM finds its tables and private keys.
KEY_ROOT = "/etc/opendkim/keys"
#: What no password matches. An empty field, or {PLAIN}, would let somebody in.
LOCKED = "{CRYPT}*"
_GENERATION = re.compile(rb"# quazzar generation ([0-9]{1,19})(?:\s|\Z)")
_ADDRESS = re.compile(addresses.ADDRESS_PATTERN)
_DOMAIN = re.compile(addresses.DOMAIN_PATTERN)
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
#: A mailbox's place below MAIL_ROOT. Two dots never occur in a local part, so it is never that of another address.
HOME = re.compile(rf"{addresses.DOMAIN_PATTERN}/{addresses.LOCAL_PATTERN}(?:\.\.[0-9]{{1,9}})?")


# --- Dovecot -----------------------------------------------------------------------------------------------
def users(snapshot: Snapshot) -> bytes:
    """Dovecot's passwd-file, for logging in and for finding the mail; line 1 carries the generation.

    Raises:
        ValueError: a value that could break the file, or an address that is there twice.
    """
    _once([each.address for each in snapshot.mailboxes])
    lines = map(_user, sorted(snapshot.mailboxes, key=attrgetter("address")))
    return f"# quazzar generation {_whole(snapshot.generation)}\n{''.join(lines)}".encode("ascii")


def generation_of(first_line: bytes) -> int | None:
    """The generation that a users file was rendered from; None when its first line does not say."""
    found = _GENERATION.match(first_line)
    return int(found[1]) if found else None


# A push mostly differs from the one before in one line, and Dovecot waits for it.
@lru_cache(maxsize=20_000)
def _user(entry: MailboxEntry) -> str:
    address = _address(entry.address)
    local, _, domain = address.partition("@")
    if entry.home != f"{domain}/{local}" and not HOME.fullmatch(entry.home):
        raise ValueError(f"{entry.home!r} is no home of a mailbox.")
    hashed = entry.password_hash if entry.enabled and entry.password_hash else LOCKED
    if hashed != LOCKED and not passwords.is_hash(hashed):
        raise ValueError(f"The password of {address} is not in the form that is expected.")
    # name:password:uid:gid:gecos:home:shell:extra (Dovecot's passwd-file); uid and gid are the same for all.
    quota = f"userdb_quota_storage_size={_whole(entry.quota_mb)}M" if entry.quota_mb else ""
    return f"{address}:{hashed}::::{MAIL_ROOT}/{entry.home}::{quota}\n"


# --- Postfix -----------------------------------------------------------------------------------------------
def domains_table(snapshot: Snapshot) -> bytes:
    """virtual_mailbox_domains: whose mail is ours."""
    return _table((_domain(each.name), "ok") for each in snapshot.domains)


def mailboxes_table(snapshot: Snapshot) -> bytes:
    """virtual_mailbox_maps: who can receive."""
    return _table((each, "ok") for each in _receiving(snapshot))


def aliases_table(snapshot: Snapshot) -> bytes:
    """virtual_alias_maps: aliases, catch-alls, and each mailbox to itself, lest a catch-all swallow it.

    What would lead only to addresses of ours that nobody has gets no row: refused at once, not bounced later.
    """
    reachable = _reachable(snapshot)
    rows = {address: [address] for address in _receiving(snapshot)}
    for alias in _aliases(snapshot):
        # An address that is mailbox and alias at once (two requests raced) loses nothing: it is kept and forwarded.
        rows.setdefault(alias.address, []).extend(
            each for each in map(_destination, alias.destinations) if reachable(each)
        )
    for domain in snapshot.domains:
        if domain.catch_all and reachable(domain.catch_all):
            rows[f"@{_domain(domain.name)}"] = [_destination(domain.catch_all)]
    return _table((key, ",".join(dict.fromkeys(values))) for key, values in rows.items() if values)


def _reachable(snapshot: Snapshot) -> Callable[[str], bool]:
    """Whether mail to a destination ends somewhere: outside, or in a mailbox of ours, be it through aliases."""
    ours = {f"@{domain.name}" for domain in snapshot.domains}
    ends = set(_receiving(snapshot))
    open_ways = {alias.address: alias.destinations for alias in snapshot.aliases}
    open_ways |= {f"@{domain.name}": (domain.catch_all,) for domain in snapshot.domains if domain.catch_all}

    def reachable(destination: str) -> bool:
        address = _untagged(_destination(destination))
        everybody = address[address.rindex("@") :]
        return everybody not in ours or address in ends or everybody in ends

    # From the ends backwards, so that a circle that nothing leads out of is none.
    while found := {key for key, destinations in open_ways.items() if any(map(reachable, destinations))}:
        ends |= found
        open_ways = {key: open_ways[key] for key in open_ways.keys() - found}
    return reachable


def senders_table(snapshot: Snapshot) -> bytes:
    """smtpd_sender_login_maps: envelope sender → who may use it once logged in."""
    rows = {_address(each.address): {each.address} for each in snapshot.mailboxes if each.can_send}
    senders = frozenset(rows)
    aliases = {alias.address: alias.destinations for alias in _aliases(snapshot)}
    for address in aliases:
        logins = _reached(address, aliases) & senders
        rows[address] = rows.get(address, set()) | logins
    return _table((key, ",".join(sorted(logins))) for key, logins in rows.items() if logins)


def _receiving(snapshot: Snapshot) -> list[str]:
    found = [_address(each.address) for each in snapshot.mailboxes if each.can_receive]
    _once(found)
    return found


def _aliases(snapshot: Snapshot) -> tuple[AliasEntry, ...]:
    _once([_address(alias.address) for alias in snapshot.aliases])
    return snapshot.aliases


def _reached(start: str, aliases: dict[str, tuple[str, ...]]) -> set[str]:
    """Every address that mail to an alias comes to here, through other aliases too; circles end."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for text in aliases.get(waiting.pop(), ()):
            address = _untagged(_destination(text))
            if address not in seen:
                seen.add(address)
                waiting.append(address)
    return seen


def _untagged(address: str) -> str:
    """As Postfix looks it up in the end: in lower case, without ``+tag``."""
    local, _, domain = address.lower().partition("@")
    return f"{local.partition('+')[0]}@{domain}"


# --- Rspamd ------------------------------------------------------------------------------------------------
def rspamd_domains(snapshot: Snapshot) -> bytes:
    """The map of our domains."""
    return _lines(_domain(each.name) for each in snapshot.domains)


def rspamd_mailboxes(snapshot: Snapshot) -> bytes:
    """The map of our mailboxes that can receive."""
    return _lines(_receiving(snapshot))


# --- OpenDKIM ----------------------------------------------------------------------------------------------
def key_table(snapshot: Snapshot) -> bytes:
    """KeyTable. No row without a key: its domain's mail would be refused with 451."""
    return _key_table(_rsa_keys(snapshot))


def signing_table(snapshot: Snapshot) -> bytes:
    """SigningTable, a refile: sender's domain → its row in KeyTable."""
    return _signing_table(_rsa_keys(snapshot))


def ed25519_key_table(snapshot: Snapshot) -> bytes:
    """KeyTable of the OpenDKIM that adds a second signature: one knows one algorithm."""
    return _key_table(_ed25519_keys(snapshot))


def ed25519_signing_table(snapshot: Snapshot) -> bytes:
    """The SigningTable that belongs to it."""
    return _signing_table(_ed25519_keys(snapshot))


def key_file(domain: str, selector: str) -> str:
    """Name of the file with a private key, below KEY_ROOT."""
    return f"{domain}.{selector}.private"


def _rsa_keys(snapshot: Snapshot) -> list[tuple[str, str]]:
    """(domain, selector) of each key that signs."""
    return [(each.name, each.selector) for each in snapshot.domains if each.private_key]


def _ed25519_keys(snapshot: Snapshot) -> list[tuple[str, str]]:
    return [(each.name, each.ed25519_selector) for each in snapshot.domains if each.ed25519_private_key]


def _key_table(keys: Iterable[tuple[str, str]]) -> bytes:
    return _table(
        (_key_name(domain, selector), f"{domain}:{selector}:{KEY_ROOT}/{key_file(domain, selector)}")
        for domain, selector in keys
    )


def _signing_table(keys: Iterable[tuple[str, str]]) -> bytes:
    return _table((f"*@{domain}", _key_name(domain, selector)) for domain, selector in keys)


def _key_name(domain: str, selector: str) -> str:
    if not _SELECTOR.fullmatch(selector):
        raise ValueError(f"{selector!r} is no DKIM selector.")
    return f"{selector}._domainkey.{_domain(domain)}"


# --- checked values, and rows ------------------------------------------------------------------------------
def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value!r} is not an address of this node.")
    return value


def _domain(value: str) -> str:
    if len(value) > addresses.DOMAIN_LIMIT or not _DOMAIN.fullmatch(value):
        raise ValueError(f"{value!r} is not a domain of this node.")
    return value


@lru_cache(maxsize=65536)
def _destination(value: str) -> str:
    return addresses.destination(value)


def _whole(value: int) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a whole number.")
    return value


def _once(keys: list[str]) -> None:
    """Of two rows with one key the first would win, silently."""
    if len(set(keys)) != len(keys):
        twice = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise ValueError(f"{twice!r} is there twice.")


def _table(rows: Iterable[tuple[str, str]]) -> bytes:
    return _lines(f"{key} {value}" for key, value in rows)


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in sorted(lines)).encode("ascii")
