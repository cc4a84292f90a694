"""What the lists of the tab hold: searched, filtered and cut into pages by the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import BigIntegerField, BinaryField, Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from mailboxes.models import Alias, Domain, Mailbox
from mailboxes.provisioning import addresses, retention
from quazzar.sealing import keyring
from quazzar.sealing.cipher import HEADER_BYTES
from quazzar.sealing.fields import SealedField

PAGE_SIZE = 25
_LONGEST_SEARCH = 200
_MIB = 1024 * 1024
#: Value of the state filter → what the page calls it.
MAILBOX_STATES = {
    "": "Every state",
    "waiting": "On their way",
    "unreadable": "Need a new password",
    "disabled": "Disabled",
    "full": "80 % full or more",
}
ALIAS_STATES = {"": "Every state", "waiting": "On their way", "disabled": "Disabled"}


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows that match what was asked for, and the page of them that is shown."""

    rows: QuerySet[Any]
    page: Page[Any]
    search: str
    domain: str
    state: str

    @property
    def narrowed(self) -> bool:
        """Whether rows may be hidden by what was asked for."""
        return bool(self.search or self.domain or self.state)

    @property
    def pages(self) -> Any:
        """Page numbers around the one that is shown, with gaps."""
        return self.page.paginator.get_elided_page_range(self.page.number, on_each_side=1, on_ends=1)


def mailboxes(asked: Mapping[str, str]) -> Listing:
    """Mailboxes that are not deleted, sorted by address."""
    state = _state(asked, MAILBOX_STATES)
    rows = _in_state(Mailbox.objects.live(), state)
    return _listing(rows, asked, ("address", "display_name"), "address", state=state)


def aliases(asked: Mapping[str, str]) -> Listing:
    """Aliases by address; the search looks at destinations too."""
    state, rows = _state(asked, ALIAS_STATES), Alias.objects.all()
    if state == "waiting":
        rows = rows.filter(applied_at=None)
    elif state == "disabled":
        rows = rows.filter(enabled=False)
    return _listing(rows, asked, ("address", "destinations"), "address", state=state)


def deleted(asked: Mapping[str, str]) -> Listing:
    """Deleted mailboxes that can still be restored, the latest first."""
    rows = retention.restorable(timezone.now())
    return _listing(rows, asked, ("address", "display_name"), "-deleted_at", "-id")


def domains(asked: Mapping[str, str]) -> Listing:
    """Domains by name, each with the number of its mailboxes and aliases."""
    rows = counted(Domain.objects.all())
    return _listing(rows, {**asked, "domain": ""}, ("name", "catch_all"), "name")


def counted(rows: QuerySet[Domain]) -> QuerySet[Any]:
    """Each domain with the number of its mailboxes and aliases."""
    boxes = Mailbox.objects.live().filter(domain=OuterRef("pk"))
    return rows.prefetch_related("dkim_keys").annotate(
        mailbox_count=Coalesce(_number(boxes), 0),
        alias_count=Coalesce(_number(Alias.objects.filter(domain=OuterRef("pk"))), 0),
    )


def choices() -> list[tuple[str, str]]:
    """Every domain, for a select."""
    return [(str(pk), name) for pk, name in Domain.objects.order_by("name").values_list("pk", "name")]


def unreadable() -> QuerySet[Mailbox]:
    """Live mailboxes whose hash was sealed under a key that is gone: found by header, nothing is opened."""
    ring = keyring.existing()
    headers = list(ring.headers) if ring else []
    field = Mailbox._meta.get_field("password_hash")
    assert isinstance(field, SealedField)
    # The field refuses F(), rightly; the table's and the column's name are ours, the number is a parameter.
    header = RawSQL(f'SUBSTR("{field.column}", 1, %s)', [HEADER_BYTES], BinaryField())  # noqa: S611
    rows = Mailbox.objects.live().filter(password_hash__isnull=False)
    return rows.annotate(seal_header=header).exclude(seal_header__in=headers) if headers else rows


def _in_state(rows: QuerySet[Mailbox], state: str) -> QuerySet[Mailbox]:
    match state:
        case "waiting":
            return rows.filter(applied_at=None)
        case "disabled":
            return rows.filter(enabled=False)
        case "full":
            # Cast: the product of two plain integers does not fit a plain integer.
            limit = Cast(F("quota_mb"), BigIntegerField()) * (_MIB * 4 // 5)
            return rows.filter(quota_mb__gt=0, usage_bytes__gte=limit)
        case "unreadable":
            return rows.filter(pk__in=unreadable().values("pk"))
    return rows


def _state(asked: Mapping[str, str], states: Mapping[str, str]) -> str:
    state = asked.get("state", "")
    return state if state in states else ""


def _listing(
    rows: QuerySet[Any], asked: Mapping[str, str], columns: tuple[str, ...], *order: str, state: str = ""
) -> Listing:
    search = asked.get("q", "").strip()[:_LONGEST_SEARCH]
    domain = asked.get("domain", "")
    for word in search.split():
        rows = rows.filter(_any_of(columns, word))
    if domain.isascii() and domain.isdigit() and len(domain) < 10:
        rows = rows.filter(domain_id=int(domain))
    else:
        domain = ""
    page = Paginator(rows.order_by(*order), PAGE_SIZE).get_page(asked.get("page"))
    return Listing(rows, page, search, domain, state)


def _any_of(columns: tuple[str, ...], word: str) -> Q:
    matches = Q()
    for text in {word, addresses.as_stored(word)}:
        for column in columns:
            matches |= Q(**{f"{column}__icontains": text})
    return matches


def _number(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.order_by().values("domain").annotate(number=Count("pk")).values("number"))
