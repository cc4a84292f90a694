"""Adds, changes, removes and restores mailboxes. Passwords are hashed before the transaction begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from mailboxes import changes
from mailboxes.models import Domain, Mailbox
from mailboxes.provisioning import namespace, passwords, retention, routes, rules
from quazzar.access import audit
from quazzar.errors import InvalidFields, NotFound
from quazzar.validation import Wrong, flag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from django.db.models import QuerySet

_ADDRESS_IS_FIXED = (
    "You cannot change the address of a mailbox. Add an alias for the other address, or a new mailbox."
)
_RULES: dict[str, Callable[[object], Any]] = {
    "quota_mb": rules.quota,
    "display_name": rules.display_name,
    **dict.fromkeys(Mailbox.switches(), flag),
}
#: Columns that change where mail goes.
_ROUTING = ("forward_to", "can_receive", "keep_copy")


def add_mailbox(
    domain_id: int,
    local_part: str,
    *,
    password: str | None = None,
    quota_mb: int = 0,
    display_name: str = "",
    forward_to: Sequence[str] | None = (),
    **switches: bool,
) -> Mailbox:
    """Adds a mailbox.

    Args:
        password: without one, nobody can log in until it is set.
        quota_mb: MiB; 0 means no limit.
        forward_to: addresses that get its mail too, or with ``keep_copy=False`` instead.
        switches: those of `Mailbox.switches` that differ from their defaults.

    Raises:
        InvalidFields: a field breaks a rule, there is no such domain, or mail would go round in a circle.
        AlreadyExists: a mailbox or an alias has this address.
    """
    domain = namespace.domain_name(domain_id)
    wrong = Wrong()
    local = wrong.checked("local_part", rules.local_part, local_part, domain, default="")
    fields = {
        "password": password,
        "quota_mb": quota_mb,
        "display_name": display_name,
        "forward_to": list(forward_to or ()),
        **{name: switches.pop(name, field.default) for name, field in Mailbox.switches().items()},
    }
    if switches:
        raise TypeError(f"add_mailbox() got unexpected arguments: {', '.join(switches)}")
    address = f"{local}@{domain}"
    values = _values(wrong, fields, address if local else "")
    with changes.writing():
        namespace.require_free(domain_id, address)
        row = Mailbox(domain_id=domain_id, local_part=local, address=address, **values)
        row.home = namespace.unused_home(address)
        changes.stamp(row)
        row.save(force_insert=True)
        if row.forward_to:
            routes.refuse_circle("forward_to", address)
        audit.record("mailbox.added", address, [name for name, value in fields.items() if value])
        changes.announce()
    return row


def change_mailbox(mailbox_id: int, fields: Mapping[str, Any]) -> Mailbox:
    """Changes the fields that are named.

    Args:
        fields: as the arguments of `add_mailbox`. ``password`` "" keeps the stored password, None removes it.
            ``domain`` and ``local_part`` may be repeated, but not changed.

    Raises:
        NotFound: there is no such mailbox.
        InvalidFields: a field breaks a rule, or mail would go round in a circle; nothing was saved.
    """
    row = changes.existing(Mailbox.objects.live(), mailbox_id)
    wrong = Wrong()
    fixed = {"domain": row.domain_id, "local_part": row.local_part}
    rules.unchanged(wrong, fixed, fields, _ADDRESS_IS_FIXED)
    values = _values(wrong, fields, row.address)
    if "password_hash" in values:
        values["password_changed_at"] = timezone.now()
    with changes.writing():
        row, changed = changes.store(Mailbox.objects.live(), row, values)
        if changed:
            if field := next((name for name in _ROUTING if name in changed), ""):
                routes.refuse_circle(field, row.address)
            audit.record("mailbox.changed", row.address, changes=_as_fields(changed))
            changes.announce()
    return row


def set_mailboxes_enabled(mailbox_ids: Iterable[int], on: bool) -> int:
    """Enables or disables many mailboxes in one change, and returns how many that changed."""
    rows = Mailbox.objects.live().filter(enabled=not on)
    return _update_many(mailbox_ids, rows, "mailbox.changed", {"enabled": (not on, on)}, enabled=on)


def remove_mailbox(mailbox_id: int) -> None:
    """Deletes a mailbox. For ``QUAZZAR_RESTORE_DAYS`` it can be restored with its mail.

    Raises:
        NotFound: there is no such mailbox.
        MailCircle: its mail would go to the catch-all of its domain, and from there round in a circle.
    """
    if not remove_mailboxes([mailbox_id]):
        raise NotFound("This mailbox does not exist.")


def remove_mailboxes(mailbox_ids: Iterable[int]) -> int:
    """Deletes many mailboxes in one change, and returns how many of them existed.

    Raises:
        MailCircle: as ``remove_mailbox``; nothing was deleted.
    """
    deleted = {"deleted_at": timezone.now(), "removed_at": None}
    return _update_many(mailbox_ids, Mailbox.objects.live(), "mailbox.removed", {}, **deleted)


def restore_mailbox(mailbox_id: int) -> Mailbox:
    """Brings a deleted mailbox back as it was, with its mail and its password.

    Raises:
        NotFound: there is no such deleted mailbox, or its restore period is over.
        InvalidFields: its domain does not exist any more.
        AlreadyExists: another mailbox or an alias has its address now.
        MailCircle: it forwards, and mail would go round in a circle.
    """
    with changes.writing():
        row = changes.existing(retention.restorable(timezone.now()), mailbox_id)
        name = row.address.rpartition("@")[2]
        domain_id = Domain.objects.filter(name=name).values_list("pk", flat=True).first()
        if domain_id is None:
            raise InvalidFields(
                {"domain": [f"The domain {name} was deleted too. Add it again, then restore {row.address}."]}
            )
        namespace.require_free(domain_id, row.address)
        row.domain_id = domain_id
        # As if it were new: a push first removes what was deleted, then adds what is new.
        row.deleted_at = row.removed_at = row.live_at = None
        changes.stamp(row)
        row.save(update_fields=["domain", "deleted_at", "removed_at", "live_at", *changes.STAMPED])
        routes.refuse_circles([row.address])
        audit.record("mailbox.restored", row.address)
        changes.announce()
    return row


def _values(wrong: Wrong, fields: Mapping[str, Any], address: str) -> dict[str, Any]:
    """The columns to write, with the password hashed.

    Raises:
        InvalidFields: a field breaks a rule, or `wrong` already had a sentence.
    """
    values = {
        name: wrong.checked(name, rule, fields[name], default=None)
        for name, rule in _RULES.items()
        if name in fields
    }
    if "forward_to" in fields:
        try:
            values["forward_to"] = rules.forward_to(fields["forward_to"], address)
        except InvalidFields as exc:
            wrong.add("forward_to", *exc.fields["destinations"])
    plain = fields.get("password", "")
    if plain:
        wrong.add("password", *rules.password(plain, address))
    wrong.raise_if_any()
    if plain or plain is None:
        values["password_hash"] = passwords.hash_password(plain) if plain else None
    return values


def _update_many(
    mailbox_ids: Iterable[int],
    rows: QuerySet[Mailbox],
    action: str,
    fields: Mapping[str, tuple[Any, Any]],
    **values: Any,
) -> int:
    """Sets ``values`` in those of ``rows`` that have one of the ids, and returns their number."""
    changed = 0
    with changes.writing():
        for batch in changes.batches(mailbox_ids):
            addresses = dict(rows.filter(pk__in=batch).values_list("pk", "address"))
            if not addresses:
                continue
            if not changed:
                values |= {"generation": changes.bump(), "applied_at": None}
                changes.announce()
            changed += Mailbox.objects.filter(pk__in=addresses).update(**values)
            if "deleted_at" in values:
                routes.refuse_circles(addresses.values())
            for address in addresses.values():
                audit.record(action, address, changes=fields)
    return changed


def _as_fields(columns: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """The columns under the names that the operator knows."""
    return {
        "password" if name == "password_hash" else name: values
        for name, values in columns.items()
        if name != "password_changed_at"
    }
