"""Adds, changes and removes mail domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count

from mailboxes import changes
from mailboxes.dkim import keys, lifecycle
from mailboxes.models import Domain, Mailbox
from mailboxes.provisioning import addresses, routes, routing, rules
from quazzar import words
from quazzar.access import audit
from quazzar.errors import AlreadyExists, DomainNotEmpty, NotFound
from quazzar.validation import Wrong, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME_IS_FIXED = (
    "You cannot change the name of a domain. Add the new domain, move the mailboxes, and delete this one."
)


def add_domain(name: str, *, catch_all: str | None = "", contact: str | None = "") -> Domain:
    """Adds a domain, with a DKIM key that signs its mail.

    Args:
        name: in any script and case; stored in lower case, as A-labels.
        catch_all: address for mail to unknown local parts; None or "" refuses such mail.
        contact: address for mail to postmaster and abuse; None or "" leaves it to the operators.

    Raises:
        InvalidFields: a field breaks a rule, or mail would go round in a circle.
        AlreadyExists: the node has this domain.
    """
    wrong = Wrong()
    name = wrong.checked("name", lambda value: addresses.own_domain(text(value)), name, default="")
    targets = _targets(wrong, {"catch_all": catch_all, "contact": contact})
    wrong.raise_if_any()
    _refuse_duplicate(name)
    pair = keys.generate()  # takes a tenth of a second or more, so before other writers have to wait
    with changes.writing():
        _refuse_duplicate(name)
        row = Domain(name=name, **targets)
        changes.stamp(row)
        row.save(force_insert=True)
        _refuse_circles(name, targets)
        lifecycle.add_first_key(row, pair)
        audit.record(
            "domain.added", name, ["name", *(column for column, target in targets.items() if target)]
        )
        changes.announce()
    return row


def change_domain(domain_id: int, fields: Mapping[str, Any]) -> Domain:
    """Changes where mail to unknown addresses of the domain goes.

    Args:
        fields: ``catch_all`` and ``contact`` (None or "" for none). ``name`` may be repeated, but not changed.

    Raises:
        NotFound: there is no such domain.
        InvalidFields: a field breaks a rule, or mail would go round in a circle; nothing was saved.
    """
    wrong = Wrong()
    values = _targets(wrong, fields)
    with changes.writing():
        row = changes.existing(Domain.objects.all(), domain_id)
        _check_name(wrong, fields, row.name)
        wrong.raise_if_any()
        row, changed = changes.store(Domain.objects.all(), row, values)
        if changed:
            _refuse_circles(row.name, changed)
            audit.record("domain.changed", row.name, changes=changed)
            changes.announce()
    return row


def remove_domain(domain_id: int) -> None:
    """Removes a domain that has no mailboxes, with its aliases and DKIM keys.

    Its deleted mailboxes can be restored after the domain is added again.

    Raises:
        NotFound: there is no such domain.
        DomainNotEmpty: it still has mailboxes.
    """
    if not remove_domains([domain_id]):
        raise NotFound("This domain does not exist.")


def remove_domains(domain_ids: Iterable[int]) -> int:
    """Removes many domains in one change: all of them, or none if one still has mailboxes.

    Returns:
        How many of them existed.

    Raises:
        DomainNotEmpty: names up to three domains that still have mailboxes.
    """
    removed = 0
    with changes.writing():
        for batch in changes.batches(domain_ids):
            rows = Domain.objects.filter(pk__in=batch)
            names = list(rows.order_by("name").values_list("name", flat=True))
            _refuse_with_mailboxes(batch)
            rows.delete()
            for name in names:
                audit.record("domain.removed", name)
            removed += len(names)
        if removed:
            changes.bump()
            changes.announce()
    return removed


def _targets(wrong: Wrong, fields: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: wrong.checked(name, rules.one_destination, fields[name], default="")
        for name in ("catch_all", "contact")
        if name in fields
    }


def _refuse_circles(name: str, changed: Iterable[str]) -> None:
    """Checks each address whose route these columns change."""
    if "catch_all" in changed:
        routes.refuse_circle("catch_all", f"@{name}")
    if "contact" in changed:
        routes.refuse_circle("contact", *(f"{role}@{name}" for role in routing.ROLES))


def _refuse_duplicate(name: str) -> None:
    if Domain.objects.filter(name=name).exists():
        raise AlreadyExists(f"The domain {name} already exists.")


def _check_name(wrong: Wrong, fields: Mapping[str, Any], name: str) -> None:
    if "name" not in fields:
        return
    try:
        same = addresses.domain(text(fields["name"])) == name
    except ValueError:
        same = False
    if not same:
        wrong.add("name", _NAME_IS_FIXED)


def _refuse_with_mailboxes(domain_ids: list[int]) -> None:
    numbers = (
        Mailbox.objects.live()
        .filter(domain__in=domain_ids)
        .values_list("domain__name")
        .annotate(number=Count("pk"))
        .order_by("domain__name")
    )
    clauses = [
        f"{name} still has {words.count(number, 'mailbox', 'mailboxes')}" for name, number in numbers[:3]
    ]
    if clauses:
        raise DomainNotEmpty(f"{', '.join(clauses)}.")
