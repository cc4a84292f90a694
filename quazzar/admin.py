"""Where the console begins, and the audit log; operators and keys have modules of their own."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.html import format_html_join

from quazzar.console import apikeys, operators, shown  # noqa: F401  (they register themselves)
from quazzar.console import site as console
from quazzar.console.unfolded import ModelAdmin
from quazzar.models import AuditEntry


def landing(request: HttpRequest) -> HttpResponse:
    """The console begins with Mail Relay, for those who may see it."""
    if request.user.has_perm("mailrelay.view_relaysettings"):
        return redirect("admin:mail_relay")
    return admin.site.index(request)


console.PAGES.append(path("", admin.site.admin_view(landing), name="index"))
cast("Any", admin.site).extra_urls = lambda: console.PAGES


@admin.register(AuditEntry)
class AuditAdmin(ModelAdmin):
    """Who changed what: names of fields, never values."""

    list_display = ("when", "actor", "action", "target", "changed")
    list_display_links = None
    list_filter: ClassVar[list[Any]] = ["action"]
    search_fields = ("actor", "action", "target")
    search_help_text = "Search who, what or which"
    ordering = ("-id",)
    list_per_page = 50
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: the log writes itself."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the log only grows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the log only grows."""
        return False

    @admin.display(description="Time (UTC)", ordering="at")
    def when(self, entry: AuditEntry) -> str:
        """When it was done."""
        return shown.moment(entry.at)

    @admin.display(description="Changed fields")
    def changed(self, entry: AuditEntry) -> str:
        """Names of the fields."""
        names = format_html_join(" ", '<code class="q-code">{}</code>', ((name,) for name in entry.fields))
        return names or shown.NOTHING
