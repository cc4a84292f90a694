"""Adds, changes, removes and restores mailboxes. A password is hashed before anything is locked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from mailboxes import changes
from mailboxes.models import Domain, Mailbox
from mailboxes.provisioning import namespace, passwords, retention, rules
from quazzar.access import audit
from quazzar.errors import InvalidFields, NotFound
from quazzar.validation import Wrong, flag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from django.db.models import QuerySet

_ADDRESS_IS_FIXED = "A mailbox's address cannot change: add an alias for the other address, or a new mailbox."
_RULES: dict[str, Callable[[object], Any]] = {
    "quota_mb": rules.quota,
    "display_name": rules.display_name,
    "enabled": flag,
    "can_send": flag,
    "can_receive": flag,
}
_STAMP = ("generation", "applied_at")


def add_mailbox(
    domain_id: int,
    local_part: str,
    *,
    password: str | None = None,
    quota_mb: int = 0,
    display_name: str = "",
    enabled: bool = True,
    can_send: bool = True,
    can_receive: bool = True,
) -> Mailbox:
    """A new mailbox. Without a password nobody can log in until one is set.

    Raises:
        InvalidFields: something is not right, or there is no such domain.
        AlreadyExists: there is a mailbox or an alias of this address.
    """
    domain = namespace.domain_name(domain_id)
    wrong = Wrong()
    local = wrong.checked("local_part", rules.local_part, local_part, domain, default="")
    given = {
        "password": password, "quota_mb": quota_mb, "display_name": display_name, "enabled": enabled,
        "can_send": can_send, "can_receive": can_receive,
    }  # fmt: skip
    address = f"{local}@{domain}"
    values = _values(wrong, given, address if local else "")
    with changes.writing():
        namespace.require_free(domain_id, address)
        row = Mailbox(domain_id=domain_id, local_part=local, address=address, **values)
        row.home = namespace.home(address)
        changes.stamp(row)
        row.save(force_insert=True)
        audit.record("mailbox.added", address, _told(name for name, value in given.items() if value))
        changes.announce()
    return row


def change_mailbox(mailbox_id: int, given: Mapping[str, Any]) -> Mailbox:
    """Sets what is given; ``password`` "" keeps the one that is set, None removes it.

    Raises:
        NotFound: there is no such mailbox.
        InvalidFields: something is not right; nothing was saved.
    """
    row = changes.existing(Mailbox.objects.live(), mailbox_id)
    wrong = Wrong()
    fixed = {"domain": row.domain_id, "local_part": row.local_part}
    rules.unchanged(wrong, fixed, given, _ADDRESS_IS_FIXED)
    values = _values(wrong, given, row.address)
    with changes.writing():
        row, changed = changes.store(Mailbox.objects.live(), row, values)
        if changed:
            audit.record("mailbox.changed", row.address, _told(changed))
            changes.announce()
    return row


def set_mailboxes_enabled(mailbox_ids: Iterable[int], on: bool) -> int:
    """Enables or disables many in one change; the number of those that were not so already."""
    rows = Mailbox.objects.live().filter(enabled=not on)
    return _update_many(mailbox_ids, rows, "mailbox.changed", ["enabled"], enabled=on)


def remove_mailbox(mailbox_id: int) -> None:
    """Deletes a mailbox; with its mail it can be restored for ``QUAZZAR_RESTORE_DAYS``.

    Raises:
        NotFound: there is no such mailbox.
    """
    if not remove_mailboxes([mailbox_id]):
        raise NotFound("There is no such mailbox.")


def remove_mailboxes(mailbox_ids: Iterable[int]) -> int:
    """``remove_mailbox`` for many, in one change; the number of those that were there."""
    gone = {"deleted_at": timezone.now(), "removed_at": None}
    return _update_many(mailbox_ids, Mailbox.objects.live(), "mailbox.removed", [], **gone)


def restore_mailbox(mailbox_id: int) -> Mailbox:
    """A deleted mailbox as it was, with its mail and its password.

    Raises:
        NotFound: it is not there, not deleted, or its restore period is over.
        InvalidFields: its domain does not exist (any more).
        AlreadyExists: its address is taken.
    """
    with changes.writing():
        row = changes.existing(retention.restorable(timezone.now()), mailbox_id)
        name = row.address.rpartition("@")[2]
        domain_id = Domain.objects.filter(name=name).values_list("pk", flat=True).first()
        if domain_id is None:
            raise InvalidFields(
                {"domain": [f"The domain {name} was deleted too: add it again, then restore {row.address}."]}
            )
        namespace.require_free(domain_id, row.address)
        row.domain_id = domain_id
        # As if it were new: what is removed leaves the stack before what is added comes in.
        row.deleted_at = row.removed_at = row.live_at = None
        changes.stamp(row)
        row.save(update_fields=["domain", "deleted_at", "removed_at", "live_at", *_STAMP])
        audit.record("mailbox.restored", row.address)
        changes.announce()
    return row


def _values(wrong: Wrong, given: Mapping[str, Any], address: str) -> dict[str, Any]:
    """The columns to write, the password hashed.

    Raises:
        InvalidFields: something is wrong, here or before.
    """
    values = {
        name: wrong.checked(name, _RULES[name], given[name], default=None) for name in _RULES if name in given
    }
    plain = given.get("password", "")
    if plain:
        wrong.add("password", *rules.password(plain, address))
    wrong.raise_if_any()
    if plain or plain is None:
        values["password_hash"] = passwords.hash_password(plain) if plain else None
    return values


def _update_many(
    mailbox_ids: Iterable[int], rows: QuerySet[Mailbox], action: str, fields: list[str], **values: Any
) -> int:
    changed = 0
    with changes.writing():
        for some in changes.batches(mailbox_ids):
            found = dict(rows.filter(pk__in=some).values_list("pk", "address"))
            if not found:
                continue
            if not changed:
                values |= {"generation": changes.bump(), "applied_at": None}
                changes.announce()
            changed += Mailbox.objects.filter(pk__in=found).update(**values)
            for address in found.values():
                audit.record(action, address, fields)
    return changed


def _told(columns: Iterable[str]) -> list[str]:
    return ["password" if name == "password_hash" else name for name in columns]
