"""/api/mail/stack: what should run and what does. Only preflight and logs ask Docker; the rest reads rows."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from mailboxes.api.stackserializers import (
    CertificateSerializer,
    CertificateWriteSerializer,
    ControllerPasswordAskSerializer,
    ControllerPasswordSerializer,
    DisableSerializer,
    HandledMailsSerializer,
    HandleMailsSerializer,
    HostnameSerializer,
    OwnMailboxSerializer,
    ReportSerializer,
    RetriedMailsSerializer,
    RetryMailsSerializer,
    StackChangeSerializer,
    StackSerializer,
    WaitingMailsSerializer,
)
from mailboxes.certificates import state as certificatestate
from mailboxes.certificates.settings import upload_certificate, use_certificate_files, use_self_signed
from mailboxes.engine import connect
from mailboxes.mailqueue import handling, retrying, watch
from mailboxes.models import Stack
from mailboxes.own import standing
from mailboxes.stack import control, logs
from mailboxes.stack.blueprint import compose
from mailboxes.stack.preflight import runner
from quazzar.access import audit
from quazzar.api.browsable.renderers import ConsolePages, PlainText, Yaml
from quazzar.api.serializers import NoBody
from quazzar.api.viewsets import ApiViewSet
from quazzar.errors import NotThere, QuazzarError
from quazzar.rights import CHANGE_SERVER, SEE_SERVER

_TAIL = 200
_READ_TOO = (
    "To show the current password, the API key also needs the scope mail:read. "
    'Send {"new": true} to create a new password.'
)
_POST: dict[str, Any] = {"detail": False, "methods": ["post"]}
_QUEUE: dict[str, Any] = {
    **_POST,
    "serializer_class": HandleMailsSerializer,
    "answer_class": HandledMailsSerializer,
}
_HANDLING = ("queue_retry", "queue_hold", "queue_release", "queue_delete")


class NoControllerPassword(QuazzarError):
    """There is no password to show, or it does not open."""

    code = "no_controller_password"
    message = "There is no password for Rspamd's web interface yet, or its key is no longer in the key file."
    hint = 'Send {"new": true} to create a new one.'
    status = 409


class StackViewSet(ApiViewSet):
    """The mailbox stack."""

    rights: ClassVar = {
        **dict.fromkeys(
            ("retrieve", "certificate_read", "logs", "queue", "own_mailbox", "compose"), SEE_SERVER
        ),
        **dict.fromkeys(("partial_update", "certificate_replace", "controller_password"), CHANGE_SERVER),
        **dict.fromkeys(("preflight", "enable", "disable", "repair", *_HANDLING), CHANGE_SERVER),
    }
    tells_result = frozenset({"preflight", "controller_password", *_HANDLING})
    query_names: ClassVar = {"logs": ["service", "tail"]}
    serializer_class = StackChangeSerializer
    answer_class = StackSerializer

    def get_object(self) -> Stack:
        """Return the one row of the stack, whether it is enabled or not."""
        return Stack.load()

    def retrieve(self, request: Request) -> Response:
        """The mail server: how it is set, and how the worker last found it."""
        return self.answer(self.get_object())

    def partial_update(self, request: Request) -> Response:
        """Sets whether mail is sent through the relay, and who is warned of full mailboxes. Nothing restarts."""
        return self.answer(control.change(**self.body()))

    @action(**_POST, serializer_class=HostnameSerializer, answer_class=ReportSerializer)
    def preflight(self, request: Request) -> Response:
        """Checks Docker, ports, disk, memory, hostname, outgoing port 25 and images, for at most 10 seconds."""
        hostname = self.body()["hostname"]
        with connect.to_docker() as engine:
            return self.answer(runner.run(hostname, engine, inside=True))

    @action(**_POST, serializer_class=HostnameSerializer, answer_status=202)
    def enable(self, request: Request) -> Response:
        """Starts the stack under this hostname. Calling it again while the stack is enabled changes nothing."""
        return self.answer(control.enable(self.body()["hostname"]))

    @action(**_POST, serializer_class=DisableSerializer, answer_status=202)
    def disable(self, request: Request) -> Response:
        """Removes the containers. The volumes stay, unless purge is true and confirm repeats the hostname."""
        return self.answer(control.disable(**self.body()))

    @action(**_POST, serializer_class=NoBody, answer_status=202)
    def repair(self, request: Request) -> Response:
        """Makes the repairs listed in ``pending`` now. Mail waits for a few seconds in the meantime."""
        return self.answer(control.allow_interruption())

    @action(
        detail=False,
        url_path="certificate",
        serializer_class=CertificateWriteSerializer,
        answer_class=CertificateSerializer,
    )
    def certificate_read(self, request: Request) -> Response:
        """The certificate of SMTP and IMAP, without its key."""
        return self.answer(certificatestate.read(self.get_object()))

    @certificate_read.mapping.put
    def certificate_replace(self, request: Request) -> Response:
        """Sets the certificate: a pair, the paths of files to watch, or a self-signed one. Nothing restarts."""
        match self.body():
            case {"certificate": certificate, "key": key}:
                upload_certificate(certificate, key)
            case {"certificate_path": certificate_path, "key_path": key_path}:
                use_certificate_files(certificate_path, key_path)
            case _:
                use_self_signed()
        return self.answer(certificatestate.read(self.get_object()))

    @action(
        **_POST,
        url_path="controller-password",
        serializer_class=ControllerPasswordAskSerializer,
        answer_class=ControllerPasswordSerializer,
    )
    def controller_password(self, request: Request) -> Response:
        """Returns the password of Rspamd's web interface, or a new one. The audit log records who asked."""
        another = self.body()["new"]
        if not another and not self.may_read(request):
            raise PermissionDenied(_READ_TOO)
        stack = control.new_controller_password() if another else self.get_object()
        password = stack.controller_password
        if password is None or not password.readable:
            raise NoControllerPassword
        audit.record("stack.controller_password_shown", "mailbox stack")
        return self.answer({"password": password.reveal()}, headers={"Cache-Control": "no-store"})

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "service",
                OpenApiTypes.STR,
                enum=logs.SERVICES,
                description="Name of one service. Leave it out to get the lines of all three, sorted by time.",
            ),
            OpenApiParameter(
                "tail",
                {"type": "integer", "minimum": 1, "maximum": logs.MOST, "default": _TAIL},
                description="Number of lines, counted from the end.",
            ),
        ],
        responses={(200, PlainText.media_type): OpenApiTypes.STR},
    )
    @action(
        detail=False,
        renderer_classes=[PlainText, ConsolePages],
        page_queries=[(name.capitalize(), f"service={name}") for name in logs.SERVICES],
    )
    def logs(self, request: Request) -> Response:
        """The last log lines of the containers, without secrets. Empty while there are no containers."""
        service, tail = request.query_params.get("service", ""), _tail(request)
        try:
            with connect.to_docker() as engine:
                return Response(logs.read(service, tail, engine))
        except NotThere:
            return Response("")

    @action(detail=False, answer_class=WaitingMailsSerializer)
    def queue(self, request: Request) -> Response:
        """The mail that waits in Postfix now, and why. Empty while the mail server is off or has no containers."""
        return self.answer(watch.waiting() or {"count": 0, "messages": []})

    @action(
        **_POST,
        url_path="queue/retry",
        serializer_class=RetryMailsSerializer,
        answer_class=RetriedMailsSerializer,
        answer_status=202,
    )
    def queue_retry(self, request: Request) -> Response:
        """Makes Postfix retry waiting mail now: the mail with this id, or all mail if you send no id."""
        with connect.to_docker() as engine:
            return self.answer({"count": retrying.retry(engine, self.body()["id"])})

    @action(**_QUEUE, url_path="queue/hold")
    def queue_hold(self, request: Request) -> Response:
        """Puts waiting mail on hold: Postfix does not try it until it is released."""
        return self._handled("hold")

    @action(**_QUEUE, url_path="queue/release")
    def queue_release(self, request: Request) -> Response:
        """Releases mail from hold."""
        return self._handled("release")

    @action(**_QUEUE, url_path="queue/delete")
    def queue_delete(self, request: Request) -> Response:
        """Deletes waiting mail for good. Neither its recipients nor its sender are told."""
        return self._handled("delete")

    def _handled(self, act: str) -> Response:
        with connect.to_docker() as engine:
            return self.answer({"count": handling.handle(engine, act, self.body()["ids"])})

    @action(detail=False, url_path="own-mailbox", answer_class=OwnMailboxSerializer)
    def own_mailbox(self, request: Request) -> Response:
        """The mailbox that Quazzar itself owns, and the addresses whose mail goes there."""
        return self.answer(standing.read(self.get_object()))

    @extend_schema(responses={(200, Yaml.media_type): OpenApiTypes.ANY})
    @action(detail=False, renderer_classes=[Yaml, ConsolePages])
    def compose(self, request: Request) -> Response:
        """A docker-compose.yml for the same containers and volumes. It contains no secrets."""
        return Response(compose.export())


def _tail(request: Request) -> int:
    text = request.query_params.get("tail", str(_TAIL))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValidationError({"tail": [f"This must be a whole number from 1 to {logs.MOST}."]})
    return int(text)
