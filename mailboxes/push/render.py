"""Renders a snapshot into the files that the running stack reads: sorted, and equal for equal snapshots. Pure.

A value that could add a line or a column is refused.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING

from mailboxes.dkim.keys import for_rspamd
from mailboxes.provisioning import addresses, passwords
from mailboxes.provisioning.routing import untagged
from mailboxes.push import aliasrows
from mailboxes.push.aliasrows import destination

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from mailboxes.push.entries import AliasEntry, DomainEntry, MailboxEntry, Snapshot

#: Where Dovecot keeps mail; the home of a mailbox is a path below it.
MAIL_ROOT = "/srv/vmail"
#: A hash that no password matches. An empty field, or {PLAIN}, would let somebody in.
LOCKED = "{CRYPT}*"
#: The file in the directory ``fresh`` that Dovecot reads to list users, and that never has any (see dovecot.conf).
LISTING = hashlib.sha256(b"").hexdigest()[:2]
_GENERATION = re.compile(rb"# quazzar generation ([0-9]{1,19})(?:\s|\Z)")
_ADDRESS = re.compile(addresses.ADDRESS_PATTERN)
_DOMAIN = re.compile(addresses.DOMAIN_PATTERN)
_BASE64 = re.compile(r"[A-Za-z0-9+/=]+")
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
#: The home of a mailbox, below MAIL_ROOT. No local part contains two dots together, so homes never collide.
HOME = re.compile(rf"{addresses.DOMAIN_PATTERN}/{addresses.LOCAL_PATTERN}(?:\.\.[0-9]{{1,9}})?")


# --- Dovecot -----------------------------------------------------------------------------------------------
def users(snapshot: Snapshot) -> bytes:
    """Dovecot's passwd-file, its passdb and userdb; line 1 carries the generation.

    Raises:
        ValueError: a value could break the file, or an address occurs twice.
    """
    _refuse_duplicates([mailbox.address for mailbox in snapshot.mailboxes])
    lines = map(_user, sorted(snapshot.mailboxes, key=attrgetter("address")))
    return f"# quazzar generation {_natural(snapshot.generation)}\n{''.join(lines)}".encode()


def fresh(snapshot: Snapshot, chosen: Container[str]) -> list[tuple[str, str]]:
    """The lines of the chosen mailboxes for Dovecot's directory ``fresh``, each with the name of its file there.

    Dovecot looks there for whom the users file does not let in (decision 9).

    Args:
        chosen: addresses.

    Raises:
        ValueError: as ``users``.
    """
    lines = [
        line
        for mailbox in snapshot.mailboxes
        if mailbox.address in chosen
        for line in _user(mailbox).split("\n")
        if line
    ]
    named = [
        (hashlib.sha256(address_of(line.partition(":")[0]).encode()).hexdigest()[:2], line) for line in lines
    ]
    return sorted(pair for pair in named if pair[0] != LISTING)


def generation_of(first_line: bytes) -> int | None:
    """The generation that a users file was rendered from; None if its first line does not say."""
    match = _GENERATION.match(first_line)
    return int(match[1]) if match else None


# Cached because a push mostly differs from the one before in a single line, and a new mailbox waits for it.
@lru_cache(maxsize=20_000)
def _user(entry: MailboxEntry) -> str:
    address = _address(entry.address)
    local, _, domain = address.partition("@")
    if entry.home != f"{domain}/{local}" and not HOME.fullmatch(entry.home):
        raise ValueError(f"{entry.home!r} is not the home of a mailbox.")
    hashed = entry.password_hash if entry.enabled and entry.password_hash else LOCKED
    if hashed != LOCKED and not passwords.is_hash(hashed):
        raise ValueError(f"The password hash of {address} is not in the expected format.")
    # name:password:uid:gid:gecos:home:shell:extra (Dovecot's passwd-file); all mailboxes share one uid and gid.
    name = address.replace("'", r"\'")
    quota = f"userdb_quota_storage_size={_natural(entry.quota_mb)}M" if entry.quota_mb else ""
    line = f"{name}:{hashed}::::{MAIL_ROOT}/{entry.home}::{quota}"
    typed = addresses.shown(address)
    if typed == address:
        return f"{line}\n"
    # People type the domain in its own script; Dovecot then continues with the address.
    extra = " ".join(filter(None, [quota, f"user={address}"]))
    name = typed.replace("'", r"\'")
    return f"{line}\n{name}:{hashed}::::{MAIL_ROOT}/{entry.home}::{extra}\n"


def address_of(name: str) -> str:
    """The address of the mailbox that this name in the users file stands for.

    Before Dovecot looks a name up in a passwd-file, it puts a backslash before ``'``, ``"`` and ``\\``, and it takes
    none away when it reads the file (src/auth/db-passwd-file.c, ``auth_request_str_escape``). Of the three, an address
    of ours can only contain the first.
    """
    return name.replace(r"\'", "'")


# --- Postfix -----------------------------------------------------------------------------------------------
def domains_table(snapshot: Snapshot) -> bytes:
    """The table ``virtual_mailbox_domains``: the domains whose mail we accept, that of Quazzar's own mailbox included.

    Raises:
        ValueError: as ``users``; so do all other renderers.
    """
    names = {domain.name for domain in snapshot.domains} | {snapshot.own.rpartition("@")[2]} - {""}
    return _table((_domain(name), "ok") for name in names)


def submission_commands(snapshot: Snapshot) -> bytes:
    """``smtpd_command_filter`` of the submission ports (regexp_table(5)): a domain in another script, as DNS has it.

    Postfix refuses such an envelope as bad syntax, because it takes no SMTPUTF8, and does not say which form it would
    accept.
    """
    return _commands(snapshot, "{command}{address}${{{rest}}}")


def port25_commands(snapshot: Snapshot) -> bytes:
    """The same for port 25, where a stranger can request neither success reports nor bounces (RFC 3461, NOTIFY=NEVER).

    Without this, reports would go to forged senders. Users who have signed in may request reports.
    """
    never = (
        "/^([[:space:]]*RCPT[[:space:]].*[^[:space:]])[[:space:]]+NOTIFY=[^[:space:]]*(.*)$/ $1$2 NOTIFY=NEVER\n"
        "/^([[:space:]]*RCPT[[:space:]].*[^[:space:]])[[:space:]]*$/ $1 NOTIFY=NEVER\n"
    )
    return _commands(snapshot, "{command}{address}> NOTIFY=NEVER", "RCPT") + never.encode()


def _commands(snapshot: Snapshot, result: str, *only: str) -> bytes:
    lines = []
    for domain in snapshot.domains:
        name = _domain(domain.name)
        typed = addresses.shown(f"x@{name}").removeprefix("x@")
        if typed == name:
            continue
        spelling = _any_spelling(typed)
        # $1 is the command up to the @; the groups of the spelling come before the one of the rest.
        rest = 2 + spelling.count("(")
        for command in only or ("MAIL", "RCPT"):
            written = result.format(command="${1}", address=name, rest=rest)
            lines.append(f"/^([[:space:]]*{command}[[:space:]][^@]*@){spelling}(>.*)$/ {written}\n")
    return "".join(sorted(lines)).encode()


def _any_spelling(text: str) -> str:
    """A pattern for the text in upper and lower case, composed or not. Of single bytes, Postfix only knows ASCII."""
    spelt = []
    for char in unicodedata.normalize("NFC", text):
        cases = dict.fromkeys((char, char.lower(), char.upper()))
        forms = dict.fromkeys(unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD"))
        spelt.append(char.replace(".", "[.]") if char.isascii() else f"({'|'.join(forms)})")
    return "".join(spelt)


def mailboxes_table(snapshot: Snapshot) -> bytes:
    """The table ``virtual_mailbox_maps``: the mailboxes that can receive."""
    return _table((address, "ok") for address in _receiving(snapshot))


def aliases_table(snapshot: Snapshot) -> bytes:
    """The table ``virtual_alias_maps``: aliases, catch-alls, forwarding, role addresses, and each mailbox to itself."""
    _receiving(snapshot)
    _aliases(snapshot)
    for domain in snapshot.domains:
        _domain(domain.name)
    return _table((key, ",".join(targets)) for key, targets in aliasrows.rows(snapshot).items())


def senders_table(snapshot: Snapshot) -> bytes:
    """The table ``smtpd_sender_login_maps``: envelope sender → the logins that may use it."""
    rows = {
        _address(mailbox.address): {mailbox.address} for mailbox in snapshot.mailboxes if mailbox.can_send
    }
    senders = frozenset(rows)
    aliases = {alias.address: alias.destinations for alias in _aliases(snapshot)}
    for address in aliases:
        logins = _targets(address, aliases) & senders
        rows[address] = rows.get(address, set()) | logins
    # Quazzar sends delivery proofs from them: what they prove is true for every mail of the domain.
    rows |= {role: {snapshot.own} for role in snapshot.own_roles}
    # Rspamd sees to it that such mail is from the mailbox that signed in, or from Quazzar.
    if snapshot.bounce_address in snapshot.own_roles and snapshot.relay_login in senders:
        rows[snapshot.bounce_address].add(snapshot.relay_login)
    return _table((key, ",".join(sorted(logins))) for key, logins in rows.items() if logins)


def _receiving(snapshot: Snapshot) -> list[str]:
    receiving = [_address(mailbox.address) for mailbox in snapshot.mailboxes if mailbox.can_receive]
    _refuse_duplicates(receiving)
    return receiving


def _aliases(snapshot: Snapshot) -> tuple[AliasEntry, ...]:
    _refuse_duplicates([_address(alias.address) for alias in snapshot.aliases])
    return snapshot.aliases


def _targets(start: str, aliases: dict[str, tuple[str, ...]]) -> set[str]:
    """Every address that an alias leads to, directly or through other aliases, which may form a circle."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for text in aliases.get(waiting.pop(), ()):
            address = untagged(destination(text))
            if address not in seen:
                seen.add(address)
                waiting.append(address)
    return seen


# --- Rspamd ------------------------------------------------------------------------------------------------
def rspamd_domains(snapshot: Snapshot) -> bytes:
    """Rspamd's map of our domains."""
    return _lines(_domain(domain.name) for domain in snapshot.domains)


def rspamd_mailboxes(snapshot: Snapshot) -> bytes:
    """Rspamd's map of our mailboxes that can receive."""
    return _lines(_receiving(snapshot))


# --- DKIM ----------------------------------------------------------------------------------------------------
def selectors(domain: DomainEntry) -> bytes:
    """The selectors of the keys that sign a domain's mail, one a line; without one its mail leaves unsigned."""
    _domain(domain.name)
    return "".join(f"{_selector(selector)}\n" for selector, _ in _keys(domain)).encode("ascii")


def key_files(domain: DomainEntry) -> dict[str, bytes]:
    """File name → key, for each key that signs the domain's mail."""
    return {key_file(domain.name, selector): _key(key) for selector, key in _keys(domain)}


def key_file(domain: str, selector: str) -> str:
    """Name of the file that holds a DKIM key."""
    return f"{_domain(domain)}.{_selector(selector)}"


def _keys(domain: DomainEntry) -> list[tuple[str, str]]:
    pairs = (
        (domain.selector, domain.private_key),
        (domain.ed25519_selector, domain.ed25519_private_key),
    )
    return [(selector, private_key) for selector, private_key in pairs if private_key]


def _selector(value: str) -> str:
    if not _SELECTOR.fullmatch(value):
        raise ValueError(f"{value!r} is not a DKIM selector.")
    return value


def _key(private_key: str) -> bytes:
    key = for_rspamd(private_key)
    if not _BASE64.fullmatch(key):
        raise ValueError("A DKIM key is not in the expected format.")
    return key.encode("ascii")


# --- checked values and lines ------------------------------------------------------------------------------
def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value!r} is not an address of this node.")
    return value


def _domain(value: str) -> str:
    if len(value) > addresses.DOMAIN_LIMIT or not _DOMAIN.fullmatch(value):
        raise ValueError(f"{value!r} is not a domain of this node.")
    return value


def _natural(value: int) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a whole number of at least 0.")
    return value


def _refuse_duplicates(keys: list[str]) -> None:
    """Of two lines with the same key the daemons would silently take the first."""
    if len(set(keys)) != len(keys):
        duplicate = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise ValueError(f"{duplicate!r} appears twice.")


def _table(rows: Iterable[tuple[str, str]]) -> bytes:
    return _lines(f"{key} {value}" for key, value in rows)


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in sorted(lines)).encode("ascii")
