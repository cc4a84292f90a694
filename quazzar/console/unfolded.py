"""django-unfold's classes for mypy: they have no type hints, so it sees the Django classes they extend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from django.contrib import admin
    from django.contrib.auth import admin as auth_admin
    from django.contrib.auth import forms as auth_forms
    from django.contrib.auth.models import User
    from django.forms import ModelMultipleChoiceField as _Choices

    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
    UserAdmin: TypeAlias = auth_admin.UserAdmin[User]
    UserChangeForm: TypeAlias = auth_forms.UserChangeForm[User]
    ModelMultipleChoiceField: TypeAlias = _Choices[Any]
else:
    from django.contrib.auth.admin import UserAdmin as _UserAdmin
    from django.forms import ModelMultipleChoiceField
    from unfold.admin import ModelAdmin
    from unfold.forms import UserChangeForm

    class UserAdmin(_UserAdmin, ModelAdmin):
        """Django's user admin in unfold's look."""


__all__ = ["ModelAdmin", "ModelMultipleChoiceField", "UserAdmin", "UserChangeForm"]
