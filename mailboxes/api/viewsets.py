"""/api/mail/domains, mailboxes and aliases. Each view calls a domain function and shows what it returns."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django_filters import Filter  # type: ignore[import-untyped]
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from mailboxes.api.serializers import (
    LARGEST_ID,
    AliasChangeSerializer,
    AliasCreateSerializer,
    AliasSerializer,
    DeletedMailboxSerializer,
    DomainChangeSerializer,
    DomainCreateSerializer,
    DomainSerializer,
    MailboxChangeSerializer,
    MailboxCreateSerializer,
    MailboxSerializer,
)
from mailboxes.models import Alias, Domain, Mailbox
from mailboxes.provisioning import retention
from mailboxes.provisioning.aliases import add_alias, change_alias, remove_alias
from mailboxes.provisioning.domains import add_domain, change_domain, remove_domain
from mailboxes.provisioning.mailboxes import add_mailbox, change_mailbox, remove_mailbox, restore_mailbox
from quazzar.api.filters import StrictFilterSet
from quazzar.api.idempotency import idempotent
from quazzar.api.serializers import StrictSerializer
from quazzar.models import ApiKey


# --- what all three have in common -------------------------------------------------------------------------
def found(rows: QuerySet[Any], pk: int) -> Any:
    """The row.

    Raises:
        NotFound: there is none.
    """
    row = rows.filter(pk=pk).first() if pk <= LARGEST_ID else None
    if row is None:
        raise NotFound(f"There is no such {rows.model._meta.verbose_name}.")
    return row


class CollectionView(generics.ListAPIView[Any]):
    """A list, and a POST that adds to it."""

    write_scope = ApiKey.Scope.WRITE
    shown: type[BaseSerializer[Any]]
    taken: type[StrictSerializer]

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """What is taken differs from what is shown; the browsable page asks for both."""
        return self.taken if self.request.method == "POST" else self.shown

    def given(self, request: Request) -> dict[str, Any]:
        """The body of a POST, with defaults for what is absent.

        Raises:
            ValidationError: it is not right.
        """
        serializer = self.taken(data=request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def created(self, pk: int) -> Response:
        """The answer to a POST: the row as it is read."""
        return Response(self.shown(found(self.get_queryset(), pk)).data, status=201)


class RowView(APIView):
    """One row. PUT takes back to its default what is not given, but for the password and what identifies the row."""

    write_scope = ApiKey.Scope.WRITE
    shown: type[BaseSerializer[Any]]
    taken: type[StrictSerializer]

    def rows(self) -> QuerySet[Any]:
        """The rows that there are."""
        raise NotImplementedError

    def change(self, pk: int, given: dict[str, Any]) -> None:
        """Calls the domain function."""
        raise NotImplementedError

    def remove(self, pk: int) -> None:
        """Calls the domain function."""
        raise NotImplementedError

    def get(self, request: Request, pk: int) -> Response:
        """The row."""
        return self._answer(pk)

    def put(self, request: Request, pk: int) -> Response:
        """Replaces the row."""
        return self._write(request, pk, partial=False)

    def patch(self, request: Request, pk: int) -> Response:
        """Changes what is given."""
        return self._write(request, pk, partial=True)

    def delete(self, request: Request, pk: int) -> Response:
        """Removes the row."""
        found(self.rows(), pk)
        self.remove(pk)
        return Response(status=204)

    def _write(self, request: Request, pk: int, *, partial: bool) -> Response:
        found(self.rows(), pk)
        serializer = self.taken(data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        self.change(pk, serializer.validated_data)
        return self._answer(pk)

    def _answer(self, pk: int) -> Response:
        return Response(self.shown(found(self.rows(), pk)).data)


@extend_schema_field({"type": "integer", "minimum": 1})
class IdFilter(Filter):  # type: ignore[misc]  # untyped
    """Rows that belong to the row of this id; of one that is not there none does."""

    field_class = forms.IntegerField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **kwargs)


# --- domains -----------------------------------------------------------------------------------------------
def _count(rows: QuerySet[Any]) -> Coalesce:
    # Subqueries, because two joins would multiply each other.
    counted = (
        rows.filter(domain=OuterRef("pk")).order_by().values("domain").annotate(n=Count("pk")).values("n")
    )
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def domains() -> QuerySet[Domain]:
    """All domains, each with its numbers of mailboxes and aliases."""
    return Domain.objects.prefetch_related("dkim_keys").annotate(
        mailbox_count=_count(Mailbox.objects.live()), alias_count=_count(Alias.objects.all())
    )


@extend_schema_view(get=extend_schema(operation_id="domain_list"))
class DomainsView(CollectionView):
    """The mail domains of this node."""

    shown, taken = DomainSerializer, DomainCreateSerializer
    search_fields: ClassVar[list[str]] = ["name"]
    ordering_fields: ClassVar[list[str]] = ["id", "name", "created_at", "mailbox_count", "alias_count"]

    def get_queryset(self) -> QuerySet[Domain]:
        """All of them."""
        return domains()

    @extend_schema(
        operation_id="domain_add", request=DomainCreateSerializer, responses={201: DomainSerializer}
    )
    @idempotent(atomic=True)
    def post(self, request: Request) -> Response:
        """Adds a domain, with a DKIM key of its own."""
        return self.created(add_domain(**self.given(request)).pk)


@extend_schema_view(
    get=extend_schema(operation_id="domain_read", responses=DomainSerializer),
    put=extend_schema(
        operation_id="domain_replace", request=DomainChangeSerializer, responses=DomainSerializer
    ),
    patch=extend_schema(
        operation_id="domain_change", request=DomainChangeSerializer, responses=DomainSerializer
    ),
    delete=extend_schema(operation_id="domain_remove", responses={204: None}),
)
class DomainView(RowView):
    """One domain; only an empty one can be deleted, and its aliases go with it."""

    shown, taken = DomainSerializer, DomainChangeSerializer

    def rows(self) -> QuerySet[Domain]:
        """All domains."""
        return domains()

    def change(self, pk: int, given: dict[str, Any]) -> None:
        """Sets the catch-all."""
        change_domain(pk, given)

    def remove(self, pk: int) -> None:
        """Removes it."""
        remove_domain(pk)


# --- mailboxes ---------------------------------------------------------------------------------------------
class MailboxFilters(StrictFilterSet):
    """By domain, and by whether it is enabled."""

    domain = IdFilter(field_name="domain_id")

    class Meta:
        model = Mailbox
        fields: ClassVar[list[str]] = ["domain", "enabled"]


@extend_schema_view(get=extend_schema(operation_id="mailbox_list"))
class MailboxesView(CollectionView):
    """The mailboxes that are not deleted."""

    shown, taken = MailboxSerializer, MailboxCreateSerializer
    filterset_class = MailboxFilters
    search_fields: ClassVar[list[str]] = ["address", "display_name"]
    ordering_fields: ClassVar[list[str]] = [
        "id",
        "address",
        "display_name",
        "quota_mb",
        "usage_bytes",
        "enabled",
        "created_at",
    ]

    def get_queryset(self) -> QuerySet[Mailbox]:
        """All of them."""
        return Mailbox.objects.live()

    # No Idempotency-Key: even a keyed digest of the body would be one of the password. The address is key enough.
    @extend_schema(
        operation_id="mailbox_add", request=MailboxCreateSerializer, responses={201: MailboxSerializer}
    )
    def post(self, request: Request) -> Response:
        """Adds a mailbox. Without a password nobody can log in until one is set."""
        given = self.given(request)
        return self.created(add_mailbox(given.pop("domain"), **given).pk)


@extend_schema_view(
    get=extend_schema(operation_id="mailbox_read", responses=MailboxSerializer),
    put=extend_schema(
        operation_id="mailbox_replace", request=MailboxChangeSerializer, responses=MailboxSerializer
    ),
    patch=extend_schema(
        operation_id="mailbox_change", request=MailboxChangeSerializer, responses=MailboxSerializer
    ),
    delete=extend_schema(operation_id="mailbox_remove", responses={204: None}),
)
class MailboxView(RowView):
    """One mailbox; deleting it ends its sessions and sets its mail aside for the restore period."""

    shown, taken = MailboxSerializer, MailboxChangeSerializer

    def rows(self) -> QuerySet[Mailbox]:
        """Those that are not deleted."""
        return Mailbox.objects.live()

    def change(self, pk: int, given: dict[str, Any]) -> None:
        """Sets what is given."""
        change_mailbox(pk, given)

    def remove(self, pk: int) -> None:
        """Deletes it."""
        remove_mailbox(pk)


@extend_schema_view(get=extend_schema(operation_id="mailbox_deleted_list"))
class DeletedMailboxesView(generics.ListAPIView[Mailbox]):
    """Deleted mailboxes that can still be restored, the latest first."""

    serializer_class = DeletedMailboxSerializer
    search_fields: ClassVar[list[str]] = ["address"]
    ordering_fields: ClassVar[list[str]] = ["id", "address", "deleted_at"]
    ordering: ClassVar[list[str]] = ["-deleted_at"]

    def get_queryset(self) -> QuerySet[Mailbox]:
        """Those whose restore period is not over."""
        return retention.restorable(timezone.now()).only("id", "address", "deleted_at")


class MailboxRestoreView(APIView):
    """A deleted mailbox, back again."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="mailbox_restore", request=None, responses=MailboxSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Restores the mailbox with its mail and its password."""
        found(retention.restorable(timezone.now()), pk)
        restore_mailbox(pk)
        return Response(MailboxSerializer(found(Mailbox.objects.live(), pk)).data)


# --- aliases -----------------------------------------------------------------------------------------------
class AliasFilters(StrictFilterSet):
    """By domain, and by whether it is enabled."""

    domain = IdFilter(field_name="domain_id")

    class Meta:
        model = Alias
        fields: ClassVar[list[str]] = ["domain", "enabled"]


@extend_schema_view(get=extend_schema(operation_id="alias_list"))
class AliasesView(CollectionView):
    """The addresses that forward."""

    shown, taken = AliasSerializer, AliasCreateSerializer
    filterset_class = AliasFilters
    search_fields: ClassVar[list[str]] = ["address", "destinations"]
    ordering_fields: ClassVar[list[str]] = ["id", "address", "enabled"]

    def get_queryset(self) -> QuerySet[Alias]:
        """All of them."""
        return Alias.objects.all()

    @extend_schema(operation_id="alias_add", request=AliasCreateSerializer, responses={201: AliasSerializer})
    @idempotent(atomic=True)
    def post(self, request: Request) -> Response:
        """Adds an alias."""
        given = self.given(request)
        return self.created(add_alias(given.pop("domain"), **given).pk)


@extend_schema_view(
    get=extend_schema(operation_id="alias_read", responses=AliasSerializer),
    put=extend_schema(operation_id="alias_replace", request=AliasChangeSerializer, responses=AliasSerializer),
    patch=extend_schema(
        operation_id="alias_change", request=AliasChangeSerializer, responses=AliasSerializer
    ),
    delete=extend_schema(operation_id="alias_remove", responses={204: None}),
)
class AliasView(RowView):
    """One alias."""

    shown, taken = AliasSerializer, AliasChangeSerializer

    def rows(self) -> QuerySet[Alias]:
        """All aliases."""
        return Alias.objects.all()

    def change(self, pk: int, given: dict[str, Any]) -> None:
        """Sets what is given."""
        change_alias(pk, given)

    def remove(self, pk: int) -> None:
        """Removes it."""
        remove_alias(pk)
