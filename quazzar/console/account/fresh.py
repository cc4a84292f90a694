"""Pages that change how an operator signs in ask for the password again, unless the sign-in was recent."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters

from quazzar.access import reproof
from quazzar.console import forms as shared
from quazzar.console import gate, site
from quazzar.rights import OWN_ACCOUNT

View = Callable[..., HttpResponseBase]

PAGE = "admin:account_password_again"


def page(view: View) -> View:
    """Guard a page of the operator's own account.

    A form that is sent too late has to be sent again, after the password.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if reproof.is_fresh(request):
            return view(request, *args, **kwargs)
        return redirect(f"{reverse(PAGE)}?{urlencode({'next': request.path})}")

    return gate.page(OWN_ACCOUNT, any_plan=True)(guarded)


class PasswordAgainForm(forms.Form):
    """The operator's password."""

    password = forms.CharField(
        strip=False,
        error_messages={"required": "Enter your password."},
        widget=forms.PasswordInput(
            attrs={**shared.INPUT, "autocomplete": "current-password", "autofocus": True}
        ),
    )


@gate.page(OWN_ACCOUNT, any_plan=True)
@sensitive_post_parameters("password")
def password_again(request: HttpRequest) -> HttpResponse:
    """Ask for the password, then continue to the page that needs it."""
    to = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(to, None):
        to = reverse("admin:account")
    form = PasswordAgainForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if reproof.prove(request, form.cleaned_data["password"]):
            return redirect(to)
        form.add_error("password", "This is not your password.")
    context = {**admin.site.each_context(request), "title": "Confirm that it's you", "form": form}
    return render(request, "account/password_again.html", context)


site.PAGES.append(path("account/password-again/", password_again, name="account_password_again"))
