"""/api/mail/domains/{id}/dns: a domain's records, their options, its keys, and publishing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dnsrecords.api.serializers import (
    DmarcPathSerializer,
    DomainRecordsSerializer,
    Ed25519Serializer,
    OptionsSerializer,
    PublishedSerializer,
    PublisherSerializer,
    PublishSerializer,
    RotationSerializer,
)
from dnsrecords.checking import check as checking
from dnsrecords.checking.report import Report, zone
from dnsrecords.dkim import progress
from dnsrecords.models import Publisher
from dnsrecords.publishing import publish as publishing
from dnsrecords.records import options
from mailboxes.dkim import lifecycle
from mailboxes.models import Domain
from quazzar.api.browsable.renderers import ConsolePages, ZoneFile
from quazzar.api.serializers import NoBody
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import CHANGE_DNS, SEE_DNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dnsrecords.publishing.plan import Entry, Plan


class _OfDomain(ApiViewSet):
    """What belongs to one domain, whose id is in the path. It is looked up first: 404 comes before 400."""

    queryset = Domain.objects.all()


class RecordsViewSet(_OfDomain):
    """The DNS records of a domain, and publishing them."""

    rights: ClassVar = {
        **dict.fromkeys(("retrieve", "dmarc", "options_", "zone", "publisher"), SEE_DNS),
        **dict.fromkeys(("check", "options_change", "publish"), CHANGE_DNS),
        **dict.fromkeys(("publisher_set", "publisher_remove"), CHANGE_DNS),
    }
    tells_result = frozenset({"publish"})
    serializer_class = NoBody
    answer_class = DomainRecordsSerializer

    @extend_schema(operation_id="domain_dns")
    def retrieve(self, request: Request, pk: int) -> Response:
        """The records to publish, with the results of the last check. Does not query DNS."""
        return self.answer(Report.for_domain(self.get_object()))

    @action(detail=False, methods=["post"])
    def check(self, request: Request, pk: int) -> Response:
        """Checks the records at the domain's name servers now. Takes at most ten seconds."""
        domain = self.get_object()
        checking.check(domain)
        return self.answer(Report.for_domain(domain))

    @action(detail=False, answer_class=DmarcPathSerializer)
    def dmarc(self, request: Request, pk: int) -> Response:
        """The path to a strong DMARC policy: what each stage needs, and the record to publish for it."""
        return self.answer({"stages": Report.for_domain(self.get_object()).dmarc_path})

    @action(
        detail=False, url_path="options", serializer_class=OptionsSerializer, answer_class=OptionsSerializer
    )
    def options_(self, request: Request, pk: int) -> Response:
        """The options of the domain's records, or the defaults."""  # `options` is the handler of OPTIONS
        return self.answer(options.for_domain(self.get_object()))

    @options_.mapping.patch
    def options_change(self, request: Request, pk: int) -> Response:
        """Changes only the options that you send. The records to publish change accordingly."""
        domain = self.get_object()
        return self.answer(options.change(domain.pk, **self.body()))

    @extend_schema(responses={(200, ZoneFile.media_type): OpenApiTypes.STR})
    @action(detail=False, renderer_classes=[ZoneFile, ConsolePages])
    def zone(self, request: Request, pk: int) -> Response:
        """The records as a zone file that BIND, NSD and Knot can load unchanged."""
        domain = self.get_object()
        headers = {"Content-Disposition": f'attachment; filename="{domain.name}.zone"'}
        is_page = isinstance(request.accepted_renderer, ConsolePages)
        return Response(zone(domain), headers=None if is_page else headers)

    @action(detail=False, serializer_class=PublisherSerializer, answer_class=PublisherSerializer)
    def publisher(self, request: Request, pk: int) -> Response:
        """The name server for automatic publishing, and whether it is set up."""
        domain = self.get_object()
        return self.answer(publishing.for_domain(domain) or Publisher(domain=domain))

    @publisher.mapping.put
    def publisher_set(self, request: Request, pk: int) -> Response:
        """Sets up automatic publishing: within the next minute, or at once with POST publish."""
        domain = self.get_object()
        return self.answer(publishing.set_up(domain.pk, self.body()))

    @publisher.mapping.delete
    def publisher_remove(self, request: Request, pk: int) -> Response:
        """Removes the name server. Published records stay."""
        publishing.remove(self.get_object().pk)
        return Response(status=204)

    @action(
        detail=False, methods=["post"], serializer_class=PublishSerializer, answer_class=PublishedSerializer
    )
    def publish(self, request: Request, pk: int) -> Response:
        """Publishes the records now. Records that Quazzar did not publish stay, unless you send replace."""
        domain = self.get_object()
        return self.answer(_shown(publishing.publish(domain, replace=self.body()["replace"])))


class DkimViewSet(_OfDomain):
    """The DKIM keys of a domain on their way in and out of use."""

    rights: ClassVar = {
        **dict.fromkeys(("rotation", "ed25519"), SEE_DNS),
        **dict.fromkeys(("rotation_begin", "rotation_cancel"), CHANGE_DNS),
        **dict.fromkeys(("ed25519_begin", "ed25519_remove"), CHANGE_DNS),
    }
    serializer_class = NoBody

    @action(detail=False, answer_class=RotationSerializer, answer_status=201)
    def rotation(self, request: Request, pk: int) -> Response:
        """The state of the DKIM key rotation."""
        return self.answer(progress.rotation(self.get_object()))

    @rotation.mapping.post
    def rotation_begin(self, request: Request, pk: int) -> Response:
        """Creates the next key. It starts to sign when every name server of the domain has its record."""
        domain = self.get_object()
        lifecycle.begin_rotation(domain.pk)
        return self.answer(progress.rotation(domain))

    @rotation.mapping.delete
    def rotation_cancel(self, request: Request, pk: int) -> Response:
        """Cancels the rotation before the new key signs."""
        lifecycle.cancel_rotation(self.get_object().pk)
        return Response(status=204)

    @action(detail=False, answer_class=Ed25519Serializer, answer_status=201)
    def ed25519(self, request: Request, pk: int) -> Response:
        """The state of the Ed25519 key, which signs in addition to the RSA key."""
        return self.answer(progress.ed25519_key(self.get_object()))

    @ed25519.mapping.post
    def ed25519_begin(self, request: Request, pk: int) -> Response:
        """Creates the key. It starts to sign when every name server of the domain has its record."""
        domain = self.get_object()
        lifecycle.add_ed25519(domain.pk)
        return self.answer(progress.ed25519_key(domain))

    @extend_schema(responses={200: Ed25519Serializer})
    @ed25519.mapping.delete
    def ed25519_remove(self, request: Request, pk: int) -> Response:
        """Removes the key. Mail is then signed with RSA only, and the answer says which record you may delete."""
        return Response(Ed25519Serializer(progress.remove_ed25519(self.get_object())).data)


def _shown(plan: Plan) -> dict[str, Any]:
    return {
        "published": _values(plan.added),
        "removed": _values(plan.removed),
        "unchanged": plan.unchanged,
        "conflicts": plan.conflicts,
    }


def _values(entries: Iterable[Entry]) -> list[dict[str, str]]:
    return [{"name": name, "type": type_, "value": value} for name, type_, value in entries]
