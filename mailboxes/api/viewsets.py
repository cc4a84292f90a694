"""/api/mail/domains, mailboxes and aliases. Each action calls a domain function and shows the row that it returns."""

from __future__ import annotations

from itertools import islice
from typing import Any, ClassVar

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import CreateModelMixin, DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from mailboxes.api.serializers import (
    AliasChangeSerializer,
    AliasSerializer,
    DeletedMailboxSerializer,
    DomainChangeSerializer,
    DomainSerializer,
    MailboxChangeSerializer,
    MailboxSerializer,
)
from mailboxes.csvfiles import exporting
from mailboxes.models import Alias, Domain, Mailbox
from mailboxes.provisioning import retention
from mailboxes.provisioning.aliases import add_alias, change_alias, remove_alias
from mailboxes.provisioning.domains import add_domain, change_domain, remove_domain
from mailboxes.provisioning.mailboxes import add_mailbox, change_mailbox, remove_mailbox, restore_mailbox
from quazzar.api.browsable.renderers import ConsolePages, Csv
from quazzar.api.idempotency import idempotent
from quazzar.api.lists import IdFilter, StrictFilterSet
from quazzar.api.serializers import NoBody
from quazzar.api.viewsets import ApiViewSet, UpdateRowMixin, rights_of_rows
from quazzar.rights import (
    ADD_ALIASES,
    ADD_DOMAINS,
    ADD_MAILBOXES,
    CHANGE_ALIASES,
    CHANGE_DOMAINS,
    CHANGE_MAILBOXES,
    DELETE_ALIASES,
    DELETE_DOMAINS,
    DELETE_MAILBOXES,
    SEE_ALIASES,
    SEE_DOMAINS,
    SEE_MAILBOXES,
)

#: How much of the export a page shows; the file has all of it.
_LINES_ON_A_PAGE = 500


class _Collection(
    ListModelMixin, CreateModelMixin, RetrieveModelMixin, UpdateRowMixin, DestroyModelMixin, ApiViewSet
):
    """What the three collections have in common."""


# --- domains -----------------------------------------------------------------------------------------------
def _count(rows: QuerySet[Any]) -> Coalesce:
    # Subqueries, because two joins would multiply each other.
    counted = (
        rows.filter(domain=OuterRef("pk")).order_by().values("domain").annotate(n=Count("pk")).values("n")
    )
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


class DomainViewSet(_Collection):
    """The mail domains of this node."""

    rights = rights_of_rows(SEE_DOMAINS, ADD_DOMAINS, CHANGE_DOMAINS, DELETE_DOMAINS)
    queryset = Domain.objects.all()
    serializer_class = DomainSerializer
    change_serializer_class = DomainChangeSerializer
    search_fields: ClassVar[list[str]] = ["name"]
    ordering_fields: ClassVar[list[str]] = ["id", "name", "created_at", "mailbox_count", "alias_count"]

    def get_queryset(self) -> QuerySet[Domain]:
        """Return all domains, each with its keys and the numbers of its mailboxes and aliases."""
        return Domain.objects.prefetch_related("dkim_keys").annotate(
            mailbox_count=_count(Mailbox.objects.live()), alias_count=_count(Alias.objects.all())
        )

    @idempotent(atomic=True)
    def create(self, request: Request) -> Response:
        """Adds a domain and creates its DKIM key."""
        return super().create(request)

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        """Add the domain, and read it again with the counts that the answer shows."""
        serializer.instance = self.get_queryset().get(pk=add_domain(**serializer.validated_data).pk)

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        """The settings are the catch-all and the contact. The name cannot change."""
        change_domain(self.row_id, serializer.validated_data)
        serializer.instance = self.get_object()  # for the numbers of its mailboxes and aliases

    def perform_destroy(self, instance: Domain) -> None:
        """Removes a domain and its aliases. The domain must have no mailboxes."""
        remove_domain(instance.pk)


# --- mailboxes ---------------------------------------------------------------------------------------------
class MailboxFilters(StrictFilterSet):
    """By domain, and by whether it is enabled."""

    domain = IdFilter(field_name="domain_id")

    class Meta:
        model = Mailbox
        fields: ClassVar[list[str]] = ["domain", "enabled"]


class MailboxViewSet(_Collection):
    """The mailboxes that are not deleted."""

    rights: ClassVar = {
        **rights_of_rows(SEE_MAILBOXES, ADD_MAILBOXES, CHANGE_MAILBOXES, DELETE_MAILBOXES),
        "restore": ADD_MAILBOXES,
        "export": SEE_MAILBOXES,
    }
    queryset = Mailbox.objects.all()
    serializer_class = MailboxSerializer
    change_serializer_class = MailboxChangeSerializer
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
        """Return the live mailboxes; where one is restored, those that can be."""
        if "restore" in (self.action_map or {}).values():
            return retention.restorable(timezone.now())
        return Mailbox.objects.live()

    # No Idempotency-Key: even a keyed digest of the body would be one of the password. The address is key enough.
    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        """Adds a mailbox. Without a password, nobody can sign in until one is set."""
        fields = dict(serializer.validated_data)
        serializer.instance = add_mailbox(fields.pop("domain"), **fields)

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        """The saved password stays unless you send another. Local part and domain cannot change."""
        serializer.instance = change_mailbox(self.row_id, serializer.validated_data)

    def perform_destroy(self, instance: Mailbox) -> None:
        """Deletes a mailbox and ends its sessions. Its mail is set aside for the restore period."""
        remove_mailbox(instance.pk)

    @action(
        detail=True,
        methods=["post"],
        serializer_class=NoBody,
        answer_class=MailboxSerializer,
        is_linked=False,  # from the deleted ones only
    )
    def restore(self, request: Request, pk: int) -> Response:
        """Restores a deleted mailbox with its mail and its password."""
        return self.answer(restore_mailbox(self.row_id))

    @extend_schema(responses={(200, Csv.media_type): OpenApiTypes.STR}, filters=False)
    @action(detail=False, renderer_classes=[Csv, ConsolePages], pagination_class=None, filter_backends=[])
    def export(self, request: Request) -> HttpResponseBase:
        """All mailboxes as CSV, without passwords and deleted mailboxes. You can import the file unchanged."""
        lines = exporting.export()
        if isinstance(request.accepted_renderer, ConsolePages):
            return Response("".join(islice(lines, _LINES_ON_A_PAGE)))
        headers = {"Content-Disposition": 'attachment; filename="mailboxes.csv"'}
        return StreamingHttpResponse(lines, content_type=Csv.content_type, headers=headers)


class DeletedMailboxViewSet(ListModelMixin, ApiViewSet):
    """Deleted mailboxes that can still be restored, latest first."""

    rights: ClassVar = {"list": SEE_MAILBOXES}
    queryset = Mailbox.objects.all()
    serializer_class = DeletedMailboxSerializer
    search_fields: ClassVar[list[str]] = ["address"]
    ordering_fields: ClassVar[list[str]] = ["id", "address", "deleted_at"]
    ordering: ClassVar[list[str]] = ["-deleted_at"]
    page_of_row = "/api/mail/mailboxes/{id}/restore"

    def get_queryset(self) -> QuerySet[Mailbox]:
        """Return those whose restore period is not over."""
        return retention.restorable(timezone.now()).only("id", "address", "deleted_at")


# --- aliases -----------------------------------------------------------------------------------------------
class AliasFilters(StrictFilterSet):
    """By domain, and by whether it is enabled."""

    domain = IdFilter(field_name="domain_id")

    class Meta:
        model = Alias
        fields: ClassVar[list[str]] = ["domain", "enabled"]


class AliasViewSet(_Collection):
    """The aliases: addresses that forward to others."""

    rights = rights_of_rows(SEE_ALIASES, ADD_ALIASES, CHANGE_ALIASES, DELETE_ALIASES)
    queryset = Alias.objects.all()
    serializer_class = AliasSerializer
    change_serializer_class = AliasChangeSerializer
    filterset_class = AliasFilters
    search_fields: ClassVar[list[str]] = ["address", "destinations"]
    ordering_fields: ClassVar[list[str]] = ["id", "address", "enabled"]

    @idempotent(atomic=True)
    def create(self, request: Request) -> Response:
        """Adds an alias, unless it would forward mail in a circle."""
        return super().create(request)

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        """Add the alias by the rules of the domain code."""
        fields = dict(serializer.validated_data)
        serializer.instance = add_alias(fields.pop("domain"), **fields)

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        """Local part and domain cannot change."""
        serializer.instance = change_alias(self.row_id, serializer.validated_data)

    def perform_destroy(self, instance: Alias) -> None:
        """Removes the alias. Mail to its address is then refused, or goes to the catch-all."""
        remove_alias(instance.pk)
