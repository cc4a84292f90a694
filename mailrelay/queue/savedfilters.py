"""Filters of the message list that an operator saved under a name, each for themselves. The only writers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from quazzar import validation
from quazzar.errors import InvalidFields
from quazzar.models import Operator

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: How many an operator may have, and how long a name may be.
MOST, LONGEST = 20, 40
_PAGE = "messages"


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """A tab of the list, and what to search for in it."""

    name: str
    tab: str
    search: str

    def finds_the_same(self, other: SavedFilter) -> bool:
        """Whether both show the same messages."""
        return (self.tab, self.search) == (other.tab, other.search)


def of(user: Any) -> list[SavedFilter]:
    """The operator's filters, by name."""
    stored = Operator.objects.filter(user=user.pk).values_list("saved_filters", flat=True).first() or {}
    return _read(stored)


def save(user: User, wanted: SavedFilter) -> SavedFilter:
    """Save a filter; one that shows the same messages gets the new name instead.

    Raises:
        InvalidFields: the name is empty, too long, or that of another filter; or there are too many.
    """
    with transaction.atomic():
        Operator.objects.get_or_create(user=user)
        row = Operator.objects.select_for_update().get(user=user)
        others = [one for one in _read(row.saved_filters) if not one.finds_the_same(wanted)]
        named = SavedFilter(" ".join(wanted.name.split()), wanted.tab, wanted.search)
        if problem := _problem(named, others):
            raise InvalidFields({"name": [problem]})
        _write(row, [*others, named])
        return named


def remove(user: User, name: str) -> bool:
    """Forget the operator's filter of this name; whether there was one."""
    with transaction.atomic():
        row = Operator.objects.select_for_update().filter(user=user).first()
        found = _read(row.saved_filters) if row else []
        kept = [one for one in found if one.name != name]
        if row and len(kept) < len(found):
            _write(row, kept)
        return len(kept) < len(found)


def _problem(named: SavedFilter, others: list[SavedFilter]) -> str:
    if not named.name:
        return "Enter a name."
    if len(named.name) > LONGEST:
        return f"A name can have {LONGEST} characters at most."
    if problem := validation.name_problem(named.name):
        return problem
    if named.name.casefold() in (one.name.casefold() for one in others):
        return "You already have a filter with this name. Choose another name."
    if len(others) >= MOST:
        return f"You can save {MOST} filters at most. Delete one first."
    return ""


def _read(stored: dict[str, Any]) -> list[SavedFilter]:
    found = [SavedFilter(**one) for one in stored.get(_PAGE, [])]
    return sorted(found, key=lambda one: one.name.casefold())


def _write(row: Operator, filters: list[SavedFilter]) -> None:
    row.saved_filters = {**row.saved_filters, _PAGE: [asdict(one) for one in filters]}
    row.save(update_fields=["saved_filters"])
