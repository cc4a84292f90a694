"""Adds, changes and removes aliases, and refuses those that would forward mail in a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailboxes import changes
from mailboxes.models import Alias
from mailboxes.provisioning import namespace, routes, rules
from quazzar.access import audit
from quazzar.errors import InvalidFields, NotFound
from quazzar.validation import Wrong, flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ADDRESS_IS_FIXED = "You cannot change the address of an alias. Add a new alias and delete this one."


def add_alias(domain_id: int, local_part: str, destinations: Sequence[str], *, enabled: bool = True) -> Alias:
    """Adds an alias.

    Raises:
        InvalidFields: a field breaks a rule, there is no such domain, or mail would go round in a circle.
        AlreadyExists: a mailbox or an alias has this address.
    """
    domain = namespace.domain_name(domain_id)
    wrong = Wrong()
    local = wrong.checked("local_part", rules.local_part, local_part, domain, default="")
    address = f"{local}@{domain}"
    values = _values(wrong, {"destinations": destinations, "enabled": enabled}, address)
    with changes.writing():
        namespace.require_free(domain_id, address)
        row = Alias(domain_id=domain_id, local_part=local, address=address, **values)
        changes.stamp(row)
        row.save(force_insert=True)
        routes.refuse_circle("destinations", address)
        audit.record("alias.added", address, ["enabled"], {"destinations": (None, row.destinations)})
        changes.announce()
    return row


def change_alias(alias_id: int, fields: Mapping[str, Any]) -> Alias:
    """Changes the fields that are named.

    Args:
        fields: ``destinations`` and ``enabled``. ``domain`` and ``local_part`` may be repeated, but not changed.

    Raises:
        NotFound: there is no such alias.
        InvalidFields: a field breaks a rule, or mail would go round in a circle; nothing was saved.
    """
    row = changes.existing(Alias.objects.all(), alias_id)
    wrong = Wrong()
    fixed = {"domain": row.domain_id, "local_part": row.local_part}
    rules.unchanged(wrong, fixed, fields, _ADDRESS_IS_FIXED)
    values = _values(wrong, fields, row.address)
    with changes.writing():
        row, changed = changes.store(Alias.objects.all(), row, values)
        if changed:
            routes.refuse_circle("destinations" if "destinations" in changed else "enabled", row.address)
            audit.record("alias.changed", row.address, changes=changed)
            changes.announce()
    return row


def set_aliases_enabled(alias_ids: Iterable[int], on: bool) -> int:
    """Enables or disables many aliases in one change, and returns how many that changed.

    Raises:
        MailCircle: mail would go round in a circle; nothing was saved.
    """
    changed = 0
    with changes.writing():
        for batch in changes.batches(alias_ids):
            addresses = dict(Alias.objects.filter(pk__in=batch, enabled=not on).values_list("pk", "address"))
            if addresses:
                stamp = {"generation": changes.bump(), "applied_at": None}
                Alias.objects.filter(pk__in=addresses).update(enabled=on, **stamp)
                routes.refuse_circles(addresses.values())
                _record("alias.changed", addresses.values(), {"enabled": (not on, on)})
                changed += len(addresses)
        if changed:
            changes.announce()
    return changed


def remove_alias(alias_id: int) -> None:
    """Removes an alias.

    Raises:
        NotFound: there is no such alias.
        MailCircle: its mail would go to the catch-all of its domain, and from there round in a circle.
    """
    if not remove_aliases([alias_id]):
        raise NotFound("This alias does not exist.")


def remove_aliases(alias_ids: Iterable[int]) -> int:
    """Removes many aliases in one change, and returns how many of them existed.

    Raises:
        MailCircle: as ``remove_alias``; nothing was removed.
    """
    removed = 0
    with changes.writing():
        for batch in changes.batches(alias_ids):
            rows = Alias.objects.filter(pk__in=batch)
            addresses = list(rows.values_list("address", flat=True))
            rows.delete()
            routes.refuse_circles(addresses)
            _record("alias.removed", addresses)
            removed += len(addresses)
        if removed:
            changes.bump()
            changes.announce()
    return removed


def _values(wrong: Wrong, fields: Mapping[str, Any], address: str) -> dict[str, Any]:
    """The columns to write.

    Raises:
        InvalidFields: a field breaks a rule, or `wrong` already had a sentence.
    """
    values: dict[str, Any] = {}
    if "enabled" in fields:
        values["enabled"] = wrong.checked("enabled", flag, fields["enabled"], default=True)
    if "destinations" in fields:
        try:
            values["destinations"] = rules.destinations(fields["destinations"], address)
        except InvalidFields as exc:
            wrong.add("destinations", *exc.fields["destinations"])
    wrong.raise_if_any()
    return values


def _record(
    action: str, addresses: Iterable[str], changed: Mapping[str, tuple[Any, Any]] | None = None
) -> None:
    for address in addresses:
        audit.record(action, address, changes=changed)
