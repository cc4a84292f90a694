"""The page of a one-time link: an invited or reset operator chooses a password and is signed in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import login
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from quazzar.access import roles
from quazzar.access.joining import links
from quazzar.access.secondfactor import factors, pending
from quazzar.console import forms as shared
from quazzar.console import site
from quazzar.console.account.secondstep import BACKEND

_GONE = "This link was used, revoked, or has expired. Ask the person who sent it for a new one."


class WelcomeForm(SetPasswordForm):  # type: ignore[type-arg]  # not generic at run time
    """The operator's first own password; the token comes along."""

    token = forms.CharField(widget=forms.HiddenInput)

    error_messages = {**SetPasswordForm.error_messages, **shared.MISMATCH}

    def __init__(self, user: User, data: Any = None, *, token: str) -> None:
        super().__init__(user, data, initial={"token": token})
        shared.ask(self)
        for name in ("new_password1", "new_password2"):
            self.fields[name].widget.attrs.update(shared.INPUT)
        self.fields["new_password1"].widget.attrs["autofocus"] = True


@sensitive_post_parameters("token", "new_password1", "new_password2")
@sensitive_variables("token")
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """Take the token that the browser sends, then the password.

    A GET does not use up the link: mail scanners open links.
    """
    token = request.POST.get("token", "")
    link = links.find(token) if token else None
    error = _GONE if token and link is None else ""
    form = None
    if link is not None:
        is_chosen = "new_password1" in request.POST
        form = WelcomeForm(link.user, request.POST if is_chosen else None, token=token)
        if is_chosen and form.is_valid():
            if links.use(link, form.cleaned_data["new_password1"]):
                return _enter(request, link.user)
            error, form = _GONE, None
    context = {
        **admin.site.each_context(request),
        "title": "Welcome",
        "form": form,
        "link": link,
        "error": error,
        "roles": roles.of(link.user) if link else [],
    }
    return render(request, "account/welcome.html", context)


def _enter(request: HttpRequest, user: User) -> HttpResponse:
    if factors.has_any(user):
        pending.begin(request, user, "")
        return redirect("admin:second_step")
    request.session.flush()
    login(request, user, BACKEND)
    return redirect("admin:index")


site.PAGES.append(path("welcome/", page, name="welcome"))
