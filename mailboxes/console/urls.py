"""Routes of the Mailboxes tab, under /admin/."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from mailboxes.console import (
    aliases as aliasviews,
)
from mailboxes.console import (
    certificateviews,
    overview,
)
from mailboxes.console import (
    connections as connectionviews,
)
from mailboxes.console import (
    csvfiles as importviews,
)
from mailboxes.console import (
    domains as domainviews,
)
from mailboxes.console import (
    mailboxes as mailboxviews,
)
from mailboxes.console import (
    server as serverviews,
)
from mailboxes.console import (
    wizard as wizardviews,
)

BASE = "mail-relay/mailboxes/"

_PAGES = [
    path("", overview.home, name="mail_boxes"),
    path("head/", overview.head, name="mail_boxes_head"),
    # --- the server
    path("server/", overview.server, name="mail_boxes_server"),
    path("progress/", overview.progress, name="mail_boxes_progress"),
    path("preflight/", wizardviews.preflight, name="mail_boxes_preflight"),
    path("enable/", wizardviews.enable, name="mail_boxes_enable"),
    path("retry/", wizardviews.retry, name="mail_boxes_retry"),
    path("disable/", wizardviews.disable, name="mail_boxes_disable"),
    path("relay/", serverviews.through_relay, name="mail_boxes_relay"),
    path("owners/", serverviews.warn_owners, name="mail_boxes_owners"),
    path("interruption/", serverviews.interruption, name="mail_boxes_interruption"),
    path("certificate/", certificateviews.certificate, name="mail_boxes_certificate"),
    path("password/", serverviews.controller_password, name="mail_boxes_controller"),
    path("password/new/", serverviews.new_controller_password, name="mail_boxes_controller_new"),
    path("logs/", serverviews.logs, name="mail_boxes_logs"),
    path("compose/", serverviews.compose, name="mail_boxes_compose"),
    # --- mailboxes
    path("list/", mailboxviews.mailboxes, name="mail_boxes_list"),
    path("add/", mailboxviews.add, name="mail_boxes_add"),
    path("generate/", mailboxviews.generate, name="mail_boxes_generate"),
    path("deleted/", mailboxviews.deleted, name="mail_boxes_deleted"),
    path("<int:pk>/", mailboxviews.edit, name="mail_boxes_edit"),
    path("<int:pk>/enabled/", mailboxviews.enabled, name="mail_boxes_enabled"),
    path("<int:pk>/delete/", mailboxviews.delete, name="mail_boxes_delete"),
    path("<int:pk>/restore/", mailboxviews.restore, name="mail_boxes_restore"),
    path("<int:pk>/connection/", connectionviews.panel, name="mail_boxes_connection"),
    path("<int:pk>/live/", connectionviews.live, name="mail_boxes_live"),
    path("<int:pk>/profile/", connectionviews.profile, name="mail_boxes_profile"),
    path("<int:pk>/autoconfig/", connectionviews.autoconfig, name="mail_boxes_autoconfig"),
    path("profile/<str:ticket>.mobileconfig", connectionviews.scanned, name="mail_boxes_scanned"),
    # --- domains and aliases
    path("domains/", domainviews.domains, name="mail_boxes_domains"),
    path("domains/add/", domainviews.add, name="mail_boxes_domain_add"),
    path("domains/<int:pk>/", domainviews.edit, name="mail_boxes_domain"),
    path("domains/<int:pk>/delete/", domainviews.delete, name="mail_boxes_domain_delete"),
    path("aliases/", aliasviews.aliases, name="mail_boxes_aliases"),
    path("aliases/add/", aliasviews.add, name="mail_boxes_alias_add"),
    path("aliases/<int:pk>/", aliasviews.edit, name="mail_boxes_alias"),
    path("aliases/<int:pk>/enabled/", aliasviews.enabled, name="mail_boxes_alias_enabled"),
    path("aliases/<int:pk>/delete/", aliasviews.delete, name="mail_boxes_alias_delete"),
    # --- import and export
    path("import/", importviews.page, name="mail_boxes_import"),
    path("import/check/", importviews.check, name="mail_boxes_import_check"),
    path("import/start/", importviews.start, name="mail_boxes_import_start"),
    path("import/jobs/", importviews.jobs, name="mail_boxes_import_jobs"),
    path("export/", importviews.export, name="mail_boxes_export"),
]

urlpatterns = [
    # Where the breadcrumb of the models' pages leads: Django's own list of the app's models would say less.
    path("mailboxes/", RedirectView.as_view(pattern_name="admin:mail_boxes")),
    *(path(f"{BASE}{each.pattern}", each.callback, name=each.name or "") for each in _PAGES),
]
