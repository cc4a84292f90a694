"""Adds, changes and removes domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count

from mailboxes import changes
from mailboxes.dkim import keys, lifecycle
from mailboxes.models import Domain, Mailbox
from mailboxes.provisioning import addresses, rules
from quazzar import words
from quazzar.access import audit
from quazzar.errors import AlreadyExists, DomainNotEmpty, NotFound
from quazzar.validation import Wrong, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME_IS_FIXED = "A domain's name cannot change: add the new domain, move its mailboxes, and delete this one."


def add_domain(name: str, *, catch_all: str | None = "") -> Domain:
    """A new domain with a DKIM key of its own.

    Raises:
        InvalidFields: the name or the catch-all is not right.
        AlreadyExists: the domain is there already.
    """
    wrong = Wrong()
    name = wrong.checked("name", lambda given: addresses.own_domain(text(given)), name, default="")
    target = wrong.checked("catch_all", rules.catch_all, catch_all, default="")
    wrong.raise_if_any()
    _refuse_duplicate(name)
    pair = keys.generate()  # a tenth of a second and more: not while other writers wait
    with changes.writing():
        _refuse_duplicate(name)
        row = Domain(name=name, catch_all=target)
        changes.stamp(row)
        row.save(force_insert=True)
        lifecycle.add_first_key(row, pair)
        audit.record("domain.added", name, ["name", "catch_all"] if target else ["name"])
        changes.announce()
    return row


def change_domain(domain_id: int, given: Mapping[str, Any]) -> Domain:
    """Sets the catch-all (``catch_all``; null or empty: none). The name may be given as it is.

    Raises:
        NotFound: there is no such domain.
        InvalidFields: something is not right; nothing was saved.
    """
    wrong = Wrong()
    target = wrong.checked("catch_all", rules.catch_all, given.get("catch_all"), default="")
    with changes.writing():
        row = changes.existing(Domain.objects.all(), domain_id)
        _check_name(wrong, given, row.name)
        wrong.raise_if_any()
        values = {"catch_all": target} if "catch_all" in given else {}
        row, changed = changes.store(Domain.objects.all(), row, values)
        if changed:
            audit.record("domain.changed", row.name, changed)
            changes.announce()
    return row


def remove_domain(domain_id: int) -> None:
    """Removes a domain without mailboxes, and its aliases. Its deleted mailboxes can be restored once it is
    added again.

    Raises:
        NotFound: there is no such domain.
        DomainNotEmpty: it still has mailboxes.
    """
    if not remove_domains([domain_id]):
        raise NotFound("There is no such domain.")


def remove_domains(domain_ids: Iterable[int]) -> int:
    """``remove_domain`` for many, in one change: all, or none when one still has mailboxes; the number.

    Raises:
        DomainNotEmpty: names those that still have mailboxes.
    """
    removed = 0
    with changes.writing():
        for some in changes.batches(domain_ids):
            rows = list(Domain.objects.filter(pk__in=some).order_by("name"))
            _refuse_filled(some)
            Domain.objects.filter(pk__in=some).delete()
            for row in rows:
                audit.record("domain.removed", row.name)
            removed += len(rows)
        if removed:
            changes.bump()
            changes.announce()
    return removed


def _refuse_duplicate(name: str) -> None:
    if Domain.objects.filter(name=name).exists():
        raise AlreadyExists(f"There is a domain {name} already.")


def _check_name(wrong: Wrong, given: Mapping[str, Any], name: str) -> None:
    if "name" not in given:
        return
    try:
        same = addresses.domain(text(given["name"])) == name
    except ValueError:
        same = False
    if not same:
        wrong.add("name", _NAME_IS_FIXED)


def _refuse_filled(domain_ids: list[int]) -> None:
    filled = (
        Mailbox.objects.live()
        .filter(domain__in=domain_ids)
        .values_list("domain__name")
        .annotate(number=Count("pk"))
        .order_by("domain__name")
    )
    if told := [
        f"{name} still has {words.count(number, 'mailbox', 'mailboxes')}" for name, number in filled[:3]
    ]:
        raise DomainNotEmpty(f"{', '.join(told)}.")
