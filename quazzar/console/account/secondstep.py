"""The second step of signing in: a code of the authenticator app, or a recovery code."""

from __future__ import annotations

from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirectBase
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from quazzar import words
from quazzar.access import audit
from quazzar.access.secondfactor import attempts, factors, passkeys, pending, recovery
from quazzar.console import forms as shared
from quazzar.console import site

BACKEND = "django.contrib.auth.backends.ModelBackend"
_WRONG = "This code is wrong, or it was used before. Wait for the next one and try again."
_RESTING = (
    f"Too many wrong codes for this name. Wait {words.span(attempts.REST)} and try again, or use a passkey."
)


class CodeForm(forms.Form):
    """Six digits, or a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=60,
        error_messages={"required": "Enter the code."},
        widget=forms.TextInput(
            attrs={
                **shared.INPUT,
                "autocomplete": "one-time-code",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )


@sensitive_post_parameters("code")
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """Ask for the code, and sign in if it is right. Without a correct password before, go back to the first step."""
    user = pending.user_of(request)
    if user is None:
        return redirect("admin:login")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if is_locked(request, user):
            return HttpResponse(status=429)  # the middleware of django-axes puts the page there
        given = factors.answer(user, form.cleaned_data["code"])
        if given.right:
            return enter(request, user, by_recovery=given.by_recovery)
        form.add_error("code", _RESTING if given.resting else _WRONG)
        failed(request, user)
    context = {
        **admin.site.each_context(request),
        "title": "Second step",
        "form": form,
        "held": (held := factors.of(user)),
        "here": held.passkeys_for(passkeys.host_of(request)),
        "name": user.get_username(),
    }
    return render(request, "account/second_step.html", context)


def is_locked(request: HttpRequest, user: User) -> bool:
    """Whether failures from this address have locked the name, or the address."""
    if AxesProxyHandler.is_allowed(request, {"username": user.get_username()}):
        return False
    request.axes_locked_out = True  # type: ignore[attr-defined]
    return True


def failed(request: HttpRequest, user: User) -> None:
    """Count a wrong second factor as a failed sign-in."""
    credentials = {"username": user.get_username(), "second_factor": "wrong"}
    user_login_failed.send(sender=__name__, credentials=credentials, request=request)


def enter(request: HttpRequest, user: User, *, by_recovery: bool = False) -> HttpResponseRedirectBase:
    """Sign in, and go to the page that was wanted at first."""
    to = pending.end(request)
    login(request, user, BACKEND)
    if by_recovery:
        audit.record("operator.recovery_code_used", user)
        left = words.count(recovery.left(user), "recovery code")
        messages.warning(request, f"You signed in with a recovery code. You have {left} left.")
    return redirect(to or "admin:index")


site.PAGES.append(path("second-step/", page, name="second_step"))
