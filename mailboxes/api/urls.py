"""Routes under /api/mail/: the stack, and what lives in it."""

from __future__ import annotations

from django.urls import path

from mailboxes.api import csvfiles as importviews
from mailboxes.api import stack as stackviews
from mailboxes.api import viewsets as views

app_name = "mailboxes"

urlpatterns = [
    path("stack", stackviews.StackView.as_view(), name="stack"),
    path("stack/preflight", stackviews.PreflightView.as_view(), name="stack-preflight"),
    path("stack/enable", stackviews.EnableView.as_view(), name="stack-enable"),
    path("stack/disable", stackviews.DisableView.as_view(), name="stack-disable"),
    path("stack/repair", stackviews.RepairView.as_view(), name="stack-repair"),
    path("stack/certificate", stackviews.CertificateView.as_view(), name="stack-certificate"),
    path(
        "stack/controller-password",
        stackviews.ControllerPasswordView.as_view(),
        name="stack-controller-password",
    ),
    path("stack/logs", stackviews.LogsView.as_view(), name="stack-logs"),
    path("stack/compose", stackviews.ComposeView.as_view(), name="stack-compose"),
    path("domains", views.DomainsView.as_view(), name="domains"),
    path("domains/<int:pk>", views.DomainView.as_view(), name="domain"),
    path("mailboxes", views.MailboxesView.as_view(), name="mailboxes"),
    path("mailboxes/import", importviews.MailboxImportView.as_view(), name="mailbox-import"),
    path("mailboxes/import/<int:pk>", importviews.ImportJobView.as_view(), name="mailbox-import-job"),
    path("mailboxes/export", importviews.MailboxExportView.as_view(), name="mailbox-export"),
    path("mailboxes/deleted", views.DeletedMailboxesView.as_view(), name="mailboxes-deleted"),
    path("mailboxes/<int:pk>", views.MailboxView.as_view(), name="mailbox"),
    path("mailboxes/<int:pk>/restore", views.MailboxRestoreView.as_view(), name="mailbox-restore"),
    path("aliases", views.AliasesView.as_view(), name="aliases"),
    path("aliases/<int:pk>", views.AliasView.as_view(), name="alias"),
]
