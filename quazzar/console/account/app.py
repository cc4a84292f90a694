"""An authenticator app as second factor: set up with a QR code and a first code, and removed."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from quazzar import words
from quazzar.access import audit, sessions
from quazzar.access.secondfactor import factors, policy, totp
from quazzar.console import pages, site
from quazzar.console.account import codes, fresh
from quazzar.console.account.secondstep import CodeForm
from quazzar.console.shown import qr_code
from quazzar.errors import QuazzarError

#: Seconds in which the first code has to follow.
_PATIENCE = 3600
_WRONG = "Wrong code. Check your device's clock, and type the code that the app shows now."


@fresh.page
@sensitive_post_parameters("code", "setup")
def set_up(request: HttpRequest) -> HttpResponse:
    """Show the QR code, or check the first code and show recovery codes."""
    return _set_up(request, "account/app.html")


@sensitive_post_parameters("code", "setup")
def needed(request: HttpRequest) -> HttpResponse:
    """The same page for operators who have to set up a second factor before anything else."""
    if not policy.is_due(request):
        return redirect("admin:index")
    return _set_up(request, "account/factor_needed.html")


class SetUpForm(CodeForm):
    """A first code of the app, and the secret that the page showed, signed: nothing is stored before."""

    setup = forms.CharField(widget=forms.HiddenInput)

    def clean_setup(self) -> str:
        """The secret.

        Raises:
            ValidationError: the page did not make it for this operator, or a long time ago.
        """
        try:
            secret: str = signing.loads(self.cleaned_data["setup"], salt=self.salt, max_age=_PATIENCE)
        except signing.BadSignature as exc:
            raise forms.ValidationError("This page is too old. Open it again.") from exc
        return secret

    def __init__(self, user: User, data: Any = None) -> None:
        self.salt = f"quazzar.account.app:{user.pk}"
        super().__init__(data)

    def secret(self) -> str:
        """The secret of the submitted form, or a new one, which the form then carries."""
        if self.is_bound and "setup" in getattr(self, "cleaned_data", {}):
            return str(self.cleaned_data["setup"])
        made = totp.new_secret()
        self.initial["setup"] = signing.dumps(made, salt=self.salt)
        return made


@sensitive_variables("secret")
def _set_up(request: HttpRequest, template: str) -> HttpResponse:
    user = cast("User", request.user)
    form = SetUpForm(user, request.POST if request.method == "POST" else None)
    if form.is_valid():
        had = factors.has_any(user)
        try:
            confirmed = totp.confirm(user, form.cleaned_data["setup"], form.cleaned_data["code"])
        except QuazzarError as exc:
            messages.error(request, pages.sentence(exc))
            return redirect("admin:account")
        if confirmed:
            audit.record("operator.second_factor_added", f"{user.get_username()}: authenticator app")
            return added(request, user, had=had)
        form.add_error("code", _WRONG)
    secret = form.secret()
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Set up an authenticator app",
        "form": form,
        "qr": qr_code(totp.uri(user, secret, request.get_host())),
        "secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
    }
    return render(request, template, context)


def added(request: HttpRequest, user: User, *, had: bool) -> HttpResponse:
    """A second factor was added. With the first one come recovery codes."""
    policy.done(request)
    if had:
        messages.success(request, "Second factor added.")
        return redirect("admin:account")
    # They were begun with the password alone, perhaps by someone else.
    if ended := sessions.end_all(user, but=request):
        messages.success(request, f"{words.count(ended, 'other session')} signed out.")
    return codes.show_new(request, user)


@fresh.page
def remove(request: HttpRequest) -> HttpResponse:
    """Ask for confirmation, then remove the app."""
    user = cast("User", request.user)
    if request.method == "POST":
        if totp.remove(user):
            audit.record("operator.second_factor_removed", f"{user.get_username()}: authenticator app")
            messages.success(request, "Authenticator app removed.")
        return redirect("admin:account")
    context = {
        **admin.site.each_context(request),
        "title": "Remove the authenticator app?",
        "text": "Its codes stop working here immediately. Delete the entry in the app as well.",
        "button": "Remove the app",
    }
    return render(request, "account/confirm.html", context)


site.PAGES += [
    path("account/app/", set_up, name="account_app"),
    path("account/app/remove/", remove, name="account_app_remove"),
    path("second-factor-needed/", admin.site.admin_view(needed), name="second_factor_needed"),
]
