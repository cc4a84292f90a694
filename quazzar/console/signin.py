"""Signing in: the form, one's own password, and the page on which a new operator chooses one before anything else.

What Django's own pages do not put into the audit log is recorded here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from unfold.forms import AuthenticationForm

from quazzar.access import audit, firstpassword, signins
from quazzar.console import gate, site

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = "admin:first_sign_in"
#: The console's pages that are open before.
_OPEN = (PAGE, "admin:login", "admin:logout")


class SignInForm(AuthenticationForm):  # type: ignore[misc]  # untyped
    """Name and password. The right password of somebody who may not open the console is a failure as well."""

    def confirm_login_allowed(self, user: Any) -> None:
        """Let operators in.

        Raises:
            ValidationError: it is no operator.
        """
        try:
            super().confirm_login_allowed(user)
        except ValidationError:
            signins.failed({"username": user.get_username()}, self.request)
            raise


def password_change(request: HttpRequest) -> HttpResponseBase:
    """Django's own page; the change is recorded in the audit log."""
    answer: HttpResponseBase = admin.site.password_change(request)
    if request.method == "POST" and answer.status_code == 302:
        audit.record("operator.changed", request.user, ["password"])
    return answer


class FirstSignInForm(SetPasswordForm):  # type: ignore[type-arg]  # not generic at run time
    """A new password, and the operator's address."""

    email = forms.EmailField(
        widget=forms.EmailInput(attrs={"class": "q-input", "autocomplete": "email"}),
        help_text="Other operators see it; test mails are offered it.",
    )

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(user, data, initial={"email": user.email})
        for name in ("new_password1", "new_password2"):
            self.fields[name].widget.attrs["class"] = "q-input"

    def save(self, commit: bool = True) -> User:
        """Save both, and record that in the audit log."""
        self.user.email = self.cleaned_data["email"]
        user: User = super().save(commit)
        audit.record("operator.changed", user, ["password", "email"])
        return user


@sensitive_post_parameters("new_password1", "new_password2")
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """Show the form, or save what was typed and go on to the console."""
    if not firstpassword.is_due(request):
        return redirect("admin:index")
    form = FirstSignInForm(cast("User", request.user), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        update_session_auth_hash(request, form.save())
        firstpassword.done(request)
        return redirect("admin:index")
    context = {**admin.site.each_context(request), "form": form}
    return render(request, "quazzar/first_sign_in.html", context)


class FirstSignInMiddleware:
    """Leads every page of the console to that page, as long as it is due. The API refuses by itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        in_console = request.path.startswith("/admin/") and request.path not in map(reverse, _OPEN)
        return (
            _lead_there(request)
            if in_console and firstpassword.is_due(request)
            else self.get_response(request)
        )


def _lead_there(request: HttpRequest) -> HttpResponse:
    if gate.by_htmx(request):
        return HttpResponse(status=403, headers={"HX-Redirect": reverse(PAGE)})
    return redirect(PAGE)


site.PAGES += [
    path("password_change/", admin.site.admin_view(password_change), name="password_change"),
    path("first-sign-in/", admin.site.admin_view(page), name="first_sign_in"),
]
