"""Routes of the Mailboxes tab, under /admin/."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from mailboxes.console import aliases, connection, csvfiles, domains, mailboxes, server, wizard

BASE = "mail-relay/mailboxes/"

_PAGES = [
    path("", server.home, name="mail_boxes"),
    path("head/", server.head, name="mail_boxes_head"),
    # --- the server
    path("server/", server.server, name="mail_boxes_server"),
    path("preflight/", wizard.preflight, name="mail_boxes_preflight"),
    path("enable/", wizard.enable, name="mail_boxes_enable"),
    path("progress/", wizard.progress, name="mail_boxes_progress"),
    path("retry/", wizard.retry, name="mail_boxes_retry"),
    path("disable/", wizard.disable, name="mail_boxes_disable"),
    path("relay/", server.through_relay, name="mail_boxes_relay"),
    path("owners/", server.warn_owners, name="mail_boxes_owners"),
    path("own-mailbox/", server.own_mailbox, name="mail_boxes_own"),
    path("interruption/", server.interruption, name="mail_boxes_interruption"),
    path("images/look/", wizard.look_for_images, name="mail_boxes_images_look"),
    path("images/upgrade/", wizard.upgrade_images, name="mail_boxes_upgrade"),
    path("images/progress/", wizard.upgrade_progress, name="mail_boxes_upgrade_progress"),
    path("certificate/", server.certificate, name="mail_boxes_certificate"),
    path("password/", server.controller_password, name="mail_boxes_controller"),
    path("password/new/", server.new_controller_password, name="mail_boxes_controller_new"),
    path("logs/", server.container_logs, name="mail_boxes_logs"),
    path("compose/", server.compose, name="mail_boxes_compose"),
    # --- mailboxes
    path("list/", mailboxes.mailboxes, name="mail_boxes_list"),
    *mailboxes.BULK.routes("list/"),
    path("add/", mailboxes.add, name="mail_boxes_add"),
    path("generate/", mailboxes.generate, name="mail_boxes_generate"),
    path("deleted/", mailboxes.deleted, name="mail_boxes_deleted"),
    *mailboxes.DELETED_BULK.routes("deleted/"),
    path("<int:pk>/", mailboxes.edit, name="mail_boxes_edit"),
    path("<int:pk>/enabled/", mailboxes.enabled, name="mail_boxes_enabled"),
    path("<int:pk>/delete/", mailboxes.delete, name="mail_boxes_delete"),
    path("<int:pk>/restore/", mailboxes.restore, name="mail_boxes_restore"),
    path("<int:pk>/connection/", connection.panel, name="mail_boxes_connection"),
    path("<int:pk>/live/", connection.live, name="mail_boxes_live"),
    path("<int:pk>/profile/", connection.profile, name="mail_boxes_profile"),
    path("<int:pk>/autoconfig/", connection.autoconfig, name="mail_boxes_autoconfig"),
    path("profile/<str:ticket>.mobileconfig", connection.scanned, name="mail_boxes_scanned"),
    # --- domains
    path("domains/", domains.domains, name="mail_boxes_domains"),
    *domains.BULK.routes("domains/"),
    path("domains/add/", domains.add, name="mail_boxes_domain_add"),
    path("domains/<int:pk>/", domains.edit, name="mail_boxes_domain"),
    path("domains/<int:pk>/delete/", domains.delete, name="mail_boxes_domain_delete"),
    # --- aliases
    path("aliases/", aliases.aliases, name="mail_boxes_aliases"),
    *aliases.BULK.routes("aliases/"),
    path("aliases/add/", aliases.add, name="mail_boxes_alias_add"),
    path("aliases/<int:pk>/", aliases.edit, name="mail_boxes_alias"),
    path("aliases/<int:pk>/enabled/", aliases.enabled, name="mail_boxes_alias_enabled"),
    path("aliases/<int:pk>/delete/", aliases.delete, name="mail_boxes_alias_delete"),
    # --- import and export
    path("import/", csvfiles.page, name="mail_boxes_import"),
    path("import/check/", csvfiles.check, name="mail_boxes_import_check"),
    path("import/start/", csvfiles.start, name="mail_boxes_import_start"),
    path("import/jobs/", csvfiles.jobs, name="mail_boxes_import_jobs"),
    path("export/", csvfiles.export, name="mail_boxes_export"),
]

urlpatterns = [
    # The breadcrumb of the app's models leads here: Django's own list of them would say less.
    path("mailboxes/", RedirectView.as_view(pattern_name="admin:mail_boxes")),
    *(path(f"{BASE}{route.pattern}", route.callback, name=route.name or "") for route in _PAGES),
]
