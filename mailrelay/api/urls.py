"""Routes under /api/mail/."""

from __future__ import annotations

from django.urls import path

from mailrelay.api import viewsets as views

app_name = "mailrelay"

urlpatterns = [
    path("relay", views.RelayView.as_view(), name="relay"),
    path("relay/presets", views.PresetsView.as_view(), name="presets"),
    path("relay/test", views.RelayTestView.as_view(), name="relay-test"),
    path("messages", views.MessagesView.as_view(), name="messages"),
    path("messages/<int:pk>", views.MessageView.as_view(), name="message"),
    path("messages/<int:pk>/retry", views.MessageRetryView.as_view(), name="message-retry"),
    path("alerts", views.AlertsView.as_view(), name="alerts"),
    path("backups", views.BackupsView.as_view(), name="backups"),
]
