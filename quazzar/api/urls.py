"""Routes under /api/, and the answer to what is not there: in JSON, and behind the gate where the gate is."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import include, path, re_path
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from quazzar.api.billing import BillingViewSet
from quazzar.api.docs import MAIL_API, DocsView, IndexViewSet, SchemaView
from quazzar.api.gate.permissions import ANY_PLAN
from quazzar.api.viewsets import SingletonRouter
from quazzar.rights import LOOK_AROUND


class UnknownPath(APIView):
    """What does not exist, for anybody. No viewset, because it has no actions: it answers any method alike."""

    permission_classes = [AllowAny]
    authentication_classes = []
    throttle_classes = []
    schema = None
    is_endpoint = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """End the request after the permissions, and before the method is checked.

        Raises:
            NotFound: always.
        """
        super().initial(request, *args, **kwargs)
        raise NotFound("This address does not exist.")


class UnknownMailPath(UnknownPath):
    """The same behind the gate: callers who may not use Mail Relay get that answer first."""

    permission_classes = [*APIView.permission_classes]
    rights: ClassVar = {"any": LOOK_AROUND}
    authentication_classes = [*APIView.authentication_classes]


singletons = SingletonRouter()
singletons.register("billing/upgrade", BillingViewSet, "billing")

index = IndexViewSet.as_view({"get": "list"}, feature=ANY_PLAN)

urlpatterns = [
    path("", index, name="api"),
    path("mail/", IndexViewSet.as_view({"get": "list"}, within=MAIL_API), name="mail-api"),
    path("mail", IndexViewSet.as_view({"get": "list"}, within=MAIL_API, is_endpoint=False)),
    path("mail/", include("quazzar.api.health.urls")),
    path("mail/", include("quazzar.auditlog.api.urls")),
    path("mail/", include("mailrelay.api.urls")),
    path("mail/", include("mailboxes.api.urls")),
    path("mail/", include("dnsrecords.api.urls")),
    path("", include(singletons.urls)),
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", DocsView.as_view(), name="docs"),
    re_path(r"^mail/", UnknownMailPath.as_view()),
    # They also keep APPEND_SLASH from answering 301 to a path that does not exist.
    re_path(r"", UnknownPath.as_view()),
]
