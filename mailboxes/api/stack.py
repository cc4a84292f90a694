"""/api/mail/stack: what should run and what does. Only preflight and logs ask Docker; the rest reads rows."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mailboxes.api.stackserializers import (
    CertificateSerializer,
    CertificateWriteSerializer,
    ControllerPasswordAskSerializer,
    ControllerPasswordSerializer,
    DisableSerializer,
    HostnameSerializer,
    ReportSerializer,
    StackChangeSerializer,
    StackSerializer,
)
from mailboxes.certificates import state as certificatestate
from mailboxes.engine import connect
from mailboxes.models import Stack
from mailboxes.stack import logs
from mailboxes.stack import settings as stacksettings
from mailboxes.stack.blueprint import compose
from mailboxes.stack.preflight import run as preflight
from quazzar.access import audit
from quazzar.api.serializers import StrictSerializer
from quazzar.errors import NotThere, QuazzarError
from quazzar.models import ApiKey

_TAIL = 200


class NoControllerPassword(QuazzarError):
    """There is no password to show, or it does not open."""

    code = "no_controller_password"
    message = "There is no password for Rspamd's web interface yet, or its key is gone from the key file."
    hint = 'Ask with {"new": true} for another one.'
    status = 409


def _given(taken: type[StrictSerializer], request: Request, **options: Any) -> dict[str, Any]:
    serializer = taken(data=request.data, **options)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _shown(stack: Stack, status: int = 200) -> Response:
    return Response(StackSerializer(stack).data, status=status)


class StackView(APIView):
    """The stack."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="stack_read", responses=StackSerializer)
    def get(self, request: Request) -> Response:
        """What should be, and what the worker last saw."""
        return _shown(Stack.load())

    @extend_schema(operation_id="stack_change", request=StackChangeSerializer, responses=StackSerializer)
    def patch(self, request: Request) -> Response:
        """Switches the smarthost, and who is warned of a nearly full mailbox; no container restarts for it."""
        return _shown(stacksettings.change(**_given(StackChangeSerializer, request)))


class PreflightView(APIView):
    """What could stand in the way."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="stack_preflight", request=HostnameSerializer, responses=ReportSerializer)
    def post(self, request: Request) -> Response:
        """Looks at Docker, ports, disk, memory, the hostname, the way out and the images, for 10 seconds at most."""
        hostname = _given(HostnameSerializer, request)["hostname"]
        with connect.to_docker() as engine:
            return Response(ReportSerializer(preflight.run(hostname, engine)).data)


class EnableView(APIView):
    """On."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="stack_enable", request=HostnameSerializer, responses={202: StackSerializer})
    def post(self, request: Request) -> Response:
        """Brings the stack up under this hostname; again while it is enabled changes nothing."""
        return _shown(stacksettings.enable(_given(HostnameSerializer, request)["hostname"]), 202)


class DisableView(APIView):
    """Off."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="stack_disable", request=DisableSerializer, responses={202: StackSerializer})
    def post(self, request: Request) -> Response:
        """Takes the stack down. Its volumes stay, unless purge is true and confirm repeats the hostname."""
        return _shown(stacksettings.disable(**_given(DisableSerializer, request)), 202)


class RepairView(APIView):
    """What was found to differ, and interrupts mail."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="stack_repair", request=None, responses={202: StackSerializer})
    def post(self, request: Request) -> Response:
        """Does now what ``pending`` lists, although mail waits for a few seconds meanwhile."""
        return _shown(stacksettings.allow_interruption(), 202)


class CertificateView(APIView):
    """The certificate of SMTP and IMAP."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="stack_certificate_read", responses=CertificateSerializer)
    def get(self, request: Request) -> Response:
        """The certificate, without its key."""
        return self._shown()

    @extend_schema(
        operation_id="stack_certificate_replace",
        request=CertificateWriteSerializer,
        responses=CertificateSerializer,
    )
    def put(self, request: Request) -> Response:
        """Takes a pair, files to read it from and to watch, or a self-signed one; no container restarts for it."""
        match _given(CertificateWriteSerializer, request):
            case {"certificate": certificate, "key": key}:
                stacksettings.upload_certificate(certificate, key)
            case {"certificate_path": certificate_path, "key_path": key_path}:
                stacksettings.use_certificate_files(certificate_path, key_path)
            case _:
                stacksettings.use_self_signed()
        return self._shown()

    def _shown(self) -> Response:
        return Response(CertificateSerializer(certificatestate.read(Stack.load())).data)


class ControllerPasswordView(APIView):
    """Rspamd's web interface."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(
        operation_id="stack_controller_password",
        request=ControllerPasswordAskSerializer,
        responses=ControllerPasswordSerializer,
    )
    def post(self, request: Request) -> Response:
        """The password, or with ``new`` another one. A POST, because who asked is written into the audit log."""
        new = _given(ControllerPasswordAskSerializer, request)["new"]
        stack = stacksettings.new_controller_password() if new else Stack.load()
        password = stack.controller_password
        if password is None or not password.readable:
            raise NoControllerPassword
        audit.record("stack.controller_password_shown", "mailbox stack")
        return Response({"password": password.reveal()}, headers={"Cache-Control": "no-store"})


class LogsView(APIView):
    """What the containers say."""

    @extend_schema(
        operation_id="stack_logs",
        parameters=[
            OpenApiParameter(
                "service", OpenApiTypes.STR, enum=logs.SERVICES, description="Absent: all three, by time."
            ),
            OpenApiParameter(
                "tail",
                {"type": "integer", "minimum": 1, "maximum": logs.MOST, "default": _TAIL},
                description="The last lines, so many.",
            ),
        ],
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponse:
        """The last lines, without secrets; none while there are no containers."""
        service, tail = request.query_params.get("service", ""), _tail(request)
        try:
            with connect.to_docker() as engine:
                text = logs.read(service, tail, engine)
        except NotThere:
            text = ""
        return HttpResponse(text, content_type="text/plain; charset=utf-8")


class ComposeView(APIView):
    """The same stack for Docker Compose."""

    @extend_schema(operation_id="stack_compose", responses={(200, "text/yaml"): OpenApiTypes.ANY})
    def get(self, request: Request) -> HttpResponse:
        """A docker-compose.yml of the same containers on the same volumes, without a secret in it."""
        return HttpResponse(compose.export(), content_type="text/yaml; charset=utf-8")


def _tail(request: Request) -> int:
    text = request.query_params.get("tail", str(_TAIL))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValidationError({"tail": [f"This is a whole number from 1 to {logs.MOST}."]})
    return int(text)
