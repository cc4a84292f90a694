"""Brings the rows' changes into the running stack, in the order that loses no mail, and confirms them."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from mailboxes import changes
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import passwords
from mailboxes.push import parts, render, snapshots
from mailboxes.push import recipe as push
from mailboxes.push.entries import MailboxEntry
from quazzar.errors import CommandFailed, StackError, StaleGeneration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import StackSpec
    from mailboxes.push.entries import Snapshot
    from mailboxes.push.snapshots import Taken

logger = logging.getLogger(__name__)

#: In ``Stack.parts``: a write of these parts began, and its end was not seen; they are written again, whole.
DIRTY = "dirty"
BUNDLE = "bundle"
#: Addresses in one exec.
_KICKS = 500
_SHOW = '[ ! -e "$1" ] || cat "$1"'
#: Dovecot looks at the users file once a second: put out sooner, a client that connects again at once would be let in.
#: 68 is what doveadm ends with when the user has no session.
_KICK = 'sleep 1.5; for user in "$@"; do doveadm kick "$user" >/dev/null || [ $? = 68 ] || exit 1; done'


def sync(engine: Engine, spec: StackSpec) -> bool:
    """Writes what differs from what was last confirmed. Many changes are one push. Whether anything was written.

    Raises:
        StackError: a container did not take it; what is in force is still whole, and the next try goes on.
    """
    writer = Writer(engine, spec)
    taken = writer.write_users_at_once() if _only_more() else None
    if taken is None:
        taken = _with_what_the_stack_knows(engine, spec, snapshots.take())
    # Before a table accepts mail for an address, there is somewhere to deliver it, and a key to sign with.
    if not taken.removed:
        writer.write_users(taken.snapshot)
    elif taken.new:
        writer.write_users(_with_leaving(taken))
    writer.write_bundle(taken.snapshot, taken)
    if taken.removed:
        # They are out of the tables, so nothing more is accepted; then nobody can log in; then sessions end.
        writer.write_users(taken.snapshot)
    _kick(engine, spec, [*taken.removed, *taken.cut_off])
    _confirm(taken)
    if taken.relay_problem:
        raise RelayUnusable(f"The stack's mail does not follow the relay settings. {taken.relay_problem}")
    return writer.wrote


class RelayUnusable(StackError):
    """Everything is in the stack but the relay settings, which Postfix cannot use; those before stay in force."""

    code = "relay_unusable"
    hint = "Change the relay settings, or let the stack deliver its mail itself."


class _LeftToOthersError(Exception):
    """The users file is not written now."""


class Writer:
    """Knows what was last confirmed, and writes only what differs from it."""

    def __init__(self, engine: Engine, spec: StackSpec) -> None:
        self._engine = engine
        self._spec = spec
        self._key = settings.SECRET_KEY
        self._parts = Stack.load().parts
        self._users: tuple[Snapshot, bytes, str] | None = None
        self.wrote = False

    def write_users_at_once(self) -> Taken | None:
        """The users file, its rows read and rendered while its writer starts in the container: a new mailbox waits for
        the longer of the two, not for both. Returns what was read; None when nothing was.

        It is not written, and left to ``write_users``, when that turns out to be wrong or needless.
        """
        taken: Taken | None = None
        confirmation: dict[str, dict[str, object]] = {}

        def data() -> bytes:
            nonlocal taken
            taken = _with_what_the_stack_knows(self._engine, self._spec, snapshots.take())
            users, digest = self._rendered(taken.snapshot)
            if taken.removed or self._confirmed(parts.USERS, digest):
                raise _LeftToOthersError
            confirmation[parts.USERS] = {"generation": taken.snapshot.generation, "digest": digest}
            self._begin([parts.USERS])
            return users

        expected = self._parts.get(parts.USERS, {}).get("generation", push.ANY)
        with suppress(_LeftToOthersError, StaleGeneration):
            push.write_users(self._engine, self._spec.service("dovecot").name, data, expected)
            self._end(confirmation)
        return taken

    def write_users(self, snapshot: Snapshot) -> None:
        """The users file."""
        data, digest = self._rendered(snapshot)
        if self._confirmed(parts.USERS, digest):
            return
        container = self._spec.service("dovecot").name
        self._begin([parts.USERS])
        generation = snapshot.generation
        expected = self._parts.get(parts.USERS, {}).get("generation", push.ANY)
        try:
            push.write_users(self._engine, container, data, expected)
        except StaleGeneration:
            # Written, and its confirmation lost with a killed worker; or the rows are older than the stack.
            push.write_users(self._engine, container, data, self._found("users", generation))
        self._end({parts.USERS: {"generation": generation, "digest": digest}})

    def _rendered(self, snapshot: Snapshot) -> tuple[bytes, str]:
        """The users file and its digest, made once for each snapshot."""
        if self._users is None or self._users[0] is not snapshot:
            data = render.users(snapshot)
            self._users = snapshot, data, parts.digest_users(data, self._key)
        return self._users[1:]

    def write_bundle(self, snapshot: Snapshot, taken: Taken) -> None:
        """Tables, maps, keys, certificate and smarthost: those parts that differ."""
        rendered = parts.bundle(snapshot, taken.certificate or ("", ""))
        digests = {name: parts.digest(part, self._key) for name, part in rendered.items()}
        changed = {
            name: part
            for name, part in rendered.items()
            if name not in taken.frozen and not self._confirmed(name, digests[name])
        }
        if not changed:
            return
        container = self._spec.service("postfix").name
        self._begin(changed)
        expected = self._parts.get(BUNDLE, {}).get("generation", push.ANY)
        new = snapshot.generation
        try:
            push.write_bundle(self._engine, container, new, expected, changed)
        except StaleGeneration:
            push.write_bundle(self._engine, container, new, self._found("bundle", new), changed)
        if "tls" in changed:
            # Both files are in place by now; Dovecot reads them at a reload only.
            self._engine.check(
                self._spec.service("dovecot").name, ["doveadm", "reload"], what="doveadm reload"
            )
        self._end({BUNDLE: {"generation": new}, **{name: {"digest": digests[name]} for name in changed}})

    def _found(self, what: str, ours: int) -> int | str:
        """The generation that stands in the stack, to be replaced by ours.

        Raises:
            StaleGeneration: it came from newer rows than ours.
        """
        path = "/etc/dovecot/users" if what == "users" else "/etc/dovecot/postfix/generation"
        result = self._engine.run(self._spec.service("dovecot").name, ["head", "-n", "1", path])
        line = result.stdout if what == "users" else b"# quazzar generation " + result.stdout
        found = render.generation_of(line) if result.exit_code == 0 else None
        if found is not None and ours < found <= Stack.load().desired_generation:
            raise StaleGeneration("The stack has newer rows than these.", exit_code=76)
        logger.warning(
            "stack: %s are of generation %s, another than was confirmed; written anew", what, found
        )
        return push.ANY if found is None else found

    def _confirmed(self, name: str, digest: str) -> bool:
        return name not in self._parts.get(DIRTY, ()) and self._parts.get(name, {}).get("digest") == digest

    def _begin(self, names: Iterable[str]) -> None:
        self._parts[DIRTY] = sorted({*self._parts.get(DIRTY, ()), *names})
        self._save()

    def _end(self, confirmed: dict[str, dict[str, object]]) -> None:
        self._parts.update(confirmed)
        self._parts[DIRTY] = sorted(set(self._parts[DIRTY]) - confirmed.keys())
        self._save()
        self.wrote = True

    def _save(self) -> None:
        Stack.objects.filter(pk=1).update(parts=self._parts)


def _only_more() -> bool:
    """Whether mailboxes were added or changed, and none was deleted: they are the first to be written then."""
    gone = Mailbox.objects.filter(deleted_at__isnull=False, removed_at=None)
    return Mailbox.objects.filter(deleted_at=None, applied_at=None).exists() and not gone.exists()


def forget(names: Iterable[str] | None = None) -> None:
    """These parts (all when None) differ from what was confirmed: the next sync writes them whatever was known."""
    stack = Stack.load()
    every = (parts.USERS, *parts.BUNDLE)
    stack.parts[DIRTY] = sorted({*stack.parts.get(DIRTY, ()), *(every if names is None else names)})
    Stack.objects.filter(pk=1).update(parts=stack.parts)


def _with_what_the_stack_knows(engine: Engine, spec: StackSpec, taken: Taken) -> Taken:
    """Secrets that cannot be opened any more stay in force as the running stack has them."""
    if taken.unreadable:
        users = _standing(engine, spec.service("dovecot").name, "/etc/dovecot/users")
        taken = taken.with_hashes(hashes_in(users))
    if taken.unreadable_keys:
        container = spec.service("postfix").name
        taken = taken.with_keys(
            {
                file: _standing(engine, container, f"{render.KEY_ROOT}/{file}").decode()
                for file in sorted(taken.unreadable_keys)
            }
        )
    return taken


def _standing(engine: Engine, container: str, path: str) -> bytes:
    """What a file in a container holds; nothing when there is none.

    Raises:
        StackError: that is not known. It may be the last copy, so nothing may be written in its place.
    """
    return engine.check(container, ["bash", "-c", _SHOW, "show", path], what=f"reading {path}").stdout


def hashes_in(users: bytes) -> dict[str, str]:
    """Address → hash of a users file; what is no hash, because it is locked or written by hand, is left out."""
    rows = (line.split(":", 2) for line in users.decode(errors="replace").splitlines() if line[:1] != "#")
    return {row[0]: row[1] for row in rows if len(row) == 3 and passwords.is_hash(row[1])}


def _with_leaving(taken: Taken) -> Snapshot:
    """The snapshot, and with it those that are about to leave, without a password: mail on its way still arrives.

    So nobody has to be left out until the others are gone; and who seems new may be there already, brought in
    by a worker that was killed before it could say so.
    """
    there = {each.address for each in taken.snapshot.mailboxes}
    rows = Mailbox.objects.filter(deleted_at__isnull=False, removed_at=None, live_at__isnull=False)
    leaving = {
        row.address: MailboxEntry(row.address, row.home, quota_mb=row.quota_mb)
        for row in rows.order_by("id")
        if row.address not in there
    }
    return replace(taken.snapshot, mailboxes=(*taken.snapshot.mailboxes, *leaving.values()))


def _kick(engine: Engine, spec: StackSpec, addresses: Sequence[str]) -> None:
    """Ends their sessions: many at a time, because each exec costs 60 ms."""
    for start in range(0, len(addresses), _KICKS):
        argv = ["bash", "-c", _KICK, "kick", *addresses[start : start + _KICKS]]
        result = engine.run(spec.service("dovecot").name, argv)
        if result.exit_code:
            raise CommandFailed(
                "The open sessions of removed or disabled mailboxes could not be ended.",
                exit_code=result.exit_code,
                code="kick_failed",
                hint="It is tried again by itself.",
            )


def _confirm(taken: Taken) -> None:
    """Everything up to the snapshot's generation has arrived."""
    now = timezone.now()
    generation = taken.snapshot.generation
    arrived = Q(applied_at=None, generation__lte=generation)
    with transaction.atomic():
        changes.lock()  # as every writer of these rows does, first
        for model in (Domain, Alias):
            model.objects.filter(arrived).update(applied_at=now, live_at=Coalesce("live_at", Value(now)))
        Mailbox.objects.filter(arrived, deleted_at=None).update(
            applied_at=now, live_at=Coalesce("live_at", Value(now))
        )
        Mailbox.objects.filter(
            deleted_at__isnull=False, removed_at=None, address__in=taken.removed, generation__lte=generation
        ).update(removed_at=now)
        Stack.objects.filter(pk=1, applied_generation__lt=generation).update(applied_generation=generation)
