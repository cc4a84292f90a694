"""Routes of the Mail Relay page, under /admin/."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from mailrelay.console import expected, firstalert, message, messages, preview, views
from mailrelay.console.returned import pages, suppressions, webhooks

urlpatterns = [
    # The breadcrumb of the app's models leads here: Django's own list of them would say less.
    path("mailrelay/", RedirectView.as_view(pattern_name="admin:mail_relay")),
    path("mail-relay/", views.relay, name="mail_relay"),
    path("mail-relay/remove/", views.remove, name="mail_relay_remove"),
    path("mail-relay/test/", views.test, name="mail_relay_test"),
    path("mail-relay/figures/", views.figures, name="mail_relay_figures"),
    path("first-alert/", firstalert.first_alert, name="first_alert"),
    path("first-alert/received/", firstalert.received, name="first_alert_received"),
    path("mail-relay/license/", views.install_license, name="mail_relay_license"),
    path("expected/", expected.reports, name="expected_reports"),
    path("expected/add/", expected.add, name="expected_report_add"),
    path("expected/<int:pk>/", expected.edit, name="expected_report"),
    path("expected/<int:pk>/watch/", expected.act, {"verb": "watch"}, name="expected_report_watch"),
    path("expected/<int:pk>/ignore/", expected.act, {"verb": "ignore"}, name="expected_report_ignore"),
    path("expected/<int:pk>/pause/", expected.act, {"verb": "pause"}, name="expected_report_pause"),
    path("expected/<int:pk>/delete/", expected.delete, name="expected_report_delete"),
    path("returned/", pages.returned, name="returned_mail"),
    path("returned/own-bounces/", pages.use_own, name="returned_use_own"),
    path("returned/inbox/add/", pages.add, name="inbox_add"),
    path("returned/inbox/<int:pk>/", pages.edit, name="inbox"),
    path("returned/inbox/<int:pk>/look/", pages.look, name="inbox_look"),
    path("returned/inbox/<int:pk>/remove/", pages.remove, name="inbox_remove"),
    path("returned/events/<slug:provider>/", webhooks.edit, name="webhook"),
    path("returned/events/<slug:provider>/renew/", webhooks.renew, name="webhook_renew"),
    path("returned/events/<slug:provider>/remove/", webhooks.remove, name="webhook_remove"),
    path("suppressions/", suppressions.suppressions, name="suppressions"),
    path("suppressions/add/", suppressions.add, name="suppression_add"),
    path("suppressions/<int:pk>/", suppressions.detail, name="suppression"),
    path("suppressions/<int:pk>/remove/", suppressions.remove, name="suppression_remove"),
    *messages.ROUTES,
    *message.ROUTES,
    *preview.ROUTES,
]
