"""/api/mail/domains/{id}/dns/ed25519: the second DKIM key of a domain, turned on and off."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dnsrecords.dkim import progress
from dnsrecords.dkim.progress import Ed25519Key
from mailboxes.api.viewsets import found
from mailboxes.dkim import lifecycle
from mailboxes.models import Domain
from quazzar.models import ApiKey


class Ed25519Serializer(serializers.Serializer[Ed25519Key]):
    """Where a domain's Ed25519 key is on its way."""

    state = serializers.ChoiceField(choices=["off", "pending", "signing"])
    selector = serializers.CharField(allow_blank=True, help_text="Of the Ed25519 key; empty: there is none.")
    message = serializers.CharField(help_text="What to do next.")


class Ed25519View(APIView):
    """The Ed25519 key beside the RSA key of a domain."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="domain_dkim_ed25519", responses=Ed25519Serializer)
    def get(self, request: Request, pk: int) -> Response:
        """Where it is."""
        return _answer(progress.ed25519_key(_domain(pk)))

    @extend_schema(operation_id="domain_dkim_ed25519_begin", request=None, responses={201: Ed25519Serializer})
    def post(self, request: Request, pk: int) -> Response:
        """Makes the key; it signs as soon as its record is seen on every name server of the domain."""
        lifecycle.add_ed25519(_domain(pk).pk)
        return _answer(progress.ed25519_key(_domain(pk)), 201)

    @extend_schema(operation_id="domain_dkim_ed25519_remove", responses={200: Ed25519Serializer})
    def delete(self, request: Request, pk: int) -> Response:
        """Removes the key; mail is signed with RSA alone from now on, and the answer says what may be deleted."""
        return _answer(progress.remove_ed25519(_domain(pk)))


def _domain(pk: int) -> Domain:
    domain: Domain = found(Domain.objects.all(), pk)
    return domain


def _answer(key: Ed25519Key, status: int = 200) -> Response:
    return Response(Ed25519Serializer(key).data, status=status)
