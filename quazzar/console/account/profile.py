"""Your account: who you are here, how you sign in, and where you are signed in."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from quazzar.access import audit, roles
from quazzar.access.secondfactor import factors, policy, recovery
from quazzar.access.secondfactor import passkeys as keys
from quazzar.console import forms as shared
from quazzar.console import gate, site
from quazzar.console.account import app, codes, invitations, passkeys, sessions, welcome  # noqa: F401  (they add pages)
from quazzar.names import validate_name
from quazzar.rights import OWN_ACCOUNT


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """An operator's full name and address."""

    first_name = forms.CharField(
        label="Full name",
        max_length=150,
        required=False,
        validators=[validate_name],
        widget=forms.TextInput(attrs={**shared.INPUT, "autocomplete": "name"}),
    )
    email = forms.EmailField(
        label="Email address",
        required=False,
        widget=forms.EmailInput(attrs={**shared.INPUT, "autocomplete": "email"}),
    )

    class Meta:
        model = User
        fields = ("first_name", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["first_name"] = self.instance.get_full_name()

    def save(self, commit: bool = True) -> User:
        """Save; the whole name is in one field."""
        self.instance.last_name = ""
        user: User = super().save(commit)
        return user


@gate.page(OWN_ACCOUNT, any_plan=True)
def account(request: HttpRequest) -> HttpResponse:
    """Show the page, or save name and address."""
    user = User.objects.get(pk=cast("User", request.user).pk)
    form = ProfileForm(request.POST if request.method == "POST" else None, instance=user)
    if form.is_valid():
        if form.has_changed():
            form.save()
            names = {"first_name": "name", "email": "email"}
            audit.record("operator.changed", user, [names[name] for name in form.changed_data])
        messages.success(request, "Profile saved.")
        return redirect("admin:account")
    context = {
        **admin.site.each_context(request),
        "title": "Your account",
        "form": form,
        "roles": roles.of(user),
        "held": factors.of(user),
        "codes_of": recovery.COUNT,
        "host": keys.host_of(request),
        "required": policy.required(),
        "sessions": sessions.of(user, request),
    }
    return render(request, "account/account.html", context)


site.PAGES.append(path("account/", account, name="account"))
