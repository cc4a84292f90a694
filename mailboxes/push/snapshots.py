"""Reads the rows into the snapshot that the stack's files are rendered from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from django.db.models import Q

from mailboxes.models import Alias, DkimKey, Domain, Mailbox, Stack
from mailboxes.provisioning import namespace, operators
from mailboxes.push.entries import LOST, AliasEntry, DomainEntry, MailboxEntry, Smarthost, Snapshot
from mailboxes.push.smarthost import why_unusable
from mailrelay.models import RelaySettings
from mailrelay.relay import authorities

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_RSA, _ED25519, _SIGNING = DkimKey.Algorithm.RSA, DkimKey.Algorithm.ED25519, DkimKey.State.SIGNING


@dataclass(frozen=True)
class Desired:
    """A snapshot, and what else a push needs to know so that it loses no mail and no secrets.

    Attributes:
        new: addresses of mailboxes that the running stack has never had.
        removed: addresses of deleted mailboxes that the running stack may still have.
        cut_off: addresses that were disabled or got another password since the last push, so their sessions must end.
        unreadable: addresses whose password hash cannot be unsealed; they keep their line in the users file.
        unreadable_keys: (domain, selector) of signing keys that cannot be unsealed; the stack signs with its copies.
        certificate: certificate and private key, both PEM; None if the key cannot be unsealed, so the old pair stays.
        frozen: parts that stay as they are, because a secret in them cannot be unsealed or Postfix cannot use it.
        relay_problem: why Postfix cannot use the relay settings; empty if it can, or need not.
    """

    snapshot: Snapshot
    new: frozenset[str] = frozenset()
    removed: tuple[str, ...] = ()
    cut_off: tuple[str, ...] = ()
    unreadable: frozenset[str] = frozenset()
    unreadable_keys: frozenset[tuple[str, str]] = frozenset()
    certificate: tuple[str, str] | None = field(default=None, repr=False)
    frozen: frozenset[str] = frozenset()
    relay_problem: str = ""

    def with_hashes(self, hashes: Mapping[str, str]) -> Desired:
        """The same, with the hashes in place of the unreadable ones.

        Args:
            hashes: address → hash, as the running stack has it.
        """
        mailboxes = tuple(
            replace(mailbox, password_hash=hashes.get(mailbox.address, ""))
            if mailbox.address in self.unreadable
            else mailbox
            for mailbox in self.snapshot.mailboxes
        )
        return replace(self, snapshot=replace(self.snapshot, mailboxes=mailboxes))

    def with_keys(self, keys: Mapping[tuple[str, str], str]) -> Desired:
        """The same, with the DKIM keys in place of the unreadable ones.

        Args:
            keys: (domain, selector) → key, as the running stack has it.
        """

        def key(domain: str, selector: str, present: str) -> str:
            return keys.get((domain, selector), present)

        domains = tuple(
            replace(
                domain,
                private_key=key(domain.name, domain.selector, domain.private_key),
                ed25519_private_key=key(domain.name, domain.ed25519_selector, domain.ed25519_private_key),
            )
            for domain in self.snapshot.domains
        )
        return replace(self, snapshot=replace(self.snapshot, domains=domains))


#: So that nobody can fill the disk by mail to a mailbox that no person looks into.
OWN_QUOTA_MB = 1024
#: Mailbox id → (generation, entry, readable). Unsealing ten thousand hashes would cost more than the push.
_entries: dict[int, tuple[int, MailboxEntry, bool]] = {}


def take() -> Desired:
    """What the running stack should have now.

    The generation is read first, so the rows may be newer than it says, but never older.
    """
    stack = Stack.load()
    entries = _mailboxes()
    live = Mailbox.objects.live()
    smarthost, relay_readable = _smarthost(stack)
    relay_problem = why_unusable(smarthost) if smarthost else ""
    certificate = _certificate(stack)
    domains, unreadable_keys = _domains()
    own = _own_mailbox(stack)
    roles = tuple(namespace.own_roles(domain.name for domain in domains)) if own else ()
    bounce_address, relay_login = _returns(roles)
    frozen = {"tls"} if certificate is None else set()
    if relay_problem or not relay_readable:
        frozen.add("relay")
    return Desired(
        snapshot=Snapshot(
            generation=stack.desired_generation,
            hostname=stack.hostname,
            operators=operators.current(),
            domains=domains,
            mailboxes=(*(entry for _, entry, _ in entries.values()), *own),
            aliases=tuple(
                AliasEntry(address, tuple(destinations))
                for address, destinations in Alias.objects.filter(enabled=True)
                .order_by("address")
                .values_list("address", "destinations")
            ),
            smarthost=None if relay_problem else smarthost,
            own=stack.own if own else "",
            own_roles=roles,
            bounce_address=bounce_address,
            relay_login=relay_login,
        ),
        # "applied_at is null" follows from the rest; it lets the database use an index, and a push waits for this.
        new=frozenset(live.unsynced().filter(live_at=None).values_list("address", flat=True)),
        removed=(*Mailbox.objects.leaving().values_list("address", flat=True), *_own_leaving(stack)),
        cut_off=tuple(
            live.unsynced()
            .filter(Q(enabled=False) | Q(password_changed_at__isnull=False), live_at__isnull=False)
            .values_list("address", flat=True)
        ),
        unreadable=frozenset(entry.address for _, entry, readable in entries.values() if not readable),
        unreadable_keys=unreadable_keys,
        certificate=certificate,
        frozen=frozenset(frozen),
        relay_problem=relay_problem,
    )


def _mailboxes() -> dict[int, tuple[int, MailboxEntry, bool]]:
    """All live mailboxes by id; only those that changed since the last push are read and unsealed."""
    current = dict(Mailbox.objects.live().values_list("id", "generation"))
    stale = [
        pk
        for pk, generation in current.items()
        if pk not in _entries or _entries[pk][0] != generation or not _entries[pk][2]
    ]
    fresh: dict[int, tuple[int, MailboxEntry, bool]] = {}
    for start in range(0, len(stale), 500):
        for row in Mailbox.objects.filter(pk__in=stale[start : start + 500]):
            fresh[row.pk] = _entry(row)
    entries = {pk: fresh.get(pk) or _entries[pk] for pk in current if pk in fresh or pk in _entries}
    _entries.clear()
    _entries.update(entries)
    return entries


def _entry(row: Mailbox) -> tuple[int, MailboxEntry, bool]:
    hashed = row.password_hash
    readable = hashed is None or hashed.readable
    entry = MailboxEntry(
        address=row.address,
        home=row.home,
        password_hash=hashed.reveal() if hashed is not None and readable else "",
        quota_mb=row.quota_mb,
        enabled=row.enabled,
        can_send=row.can_send,
        can_receive=row.can_receive,
        forward_to=tuple(row.forward_to),
        keep_copy=row.keep_copy,
    )
    return row.generation, entry, readable


def _own_mailbox(stack: Stack) -> tuple[MailboxEntry, ...]:
    """Quazzar's own mailbox, if there is one; it sends from role addresses only.

    ``own/keeping.py`` renews a lost password.
    """
    secret = stack.own_password_hash
    if not stack.own or secret is None or not secret.readable:
        return ()
    hashed = secret.reveal()
    return (MailboxEntry(stack.own, stack.own_home, hashed, quota_mb=OWN_QUOTA_MB, can_send=False),)


def _returns(roles: Collection[str]) -> tuple[str, str]:
    """Where bounces of the relay's mail go, and the mailbox as which it signs in here; empty if they are not ours."""
    relay = RelaySettings.objects.filter(pk=1).values_list("bounce_address", "username").first()
    address, login = (text.lower() for text in relay or ("", ""))
    is_ours = address in roles and Mailbox.objects.live().filter(address=login).exists()
    return (address, login) if is_ours else ("", "")


def _own_leaving(stack: Stack) -> tuple[str, ...]:
    """Its address, if it was switched off and the running stack may still have it."""
    return () if stack.own_mailbox or not stack.own_address else (stack.own_address,)


def _domains() -> tuple[tuple[DomainEntry, ...], frozenset[tuple[str, str]]]:
    """All domains, and (domain, selector) of the keys that sign and cannot be unsealed."""
    entries, unreadable = [], set[tuple[str, str]]()
    for row in Domain.objects.prefetch_related("dkim_keys").order_by("name"):
        keys = {(key.algorithm, key.state): key for key in row.dkim_keys.all()}
        rsa, ed25519 = keys.get((_RSA, _SIGNING)), keys.get((_ED25519, _SIGNING))
        unreadable |= {(row.name, key.selector) for key in (rsa, ed25519) if key and not key.readable}
        entries.append(
            DomainEntry(
                name=row.name,
                catch_all=row.catch_all,
                selector=rsa.selector if rsa else DkimKey.FIRST_SELECTOR,
                private_key=_revealed(rsa),
                ed25519_selector=ed25519.selector if ed25519 else "",
                ed25519_private_key=_revealed(ed25519),
                contact=row.contact,
            )
        )
    return tuple(entries), frozenset(unreadable)


def _revealed(key: DkimKey | None) -> str:
    if key is None:
        return ""
    secret = key.private_key
    return secret.reveal() if secret is not None and secret.readable else LOST


def _certificate(stack: Stack) -> tuple[str, str] | None:
    if stack.tls_key is None or not stack.tls_key.readable:
        return None
    return stack.tls_certificate, stack.tls_key.reveal()


def _smarthost(stack: Stack) -> tuple[Smarthost | None, bool]:
    """The relay that takes the stack's mail, or None, and whether its password could be unsealed."""
    relay = RelaySettings.load()
    if not stack.send_through_relay or not relay.configured:
        return None, True
    if relay.password is not None and not relay.password.readable:
        return None, False
    password = relay.password.reveal() if relay.password is not None else ""
    # What the product itself trusts; read every time, so that a changed file is a changed part.
    trusted = "" if relay.security == "none" else authorities.read().pem
    return Smarthost(relay.host, relay.port, relay.security, relay.username, password, trusted), True
