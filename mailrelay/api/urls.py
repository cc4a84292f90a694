"""Routes under /api/mail/: the relay and its queue."""

from __future__ import annotations

from django.urls import path

from mailrelay.api.events import EventView
from mailrelay.api.expected import ExpectedReportViewSet
from mailrelay.api.returned import InboxViewSet, WebhookViewSet
from mailrelay.api.suppressions import SuppressionViewSet
from mailrelay.api.viewsets import AlertViewSet, BackupViewSet, MessageViewSet, RelayViewSet
from quazzar.api.viewsets import ApiRouter, SingletonRouter

app_name = "mailrelay"

collections = ApiRouter()
collections.register("messages", MessageViewSet, "message")
collections.register("alerts", AlertViewSet, "alert")
collections.register("backups", BackupViewSet, "backup")
collections.register("suppressions", SuppressionViewSet, "suppression")
collections.register("inboxes", InboxViewSet, "inbox")
collections.register("webhooks", WebhookViewSet, "webhook")
collections.register("expected", ExpectedReportViewSet, "expected")

singletons = SingletonRouter()
singletons.register("relay", RelayViewSet, "relay")

urlpatterns = [
    *singletons.urls,
    *collections.urls,
    path("events/<slug:provider>/<str:token>", EventView.as_view(), name="events"),
]
