"""Operators in the console: who may sign in, and what they may do, by roles or single permissions.

Managers of operators grant only what they have, and cannot change operators who may do more.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Exists, OuterRef, QuerySet
from django.forms import BooleanField, CheckboxInput, CheckboxSelectMultiple, Form, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from unfold.forms import AdminPasswordChangeForm, UserCreationForm

from quazzar.access import audit, roles
from quazzar.access.secondfactor import factors
from quazzar.console import shown
from quazzar.console.account import invitations, sessions
from quazzar.console.forms import wear
from quazzar.console.rows import RightfulAdmin
from quazzar.console.unfolded import ModelMultipleChoiceField, UserAdmin, UserChangeForm
from quazzar.models import Passkey
from quazzar.rights import MANAGE_OPERATORS, PERMISSIONS

#: The fields that decide what an operator may do.
_ACCESS = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")

#: Field of Django's user → label and help in the console's words.
_WORDS = {
    "username": ("Sign-in name", ""),
    "first_name": ("Full name", ""),
    "email": ("Email address", ""),
    "is_active": ("Can sign in", "Turn this off to lock an operator out without deleting them."),
    "is_staff": ("Can open the console", "Without this, the user can use neither the console nor the API."),
    "is_superuser": (
        "Superuser",
        "Can do everything, including what later versions add. The role Owner is enough for daily work.",
    ),
    "password1": ("Password", "At least 10 characters."),
    "password2": ("Repeat it", ""),
}
_LAST_OWNER = "No one would be left to manage operators. Make someone else an owner first."

# Groups are the roles, whose permissions are not edited; users have the page below.
admin.site.unregister(Group)
admin.site.unregister(User)


class RolesField(ModelMultipleChoiceField):
    """The roles that the actor may grant, with the purpose of each."""

    widget = CheckboxSelectMultiple

    def label_from_instance(self, obj: Any) -> str:
        """The role's name, and what it may do."""
        role = next(role for role in roles.ROLES if role.name == obj.name)
        return format_html('<strong>{}</strong> <span class="q-muted">{}</span>', role.name, role.words)


class PermissionsField(ModelMultipleChoiceField):
    """The permissions that the actor may grant, in the console's words."""

    widget = CheckboxSelectMultiple

    def label_from_instance(self, obj: Any) -> str:
        """Return what the permission allows, as a sentence begins."""
        words = PERMISSIONS[f"{obj.content_type.app_label}.{obj.codename}"]
        return words[:1].upper() + words[1:]


class _AccessFields(ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Fields of a user in the console's words; what the actor cannot give is not offered, and stays as it is."""

    actor: User

    def offer(self) -> None:
        for name in _WORDS.keys() & self.fields.keys():
            field = self.fields[name]
            field.label, field.help_text = _WORDS[name]
            if isinstance(field, BooleanField):
                field.widget = CheckboxInput({"class": "q-switch", "role": "switch"})
        wear(self)
        if "first_name" in self.fields:
            self.initial["first_name"] = self.instance.get_full_name()
        if "groups" in self.fields:
            names = [role.name for role in roles.grantable_roles(self.actor)]
            self.fields["groups"] = RolesField(
                queryset=Group.objects.filter(name__in=names).order_by("pk"),
                required=False,
                label="Roles",
                initial=self.initial.get("groups"),
            )
        if "user_permissions" in self.fields:
            self.fields["user_permissions"] = PermissionsField(
                queryset=roles.permissions(roles.grantable(self.actor)),
                required=False,
                label="Additional permissions",
                help_text="Use these only if no role fits. A superuser can do all of this.",
                initial=self.initial.get("user_permissions"),
            )

    def clean_groups(self) -> Any:
        """The chosen roles, and the groups that were not offered."""
        return self._with_what_stays("groups")

    def clean_user_permissions(self) -> Any:
        """The chosen permissions, and those that were not offered."""
        return self._with_what_stays("user_permissions")

    def _with_what_stays(self, name: str) -> Any:
        chosen, offered = self.cleaned_data[name], cast("Any", self.fields[name]).queryset
        if self.instance.pk is None:
            return chosen
        stored = getattr(self.instance, name)
        kept = stored.exclude(pk__in=[row.pk for row in offered])
        return stored.model._default_manager.filter(pk__in=[row.pk for row in (*chosen, *kept)])


class OperatorForm(_AccessFields, UserChangeForm):
    """The form of an operator who exists already."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django's explanation of how passwords are stored: they are changed by a button of the page.
        self.fields.pop("password", None)
        self.offer()

    def clean(self) -> Any:
        """Refuse to lock the last owner out.

        Raises:
            ValidationError: nobody could manage operators any more.
        """
        cleaned = super().clean()
        given = {**{name: getattr(self.instance, name) for name in _ACCESS[:3]}, **self.cleaned_data}
        names = [group.name for group in given.get("groups", self.instance.groups.all())]
        stays = given["is_active"] and given["is_staff"] and (given["is_superuser"] or roles.OWNER in names)
        if not stays and roles.is_last_owner(self.instance):
            raise ValidationError(_LAST_OWNER)
        return cleaned


class NewOperatorForm(_AccessFields, UserCreationForm):  # type: ignore[misc]  # unfold has no hints
    """A new operator, who can sign in unless that is switched off."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("usable_password", None)
        self.instance.is_staff = True
        self.offer()


class SetPasswordForm(AdminPasswordChangeForm):  # type: ignore[misc]  # unfold has no hints
    """A new password for another operator."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("usable_password", None)
        wear(self)


@admin.register(User)
class OperatorAdmin(UserAdmin, RightfulAdmin):
    """The people who may sign in, and what each may do."""

    about = "People who can sign in, and what each may do."
    see = add = MANAGE_OPERATORS
    form = OperatorForm
    add_form = NewOperatorForm
    change_password_form = SetPasswordForm
    list_display = ("name", "email", "role", "second_factor", "last_seen", "active")
    list_before_template = "account/_operators_head.html"
    change_list_template = "account/operators.html"
    delete_confirmation_template = "account/operator_delete.html"
    change_form_template = add_form_template = "account/operator.html"
    list_filter = ()
    filter_horizontal = ()
    search_help_text = "Search name or address"
    fieldsets = (
        (None, {"fields": ("username", "first_name", "email")}),
        ("Access", {"fields": ("is_active", "is_staff", "groups", "is_superuser")}),
        (None, {"fields": ("user_permissions",), "classes": ("q-folded",)}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "email")}),
        ("Access", {"fields": ("groups",)}),
        ("Password", {"fields": ("password1", "password2")}),
    )

    # --- who may

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user manages operators; Django's own permission to view users is not enough."""
        return MANAGE_OPERATORS(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user manages operators, and this one may not do more than the user."""
        if obj is None:
            return MANAGE_OPERATORS(request.user)
        return roles.may_manage(cast("User", request.user), obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same, but nobody deletes themselves, or the last owner."""
        is_allowed = self.has_change_permission(request, obj) and obj != request.user
        return is_allowed and (obj is None or not roles.is_last_owner(obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only superusers can make superusers, and everyone else cannot change their own access."""
        fixed = tuple(super().get_readonly_fields(request, obj))
        if cast("User", request.user).is_superuser:
            return fixed
        return (*fixed, *(_ACCESS if obj == request.user else ("is_superuser",)))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Every operator is staff: the field is only shown for a Django user who is not."""
        found = super().get_fieldsets(request, obj)
        if obj is None or not obj.is_staff:
            return found
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "is_staff"]})
            for title, options in found
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: Any = False, **kwargs: Any) -> Any:
        """The form, which knows who fills it in."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"actor": request.user})

    # --- columns

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return the operators, with their roles read in one query."""
        has_passkey = Exists(Passkey.objects.filter(user=OuterRef("pk")))
        found = super().get_queryset(request).prefetch_related("groups").select_related("operator")
        return found.annotate(has_passkey=has_passkey)

    @admin.display(description="Name", ordering="username")
    def name(self, user: User) -> str:
        """The name to sign in with, and the full one."""
        full = user.get_full_name()
        return (
            format_html('{} <span class="q-muted">{}</span>', user.username, full) if full else user.username
        )

    @admin.display(description="Second factor")
    def second_factor(self, user: Any) -> str:
        by_app = hasattr(user, "operator") and user.operator.totp_since is not None
        kinds = [kind for kind, held in (("App", by_app), ("Passkey", user.has_passkey)) if held]
        return shown.badge(", ".join(kinds), "ok") if kinds else shown.badge("None", "off")

    @admin.display(description="Role", ordering="is_superuser")
    def role(self, user: User) -> str:
        """Superuser, the names of the roles, or none."""
        if user.is_superuser:
            return shown.badge("Superuser", "busy")
        if not user.is_staff:
            return shown.badge("No console", "off")
        names = ", ".join(group.name for group in user.groups.all())
        return shown.badge(names, "ok") if names else shown.badge("No role", "off")

    @admin.display(description="Can sign in", ordering="is_active")
    def active(self, user: User) -> str:
        if not user.has_usable_password():
            return shown.badge("Invited" if user.last_login is None else "Reset", "wait")
        return shown.badge("Yes", "ok") if user.is_active else shown.badge("No", "bad")

    @admin.display(description="Last signed in", ordering="last_login")
    def last_seen(self, user: User) -> str:
        return shown.distance(user.last_login) if user.last_login else "never"

    # --- pages

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Return the list; above it invitations, and whether all need a second factor."""
        return super().changelist_view(request, {**invitations.head(request), **(extra_context or {})})

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The form for a new operator."""
        return super().add_view(request, form_url, {"title": "Add an operator", **(extra_context or {})})

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """The form, and below it how the operator signs in, and where."""
        user = kwargs.get("obj")
        if user is not None:
            context |= {
                "person": user,
                "held": factors.of(user),
                "sessions": sessions.of(user, request),
                "is_self": user == request.user,
                "may_manage": self.has_change_permission(request, user),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    # --- changes

    def save_model(self, request: HttpRequest, obj: Any, form: Form, change: Any) -> None:
        """Save, and record the changed fields in the audit log."""
        if "first_name" in form.changed_data:
            obj.last_name = ""
        super().save_model(request, obj, form, change)
        changed = {
            "password" if "password" in name else name: (
                _plain(form.initial.get(name)),
                _plain(form.cleaned_data.get(name)),
            )
            for name in form.changed_data
        }
        if changed or not change:
            audit.record("operator.changed" if change else "operator.created", obj, changes=changed)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete, and record it in the audit log."""
        audit.record("operator.deleted", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete all but the one who is signed in, and record each in the audit log."""
        others = queryset.exclude(pk=request.user.pk)
        if roles.are_all_owners(others):
            raise PermissionDenied(_LAST_OWNER)
        for user in others:
            audit.record("operator.deleted", user)
        super().delete_queryset(request, others)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Change the password, and record that in the audit log."""
        answer = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302:
            audit.record("operator.changed", User.objects.get(pk=id), ["password"])
        return answer


def _plain(value: Any) -> Any:
    """A form's value as the audit log shows it: rows by their names."""
    return sorted(map(str, value)) if isinstance(value, list | QuerySet) else value
