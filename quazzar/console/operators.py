"""Operators, who may open the console: superusers manage them, and the audit log records every change."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from unfold.forms import AdminPasswordChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from quazzar.access import audit
from quazzar.console import shown
from quazzar.console.unfolded import ModelMultipleChoiceField, UserAdmin, UserChangeForm

#: Permissions that staff who are not superusers can be given, and what the console calls them.
GRANTS = {
    "mailrelay.view_relaysettings": "Mail Relay: see the settings",
    "mailrelay.change_relaysettings": "Mail Relay: change and test the settings, install a licence",
    "mailrelay.view_message": "Queue: see messages",
    "mailrelay.change_message": "Queue: retry messages",
    "mailrelay.delete_message": "Queue: delete messages",
    "quazzar.view_apikey": "API keys: see their own",
    "quazzar.add_apikey": "API keys: create their own",
    "quazzar.change_apikey": "API keys: revoke their own",
    "quazzar.view_auditentry": "Audit log: see entries",
}

#: Field of Django's user → label and help in the console's words.
_WORDS = {
    "is_active": ("May sign in", "Turn this off to lock an operator out without deleting them."),
    "is_staff": ("May open the console", "Without it a user can use neither the console nor the API."),
    "is_superuser": ("Superuser", "May do everything, and manages operators."),
}

# Operators are few: permissions are given one by one.
admin.site.unregister(Group)
admin.site.unregister(User)


class GrantsField(ModelMultipleChoiceField):
    """The permissions that this console uses, in its own words."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def label_from_instance(self, obj: Any) -> str:
        """What the permission allows, in the console's words."""
        return GRANTS[_name(obj)]


class OperatorForm(UserChangeForm):
    """A user, with the permissions as checkboxes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _WORDS.keys() & self.fields.keys():
            self.fields[name].label, self.fields[name].help_text = _WORDS[name]
        if "user_permissions" in self.fields:
            self.fields["user_permissions"] = GrantsField(
                queryset=grantable(),
                required=False,
                label="Staff may",
                help_text="A superuser may do all of this without being given it.",
                initial=self.initial.get("user_permissions"),
            )


@admin.register(User)
class OperatorAdmin(UserAdmin):
    """Who may sign in."""

    form = OperatorForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "role", "last_seen", "active")
    list_filter = ()
    filter_horizontal = ()
    search_help_text = "Search name or address"
    readonly_fields = ("last_seen", "joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "user_permissions")}),
        ("Dates", {"fields": ("last_seen", "joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "usable_password", "password1", "password2")}),)

    # --- who may: superusers alone, because staff who could change an operator could become one

    def has_module_permission(self, request: HttpRequest) -> bool:
        return cast("User", request.user).is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers, but nobody deletes themselves."""
        return self.has_module_permission(request) and obj != request.user

    # --- columns

    @admin.display(description="Role", ordering="is_superuser")
    def role(self, user: User) -> str:
        """Superuser, staff, or neither."""
        if user.is_superuser:
            return shown.badge("Superuser", "busy")
        return shown.badge("Staff", "ok") if user.is_staff else shown.badge("No console", "off")

    @admin.display(description="May sign in", ordering="is_active")
    def active(self, user: User) -> str:
        return shown.badge("Yes", "ok") if user.is_active else shown.badge("No", "bad")

    @admin.display(description="Last signed in", ordering="last_login")
    def last_seen(self, user: User) -> str:
        return shown.distance(user.last_login) if user.last_login else "never"

    @admin.display(description="Added", ordering="date_joined")
    def joined(self, user: User) -> str:
        return shown.moment(user.date_joined)

    # --- changes

    def save_model(self, request: HttpRequest, obj: Any, form: Form, change: Any) -> None:
        """Save, and record the changed fields in the audit log."""
        super().save_model(request, obj, form, change)
        fields = {"password" if "password" in name else name for name in form.changed_data}
        audit.record("operator.changed" if change else "operator.created", obj, fields)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete, and record it in the audit log."""
        audit.record("operator.deleted", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete all but the one who is signed in, and record each in the audit log."""
        others = queryset.exclude(pk=request.user.pk)
        for user in others:
            audit.record("operator.deleted", user)
        super().delete_queryset(request, others)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Change the password, and record that in the audit log."""
        answer = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302:
            audit.record("operator.changed", User.objects.get(pk=id), ["password"])
        return answer


def grantable() -> QuerySet[Permission]:
    """The permissions of ``GRANTS``."""
    granted = Q(pk=None)
    for name in GRANTS:
        app, codename = name.split(".")
        granted |= Q(content_type__app_label=app, codename=codename)
    permissions = Permission.objects.filter(granted).select_related("content_type")
    return permissions.order_by("content_type__app_label", "content_type__model", "pk")


def _name(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"
