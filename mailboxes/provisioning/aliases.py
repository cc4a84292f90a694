"""Adds, changes and removes aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailboxes import changes
from mailboxes.models import Alias
from mailboxes.provisioning import namespace, rules
from quazzar.access import audit
from quazzar.errors import InvalidFields, NotFound
from quazzar.validation import Wrong, flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ADDRESS_IS_FIXED = "An alias's address cannot change: add a new alias, and delete this one."


def add_alias(domain_id: int, local_part: str, destinations: Sequence[str], *, enabled: bool = True) -> Alias:
    """A new alias.

    Raises:
        InvalidFields: something is not right, there is no such domain, or mail would go round in a circle.
        AlreadyExists: there is a mailbox or an alias of this address.
    """
    domain = namespace.domain_name(domain_id)
    wrong = Wrong()
    local = wrong.checked("local_part", rules.local_part, local_part, domain, default="")
    address = f"{local}@{domain}"
    values = _values(wrong, {"destinations": destinations, "enabled": enabled}, address)
    with changes.writing():
        namespace.require_free(domain_id, address)
        _refuse_circle(address, values["destinations"])
        row = Alias(domain_id=domain_id, local_part=local, address=address, **values)
        changes.stamp(row)
        row.save(force_insert=True)
        audit.record("alias.added", address, ["destinations", "enabled"])
        changes.announce()
    return row


def change_alias(alias_id: int, given: Mapping[str, Any]) -> Alias:
    """Sets what is given of ``destinations`` and ``enabled``.

    Raises:
        NotFound: there is no such alias.
        InvalidFields: something is not right, or mail would go round in a circle; nothing was saved.
    """
    row = changes.existing(Alias.objects.all(), alias_id)
    wrong = Wrong()
    fixed = {"domain": row.domain_id, "local_part": row.local_part}
    rules.unchanged(wrong, fixed, given, _ADDRESS_IS_FIXED)
    values = _values(wrong, given, row.address)
    with changes.writing():
        if "destinations" in values:
            _refuse_circle(row.address, values["destinations"])
        row, changed = changes.store(Alias.objects.all(), row, values)
        if changed:
            audit.record("alias.changed", row.address, changed)
            changes.announce()
    return row


def set_aliases_enabled(alias_ids: Iterable[int], on: bool) -> int:
    """Enables or disables many in one change; the number of those that were not so already."""
    changed = 0
    with changes.writing():
        for some in changes.batches(alias_ids):
            rows = dict(Alias.objects.filter(pk__in=some, enabled=not on).values_list("pk", "address"))
            if rows:
                stamp = {"generation": changes.bump(), "applied_at": None}
                Alias.objects.filter(pk__in=rows).update(enabled=on, **stamp)
                _record("alias.changed", rows.values(), ["enabled"])
                changed += len(rows)
        if changed:
            changes.announce()
    return changed


def remove_alias(alias_id: int) -> None:
    """Removes an alias.

    Raises:
        NotFound: there is no such alias.
    """
    if not remove_aliases([alias_id]):
        raise NotFound("There is no such alias.")


def remove_aliases(alias_ids: Iterable[int]) -> int:
    """Removes many in one change; the number of those that were there."""
    removed = 0
    with changes.writing():
        for some in changes.batches(alias_ids):
            rows = dict(Alias.objects.filter(pk__in=some).values_list("pk", "address"))
            Alias.objects.filter(pk__in=rows).delete()
            _record("alias.removed", rows.values())
            removed += len(rows)
        if removed:
            changes.bump()
            changes.announce()
    return removed


def _values(wrong: Wrong, given: Mapping[str, Any], address: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "enabled" in given:
        values["enabled"] = wrong.checked("enabled", flag, given["enabled"], default=True)
    if "destinations" in given:
        try:
            values["destinations"] = rules.destinations(given["destinations"], address)
        except InvalidFields as exc:
            wrong.add("destinations", *exc.fields["destinations"])
    wrong.raise_if_any()
    return values


def _refuse_circle(address: str, destinations: Sequence[str]) -> None:
    """Follows the destinations through the other aliases, so with one query for most steps.

    Disabled ones count too: enabling one later must not close a circle.
    """
    came_from = dict.fromkeys(map(_without_tag, destinations), address)
    ahead = set(came_from)
    while ahead:
        if address in ahead:
            raise InvalidFields({"destinations": [_circle(address, came_from)]})
        steps = [
            (_without_tag(to), alias)
            for some in changes.batches(ahead)
            for alias, targets in Alias.objects.filter(address__in=some).values_list(
                "address", "destinations"
            )
            for to in targets
        ]
        ahead = {to for to, _ in steps if to not in came_from}
        for to, alias in steps:
            came_from.setdefault(to, alias)


def _circle(address: str, came_from: Mapping[str, str]) -> str:
    path = [address, came_from[address]]
    while path[-1] != address:
        path.append(came_from[path[-1]])
    return f"Mail would go round in a circle: {' → '.join(reversed(path))}."


def _without_tag(address: str) -> str:
    """Postfix takes ``info+anything`` to the alias ``info``."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def _record(action: str, addresses: Iterable[str], fields: Sequence[str] = ()) -> None:
    for address in addresses:
        audit.record(action, address, fields)
