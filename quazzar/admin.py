"""The console's own parts: operators, API keys, the audit log, and where the console begins."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from quazzar import audit, console, keyadmin, shown  # noqa: F401  (keyadmin registers itself)
from quazzar.models import AuditEntry

#: What an operator who is no superuser can be given.
_GRANTABLE = {
    "mailrelay": ("relaysettings", "message"),
    "quazzar": ("apikey", "auditentry"),
    "auth": ("user",),
}


def landing(request: HttpRequest) -> HttpResponse:
    """The console begins with Mail Relay, for those who may see it."""
    if request.user.has_perm("mailrelay.view_relaysettings"):
        return redirect("admin:mail_relay")
    return admin.site.index(request)


console.PAGES.append(path("", admin.site.admin_view(landing), name="index"))
cast("Any", admin.site).extra_urls = lambda: console.PAGES

# Operators are few: permissions are given one by one.
admin.site.unregister(Group)
admin.site.unregister(User)


@admin.register(User)
class OperatorAdmin(UserAdmin, ModelAdmin):
    """Who may sign in."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "role", "last_seen", "active")
    list_filter = ()
    search_help_text = "Search name or address"
    filter_horizontal = ("user_permissions",)
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    @admin.display(description="Role", ordering="is_superuser")
    def role(self, user: User) -> SafeString:
        """What the user may do, in a word."""
        if user.is_superuser:
            return shown.badge("Operator", "busy")
        return shown.badge("Staff", "off") if user.is_staff else shown.badge("No console", "off")

    @admin.display(description="Signs in", ordering="is_active")
    def active(self, user: User) -> SafeString:
        """Whether the user may sign in."""
        return shown.badge("Yes", "ok") if user.is_active else shown.badge("No", "bad")

    @admin.display(description="Last seen", ordering="last_login")
    def last_seen(self, user: User) -> str:
        """When the user last signed in."""
        return shown.distance(user.last_login) if user.last_login else "never"

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only the permissions that mean something here."""
        if db_field.name == "user_permissions":
            kwargs["queryset"] = _grantable()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only a superuser makes others more than they are."""
        fixed = super().get_readonly_fields(request, obj)
        if cast("User", request.user).is_superuser:
            return fixed
        return (*fixed, "is_staff", "is_superuser", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who could set a superuser's password would be one."""
        allowed = super().has_change_permission(request, obj)
        return allowed and not _above(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for changes."""
        return super().has_delete_permission(request, obj) and not _above(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """The list's actions reach what is in it: no superusers for others."""
        users = cast("QuerySet[User]", super().get_queryset(request))
        return users if cast("User", request.user).is_superuser else users.filter(is_superuser=False)

    def save_model(self, request: HttpRequest, obj: Any, form: Form, change: Any) -> None:
        """Into the audit log with it."""
        super().save_model(request, obj, form, change)
        fields = ["password" if name.startswith("password") else name for name in form.changed_data]
        audit.record("operator.changed" if change else "operator.created", obj, fields)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Into the audit log with it."""
        audit.record("operator.deleted", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Into the audit log with each."""
        for user in queryset:
            audit.record("operator.deleted", user)
        super().delete_queryset(request, queryset)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Into the audit log with it."""
        answer = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302:
            audit.record("operator.changed", User.objects.get(pk=id), ["password"])
        return answer


def _above(request: HttpRequest, user: User | None) -> bool:
    return user is not None and user.is_superuser and not cast("User", request.user).is_superuser


def _grantable() -> QuerySet[Permission]:
    wanted = Permission.objects.none()
    for app, models in _GRANTABLE.items():
        wanted |= Permission.objects.filter(content_type__app_label=app, content_type__model__in=models)
    return wanted.select_related("content_type")


class ReadOnly(ModelAdmin):
    """Rows that the console shows and never changes."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


@admin.register(AuditEntry)
class AuditAdmin(ReadOnly):
    """Who changed what: names of fields, never values."""

    list_display = ("when", "actor", "action", "target", "changed")
    list_display_links = None
    list_filter: ClassVar[list[Any]] = ["action"]
    search_fields = ("actor", "action", "target")
    search_help_text = "Search who, what or which"
    ordering = ("-id",)
    list_per_page = 50
    actions = None

    @admin.display(description="Time (UTC)", ordering="at")
    def when(self, entry: AuditEntry) -> str:
        """When it was done."""
        return shown.moment(entry.at)

    @admin.display(description="Changed fields")
    def changed(self, entry: AuditEntry) -> str:
        """Names of the fields."""
        names = format_html_join(" ", '<code class="q-code">{}</code>', ((name,) for name in entry.fields))
        return names or shown.NOTHING
