"""Routes under /api/mail/: the audit log."""

from __future__ import annotations

from quazzar.api.viewsets import ApiRouter
from quazzar.auditlog.api.viewsets import AuditViewSet

app_name = "auditlog"

collections = ApiRouter()
collections.register("audit", AuditViewSet, "audit")

urlpatterns = collections.urls
