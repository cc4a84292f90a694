"""Pushes the rows' changes into the running stack, in the order that loses no mail, and confirms them."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from mailboxes import changes
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import passwords
from mailboxes.push import parts, recipe, render, snapshots
from mailboxes.push.entries import LOST, MailboxEntry
from quazzar.errors import CommandFailed, StackError, StaleGeneration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import StackSpec
    from mailboxes.push.entries import Snapshot
    from mailboxes.push.snapshots import Desired

logger = logging.getLogger(__name__)

#: In ``Stack.parts``: parts whose write began and was not confirmed. The next push writes them again, whole.
DIRTY = "dirty"
#: In ``Stack.parts``: the generation of all parts but the users file.
BUNDLE = "bundle"
#: In ``Stack.parts``: address → when its line came into Dovecot's directory ``fresh`` (Unix time).
FRESH = "fresh"
#: Seconds that a line stays there at least; Dovecot reads the users file once a second.
_FRESH_FOR = 3.0
#: Mailboxes that have a line there; others wait until Dovecot reads the users file.
_FRESH_AT_MOST = 100
#: Container → the users file that was last written there and confirmed, so that the next push sends the difference.
_written: dict[str, bytes] = {}
#: Addresses in one exec.
_KICKS = 500
#: Prints the first of these files that exists.
_SHOW = 'for file; do [ ! -e "$file" ] || exec cat "$file"; done'
#: Dovecot reads the users file once a second; kicked sooner, a client could log in again at once.
#: doveadm exits with 68 if the user has no session.
_KICK = 'sleep 1.5; for user in "$@"; do doveadm kick "$user" >/dev/null || [ $? = 68 ] || exit 1; done'


def sync(engine: Engine, spec: StackSpec) -> bool:
    """Pushes every change since the last confirmed push, and returns whether it wrote anything.

    Raises:
        RelayUnusable: everything except the relay settings was pushed.
        StackError: a container did not take a file; the old files stay in force, and the next push continues.
    """
    writer = Writer(engine, spec)
    desired = writer.write_users_at_once() if _nothing_removed() else None
    if desired is None:
        desired = with_unreadable_secrets(engine, spec, snapshots.take())
    # Before a table accepts mail for an address, there must be somewhere to deliver it, and a key to sign with.
    if not desired.removed:
        writer.write_users(desired, desired.snapshot)
    elif desired.new:
        writer.write_users(desired, _with_leaving(desired))
    writer.write_bundle(desired)
    if desired.removed:
        # They are out of the tables, so Postfix accepts no more mail for them. Now end their logins and sessions.
        writer.write_users(desired, desired.snapshot)
    _kick(engine, spec, [*desired.removed, *desired.cut_off])
    _confirm(desired)
    if desired.relay_problem:
        raise RelayUnusable(
            f"The mail server's outgoing mail does not use the relay settings. {desired.relay_problem}"
        )
    return writer.wrote


class RelayUnusable(StackError):
    """Postfix cannot use the relay settings; the previous ones stay in force, and everything else was pushed."""

    code = "relay_unusable"
    hint = "Change the relay settings, or turn off “Send through the relay”."


class _NotNowError(Exception):
    """The users file must not be written first, or need not be written at all."""


class Writer:
    """Writes only the parts that differ from what the stack last confirmed.

    Attributes:
        wrote: whether it wrote anything.
    """

    def __init__(self, engine: Engine, spec: StackSpec) -> None:
        self._engine = engine
        self._dovecot = spec.service("dovecot").name
        self._postfix = spec.service("postfix").name
        self._spec = spec
        self._key = settings.SECRET_KEY
        self._parts = Stack.load().parts
        self._users: tuple[Snapshot, bytes, str] | None = None
        self.wrote = False

    def write_users_at_once(self) -> Desired | None:
        """Writes the users file, and reads and renders the rows while the writer starts in the container.

        A new mailbox waits for the longer of the two, not for both. If the rows need another order, or no users file
        at all, nothing is written and ``write_users`` decides.

        Returns:
            What was read, or None if nothing was.
        """
        desired: Desired | None = None
        confirmation: list[tuple[int, str, list[str]]] = []

        def file() -> recipe.UsersFile:
            nonlocal desired
            desired = with_unreadable_secrets(self._engine, self._spec, snapshots.take())
            users, digest = self._rendered(desired.snapshot)
            if desired.removed or self._confirmed(parts.USERS, digest):
                raise _NotNowError
            fresh = self._fresh(desired)
            confirmation.append((desired.snapshot.generation, digest, fresh))
            old = self._old_users(expected)
            self._begin([parts.USERS])
            return recipe.UsersFile(users, render.fresh(desired.snapshot, fresh), old)

        expected = self._confirmed_generation(parts.USERS)
        with suppress(_NotNowError, StaleGeneration):
            recipe.write_users(self._engine, self._dovecot, file, expected)
            self._end_users(*confirmation[0])
        return desired

    def write_users(self, desired: Desired, snapshot: Snapshot) -> None:
        """Writes the users file, if it differs.

        Args:
            snapshot: what to write: the desired one, or one with more mailboxes.

        Raises:
            StaleGeneration: the file was rendered from newer rows than these.
            StackError: as ``recipe.write_users``.
        """
        data, digest = self._rendered(snapshot)
        if self._confirmed(parts.USERS, digest):
            return
        generation = snapshot.generation
        fresh = self._fresh(desired)
        expected = self._confirmed_generation(parts.USERS)
        file = recipe.UsersFile(data, render.fresh(snapshot, fresh), self._old_users(expected))
        self._begin([parts.USERS])
        try:
            recipe.write_users(self._engine, self._dovecot, file, expected)
        except StaleGeneration:
            # A killed worker wrote it and could not confirm it; or the file is newer than our rows.
            expected = self._generation_in_force("users", generation)
            recipe.write_users(self._engine, self._dovecot, file, expected)
        self._end_users(generation, digest, fresh)

    def _fresh(self, desired: Desired) -> list[str]:
        """Addresses of the mailboxes whose lines must also be in Dovecot's directory ``fresh``.

        Those of the last pushes stay until Dovecot has certainly read the users file; the others cannot wait for that.
        """
        now = time()
        written = self._parts.get(FRESH, {})
        staying = [address for address, when in written.items() if abs(now - when) < _FRESH_FOR]
        return [*staying, *sorted({*desired.new, *desired.cut_off}.difference(staying))][:_FRESH_AT_MOST]

    def _old_users(self, expected: int | str) -> bytes:
        """The users file that this process has written and nobody has replaced; empty if there is none."""
        old = b"" if parts.USERS in self._parts.get(DIRTY, ()) else _written.get(self._dovecot, b"")
        return old if render.generation_of(old.partition(b"\n")[0]) == expected else b""

    def _end_users(self, generation: int, digest: str, fresh: Iterable[str]) -> None:
        since: dict[str, float] = self._parts.get(FRESH, {})
        now = time()
        if self._users is not None:
            _written[self._dovecot] = self._users[1]
        times = {address: since.get(address, now) for address in fresh}
        self._end({parts.USERS: {"generation": generation, "digest": digest}, FRESH: times})

    def _rendered(self, snapshot: Snapshot) -> tuple[bytes, str]:
        """The users file and its digest, made once for each snapshot."""
        if self._users is None or self._users[0] is not snapshot:
            data = render.users(snapshot)
            self._users = snapshot, data, parts.digest_users(data, self._key)
        return self._users[1:]

    def write_bundle(self, desired: Desired) -> None:
        """Writes those of the other parts that differ: tables, maps, DKIM keys, certificate and smarthost.

        Raises:
            StaleGeneration: the bundle was rendered from newer rows than these.
            StackError: as ``recipe.write_bundle``.
        """
        rendered = parts.bundle(desired.snapshot, desired.certificate or ("", ""))
        digests = {name: parts.digest(files, self._key) for name, files in rendered.items()}
        changed = {
            name: files
            for name, files in rendered.items()
            if name not in desired.frozen and not self._confirmed(name, digests[name])
        }
        if not changed:
            return
        self._begin(changed)
        new = desired.snapshot.generation
        expected = self._confirmed_generation(BUNDLE)
        try:
            recipe.write_bundle(self._engine, self._postfix, new, expected, changed)
        except StaleGeneration:
            expected = self._generation_in_force("bundle", new)
            recipe.write_bundle(self._engine, self._postfix, new, expected, changed)
        if "tls" in changed:
            # Dovecot reads certificate and key only at a reload, and by now both files are in place.
            self._engine.check(self._dovecot, ["doveadm", "reload"], what="doveadm reload")
        if "relay" in changed and "relay" in self._parts:
            # Mail that failed with the old settings is tried again at once, as in the product's own queue.
            self._engine.run(self._postfix, ["postqueue", "-f"])
        self._end({BUNDLE: {"generation": new}, **{name: {"digest": digests[name]} for name in changed}})

    def _confirmed_generation(self, name: str) -> int | str:
        generation: int | str = self._parts.get(name, {}).get("generation", recipe.ANY)
        return generation

    def _generation_in_force(self, what: str, ours: int) -> int | str:
        """The generation that the files in the stack have, so that ours may replace it.

        Raises:
            StaleGeneration: the files were rendered from newer rows than ours.
        """
        path = "/etc/dovecot/users" if what == "users" else "/etc/dovecot/postfix/generation"
        result = self._engine.run(self._dovecot, ["head", "-n", "1", path])
        line = result.stdout if what == "users" else b"# quazzar generation " + result.stdout
        generation = render.generation_of(line) if result.exit_code == 0 else None
        if generation is not None and ours < generation <= Stack.load().desired_generation:
            raise StaleGeneration("The stack already has newer data.", exit_code=76)
        logger.warning(
            "stack: %s have generation %s, which was not confirmed; writing them again", what, generation
        )
        return recipe.ANY if generation is None else generation

    def _confirmed(self, name: str, digest: str) -> bool:
        return name not in self._parts.get(DIRTY, ()) and self._parts.get(name, {}).get("digest") == digest

    def _begin(self, names: Iterable[str]) -> None:
        self._parts[DIRTY] = sorted({*self._parts.get(DIRTY, ()), *names})
        self._save()

    def _end(self, confirmed: Mapping[str, Mapping[str, object]]) -> None:
        self._parts.update(confirmed)
        self._parts[DIRTY] = sorted(set(self._parts[DIRTY]) - confirmed.keys())
        self._save()
        self.wrote = True

    def _save(self) -> None:
        Stack.objects.filter(pk=1).update(parts=self._parts)


def _nothing_removed() -> bool:
    """True if mailboxes were only added or changed; the users file can then be written before the tables."""
    return Mailbox.objects.live().unsynced().exists() and not Mailbox.objects.leaving().exists()


def forget(names: Iterable[str] | None = None) -> None:
    """Marks parts, or all of them, as unconfirmed, so that the next push writes them again."""
    stack = Stack.load()
    every = (parts.USERS, *parts.BUNDLE)
    stack.parts[DIRTY] = sorted({*stack.parts.get(DIRTY, ()), *(every if names is None else names)})
    Stack.objects.filter(pk=1).update(parts=stack.parts)


def with_unreadable_secrets(engine: Engine, spec: StackSpec, desired: Desired) -> Desired:
    """Takes secrets that cannot be unsealed any more from the running stack, so that they stay in force."""
    if desired.unreadable:
        users = _content(engine, spec.service("dovecot").name, "/etc/dovecot/users")
        desired = desired.with_hashes(hashes_in(users))
    if desired.unreadable_keys:
        container = spec.service("postfix").name
        desired = desired.with_keys(
            {key: _signing_key(engine, container, *key) for key in sorted(desired.unreadable_keys)}
        )
    return desired


def _signing_key(engine: Engine, container: str, domain: str, selector: str) -> str:
    """The running stack's copy of a key; LOST if it has none."""
    name = render.key_file(domain, selector)
    # Where write_bundle.sh puts it, and where 0.3.0 had it.
    places = f"/mail-dkim/keys/{name}", f"/mail-config/dkim/keys/{name}", f"/etc/opendkim/keys/{name}.private"
    return _content(engine, container, *places).decode() or LOST


def _content(engine: Engine, container: str, *paths: str) -> bytes:
    """The content of the first of these files that is in a container; empty if none is.

    Raises:
        StackError: it could not be read. It may be the last copy of a secret, so nothing may replace it.
    """
    return engine.check(container, ["bash", "-c", _SHOW, "show", *paths], what=f"reading {paths[0]}").stdout


def hashes_in(users: bytes) -> dict[str, str]:
    """Address → password hash in a users file. Locked mailboxes and hand-written passwords are left out."""
    rows = (line.split(":", 2) for line in users.decode(errors="replace").splitlines() if line[:1] != "#")
    return {render.address_of(row[0]): row[1] for row in rows if len(row) == 3 and passwords.is_hash(row[1])}


def _with_leaving(desired: Desired) -> Snapshot:
    """The snapshot and the mailboxes that are about to be removed, without a password.

    They stay until the tables no longer name them, so that mail in transit still arrives. A mailbox that looks new
    may be in the stack already, pushed by a worker that was killed before it could confirm.
    """
    present = {mailbox.address for mailbox in desired.snapshot.mailboxes}
    rows = Mailbox.objects.leaving().filter(live_at__isnull=False)
    leaving = {
        row.address: MailboxEntry(row.address, row.home, quota_mb=row.quota_mb)
        for row in rows.order_by("id")
        if row.address not in present
    }
    return replace(desired.snapshot, mailboxes=(*desired.snapshot.mailboxes, *leaving.values()))


def _kick(engine: Engine, spec: StackSpec, addresses: Sequence[str]) -> None:
    """Ends the sessions of these mailboxes, many in one exec, because each exec costs 60 ms."""
    for start in range(0, len(addresses), _KICKS):
        argv = ["bash", "-c", _KICK, "kick", *addresses[start : start + _KICKS]]
        result = engine.run(spec.service("dovecot").name, argv)
        if result.exit_code:
            raise CommandFailed(
                "Could not end the open sessions of mailboxes that were removed, disabled or given a new "
                "password.",
                exit_code=result.exit_code,
                code="kick_failed",
                hint="Quazzar will try again.",
            )


def _confirm(desired: Desired) -> None:
    """Marks everything up to the snapshot's generation as applied."""
    now = timezone.now()
    generation = desired.snapshot.generation
    arrived = Q(applied_at=None, generation__lte=generation)
    with transaction.atomic():
        changes.lock()  # first, like every writer of these rows
        for model in (Domain, Alias):
            model.objects.filter(arrived).update(applied_at=now, live_at=Coalesce("live_at", Value(now)))
        Mailbox.objects.live().filter(arrived).update(
            applied_at=now, live_at=Coalesce("live_at", Value(now)), password_changed_at=None
        )
        Mailbox.objects.leaving().filter(address__in=desired.removed, generation__lte=generation).update(
            removed_at=now
        )
        Stack.objects.filter(pk=1, own_mailbox=False, own_address__in=desired.removed).update(own_address="")
        Stack.objects.filter(pk=1, applied_generation__lt=generation).update(applied_generation=generation)
