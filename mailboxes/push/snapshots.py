"""Rows → the pure snapshot that the stack's files are rendered from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mailboxes.models import Alias, DkimKey, Domain, Mailbox, Stack
from mailboxes.push import smarthost as smarthostfiles
from mailboxes.push.entries import AliasEntry, DomainEntry, MailboxEntry, Smarthost, Snapshot
from mailboxes.push.render import key_file
from mailrelay.models import RelaySettings

if TYPE_CHECKING:
    from collections.abc import Mapping

_RSA, _ED25519, _SIGNING = DkimKey.Algorithm.RSA, DkimKey.Algorithm.ED25519, DkimKey.State.SIGNING


@dataclass(frozen=True)
class Taken:
    """A snapshot, and what must be known beside it to bring it in without harm.

    Attributes:
        new: addresses of mailboxes that the running stack has never had.
        removed: addresses of deleted mailboxes that it may still have.
        cut_off: addresses whose sessions end with this change: disabled since the last one.
        unreadable: addresses whose hash cannot be opened; their line in the users file stays as it is.
        unreadable_keys: files of DKIM keys that sign and cannot be opened; the stack goes on signing with its copies.
        certificate: (certificate, key) in PEM; None when the key cannot be opened: the old pair stays.
        frozen: parts that stay as they are, because a secret in them cannot be opened or Postfix cannot use it.
        relay_problem: why Postfix cannot use the relay settings; empty when it can, or need not.
    """

    snapshot: Snapshot
    new: frozenset[str] = frozenset()
    removed: tuple[str, ...] = ()
    cut_off: tuple[str, ...] = ()
    unreadable: frozenset[str] = frozenset()
    unreadable_keys: frozenset[str] = frozenset()
    certificate: tuple[str, str] | None = field(default=None, repr=False)
    frozen: frozenset[str] = frozenset()
    relay_problem: str = ""

    def with_hashes(self, found: Mapping[str, str]) -> Taken:
        """The same with the hashes that the users file still has for the unreadable ones."""
        boxes = tuple(
            replace(each, password_hash=found.get(each.address, ""))
            if each.address in self.unreadable
            else each
            for each in self.snapshot.mailboxes
        )
        return replace(self, snapshot=replace(self.snapshot, mailboxes=boxes))

    def with_keys(self, found: Mapping[str, str]) -> Taken:
        """The same with the DKIM keys that the stack still has for the unreadable ones (file → PEM)."""

        def key(domain: str, selector: str, present: str) -> str:
            file = key_file(domain, selector)
            return found.get(file, "") if file in self.unreadable_keys else present

        domains = tuple(
            replace(
                each,
                private_key=key(each.name, each.selector, each.private_key),
                ed25519_private_key=key(each.name, each.ed25519_selector, each.ed25519_private_key),
            )
            for each in self.snapshot.domains
        )
        return replace(self, snapshot=replace(self.snapshot, domains=domains))


#: Mailbox id → (generation, entry, readable): to open ten thousand sealed hashes would cost more than the push.
_entries: dict[int, tuple[int, MailboxEntry, bool]] = {}


def take() -> Taken:
    """What should be now. The generation is read first: the rows may be newer, never older."""
    stack = Stack.load()
    entries = _mailboxes()
    live = Mailbox.objects.filter(deleted_at=None)
    smarthost, relay_readable = _smarthost(stack)
    relay_problem = smarthostfiles.problem(smarthost) if smarthost else ""
    certificate = _certificate(stack)
    domains, unreadable_keys = _domains()
    frozen = {"tls"} if certificate is None else set()
    if relay_problem or not relay_readable:
        frozen.add("relay")
    return Taken(
        snapshot=Snapshot(
            generation=stack.desired_generation,
            domains=domains,
            mailboxes=tuple(entry for _, entry, _ in entries.values()),
            aliases=tuple(
                AliasEntry(address, tuple(destinations))
                for address, destinations in Alias.objects.filter(enabled=True)
                .order_by("address")
                .values_list("address", "destinations")
            ),
            smarthost=None if relay_problem else smarthost,
        ),
        # Not applied either, as the index knows: Dovecot waits for this.
        new=frozenset(live.filter(live_at=None, applied_at=None).values_list("address", flat=True)),
        removed=tuple(
            Mailbox.objects.filter(deleted_at__isnull=False, removed_at=None).values_list(
                "address", flat=True
            )
        ),
        cut_off=tuple(
            live.filter(enabled=False, applied_at=None, live_at__isnull=False).values_list(
                "address", flat=True
            )
        ),
        unreadable=frozenset(entry.address for _, entry, readable in entries.values() if not readable),
        unreadable_keys=unreadable_keys,
        certificate=certificate,
        frozen=frozenset(frozen),
        relay_problem=relay_problem,
    )


def _mailboxes() -> dict[int, tuple[int, MailboxEntry, bool]]:
    """All live mailboxes by id; only those that changed since the last time are read and opened."""
    current = dict(Mailbox.objects.filter(deleted_at=None).values_list("id", "generation"))
    stale = [
        pk
        for pk, generation in current.items()
        if pk not in _entries or _entries[pk][0] != generation or not _entries[pk][2]
    ]
    fresh: dict[int, tuple[int, MailboxEntry, bool]] = {}
    for start in range(0, len(stale), 500):
        for row in Mailbox.objects.filter(pk__in=stale[start : start + 500]):
            fresh[row.pk] = _entry(row)
    found = {pk: fresh.get(pk) or _entries[pk] for pk in current if pk in fresh or pk in _entries}
    _entries.clear()
    _entries.update(found)
    return found


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
    )
    return row.generation, entry, readable


def _domains() -> tuple[tuple[DomainEntry, ...], frozenset[str]]:
    """All of them, and the files of the keys that sign and cannot be opened."""
    entries, unreadable = [], set()
    for row in Domain.objects.prefetch_related("dkim_keys").order_by("name"):
        keys = {(key.algorithm, key.state): key for key in row.dkim_keys.all()}
        rsa, ed25519 = keys.get((_RSA, _SIGNING)), keys.get((_ED25519, _SIGNING))
        retired = keys.get((_RSA, DkimKey.State.RETIRED))
        unreadable |= {key_file(row.name, key.selector) for key in (rsa, ed25519) if key and not key.readable}
        entries.append(
            DomainEntry(
                name=row.name,
                catch_all=row.catch_all,
                selector=rsa.selector if rsa else DkimKey.FIRST_SELECTOR,
                private_key=_opened(rsa),
                old_selector=retired.selector if retired else "",
                old_private_key=_opened(retired),
                ed25519_selector=ed25519.selector if ed25519 else "",
                ed25519_private_key=_opened(ed25519),
            )
        )
    return tuple(entries), frozenset(unreadable)


def _opened(key: DkimKey | None) -> str:
    secret = key.private_key if key else None
    return secret.reveal() if secret is not None and secret.readable else ""


def _certificate(stack: Stack) -> tuple[str, str] | None:
    if stack.tls_key is None or not stack.tls_key.readable:
        return None
    return stack.tls_certificate, stack.tls_key.reveal()


def _smarthost(stack: Stack) -> tuple[Smarthost | None, bool]:
    """Where the stack's mail goes instead of straight out, and whether that could be found out."""
    relay = RelaySettings.load()
    if not stack.send_through_relay or not relay.configured:
        return None, True
    if relay.password is not None and not relay.password.readable:
        return None, False
    password = relay.password.reveal() if relay.password is not None else ""
    return Smarthost(relay.host, relay.port, relay.security, relay.username, password), True
