"""Routes under /api/."""

from __future__ import annotations

from django.urls import include, path, re_path

from quazzar.api.billing import BillingViewSet
from quazzar.api.docs import DocsView, SchemaView
from quazzar.api.index import MAIL_API, IndexViewSet
from quazzar.api.permissions import ANY_PLAN
from quazzar.api.unknown import UnknownMailPath, UnknownPath
from quazzar.api.viewsets import SingletonRouter

singletons = SingletonRouter()
singletons.register("billing/upgrade", BillingViewSet, "billing")

index = IndexViewSet.as_view({"get": "list"}, feature=ANY_PLAN)

urlpatterns = [
    path("", index, name="api"),
    path("mail/", IndexViewSet.as_view({"get": "list"}, within=MAIL_API), name="mail-api"),
    path("mail", IndexViewSet.as_view({"get": "list"}, within=MAIL_API, is_endpoint=False)),
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
