"""Routes under /api/mail/: the health of this node."""

from __future__ import annotations

from quazzar.api.health.viewsets import HealthHistoryViewSet, HealthViewSet
from quazzar.api.viewsets import ApiRouter, SingletonRouter

app_name = "health"

collections = ApiRouter()
collections.register("health/history", HealthHistoryViewSet, "health_history")

singletons = SingletonRouter()
singletons.register("health", HealthViewSet, "health")

urlpatterns = [*singletons.urls, *collections.urls]
