"""Passkeys in the console: added and removed on the account page, used after or instead of the password."""

from __future__ import annotations

import json
from typing import cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from quazzar.access import audit
from quazzar.access.secondfactor import factors, passkeys, pending, policy
from quazzar.console import forms as shared
from quazzar.console import pages, site
from quazzar.console.account import app, fresh, secondstep
from quazzar.errors import QuazzarError
from quazzar.models import Passkey
from quazzar.names import validate_name

# --- the operator's own


class PasskeyForm(forms.Form):
    """A name for the passkey, and what the browser made."""

    name = forms.CharField(
        max_length=60,
        required=False,
        validators=[validate_name],
        widget=forms.TextInput(attrs={**shared.VERBATIM, "autofocus": True}),
    )
    response = forms.CharField(required=False, widget=forms.HiddenInput)
    state = forms.CharField(required=False, widget=forms.HiddenInput)


@fresh.page
def add(request: HttpRequest) -> HttpResponse:
    """Show the form, whose button asks the browser for a passkey, or store what it made."""
    return _add(request, "account/passkey.html")


def needed(request: HttpRequest) -> HttpResponse:
    """The same page for operators who have to set up a second factor before anything else."""
    if not policy.is_due(request):
        return redirect("admin:index")
    return _add(request, "account/passkey_needed.html")


def _add(request: HttpRequest, template: str) -> HttpResponse:
    user, host = cast("User", request.user), passkeys.host_of(request)
    form = PasskeyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        had = factors.has_any(user)
        given = form.cleaned_data
        try:
            row = passkeys.register(user, host, given["name"], given["response"], given["state"])
        except QuazzarError as exc:
            form.add_error(None, pages.sentence(exc))
        else:
            audit.record("operator.second_factor_added", f"{user.get_username()}: passkey {row.name}")
            return app.added(request, user, had=had)
    context = {
        **admin.site.each_context(request),
        "title": "Add a passkey",
        "form": form,
        "works": passkeys.works_at(host),
        "host": host,
        "ceremony": json.dumps(passkeys.begin(user, host)),
    }
    return render(request, template, context)


@fresh.page
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for confirmation, then remove the passkey."""
    row = get_object_or_404(Passkey, pk=pk, user=cast("User", request.user))
    if request.method == "POST":
        audit.record("operator.second_factor_removed", f"{row.user.get_username()}: passkey {row.name}")
        row.delete()
        messages.success(request, f"Passkey “{row.name}” removed.")
        return redirect("admin:account")
    context = {
        **admin.site.each_context(request),
        "title": f"Remove the passkey “{row.name}”?",
        "text": "It stops working here immediately. Delete it on the device or in the password manager as well.",
        "button": "Remove the passkey",
    }
    return render(request, "account/confirm.html", context)


# --- signing in


@require_GET
@never_cache
def options(request: HttpRequest) -> JsonResponse:
    """What the browser needs to show a passkey: in the second step one of the operator's, else any."""
    user = pending.user_of(request) if "step" in request.GET else None
    return JsonResponse(passkeys.ask(passkeys.host_of(request), user))


@require_POST
@never_cache
@sensitive_post_parameters("response", "state")
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in with a passkey: as second step, or in place of name and password."""
    user = pending.user_of(request) if "step" in request.GET else None
    if user is not None and secondstep.is_locked(request, user):
        return HttpResponse(status=429)
    try:
        row = passkeys.check(
            passkeys.host_of(request), request.POST.get("response", ""), request.POST.get("state", ""), user
        )
    except QuazzarError as exc:
        if user is not None:
            secondstep.failed(request, user)
        messages.error(request, pages.sentence(exc))
        return redirect("admin:second_step" if user else "admin:login")
    if not row.user.is_staff:
        messages.error(request, f"{row.user.get_username()} can't open the console.")
        return redirect("admin:login")
    return secondstep.enter(request, row.user)


site.PAGES += [
    path("account/passkeys/add/", add, name="account_passkey_add"),
    path("account/passkeys/<int:pk>/remove/", remove, name="account_passkey_remove"),
    path("passkey-needed/", admin.site.admin_view(needed), name="passkey_needed"),
    path("passkey/options/", options, name="passkey_options"),
    path("passkey/", sign_in, name="passkey_sign_in"),
]
