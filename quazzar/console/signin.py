"""Signing in: the form, changing one's password, and the steps that come before anything else.

Records in the audit log what Django's own pages do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import REDIRECT_FIELD_NAME, update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from unfold.forms import AuthenticationForm

from quazzar.access import audit, firstpassword, signins
from quazzar.access.secondfactor import factors, pending, policy
from quazzar.console import gate, site
from quazzar.console.forms import MISMATCH, ask, wear

PAGE = "admin:first_sign_in"
#: The console's pages that are always open.
_OPEN = ["admin:login", "admin:logout", "admin:second_step", "admin:passkey_options", "admin:passkey_sign_in"]
#: What has to be done before anything else, in this order: whether it is due, the page that does it, and further pages
#: that are open until it is done.
DUTIES: list[tuple[Callable[[HttpRequest], bool], str, list[str]]] = [
    (firstpassword.is_due, PAGE, []),
    (policy.is_due, "admin:second_factor_needed", ["admin:passkey_needed"]),
]


class SignInForm(AuthenticationForm):  # type: ignore[misc]  # untyped
    """Name and password. The right password of a user who may not open the console is a failure as well."""

    error_messages: ClassVar = {
        **AuthenticationForm.error_messages,
        "invalid_login": "Wrong sign-in name or password.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ask(self)
        self.fields["username"].error_messages["required"] = "Enter your sign-in name."
        if self.is_bound:  # the name stays, and the password has to be typed again
            self.fields["username"].widget.attrs.pop("autofocus", None)
            self.fields["password"].widget.attrs["autofocus"] = True

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


class SignIn(LoginView):
    """The page with the form. Operators with a second factor are signed in only after that step."""

    authentication_form = SignInForm
    template_name = "admin/login.html"

    def form_valid(self, form: Any) -> HttpResponse:
        """Sign in, or ask for the second factor."""
        user = form.get_user()
        if not factors.has_any(user):
            return super().form_valid(form)
        pending.begin(self.request, user, self.get_success_url())
        return redirect("admin:second_step")


def sign_in(request: HttpRequest) -> HttpResponseBase:
    """The page, or the console for somebody who is signed in."""
    if request.method == "GET" and admin.site.has_permission(request):
        return redirect("admin:index")
    context = {
        **admin.site.each_context(request),
        "title": "Sign in",
        "subtitle": None,
        "app_path": request.get_full_path(),
        "username": request.user.get_username(),
    }
    if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
        context[REDIRECT_FIELD_NAME] = reverse("admin:index")
    return SignIn.as_view(extra_context=context)(request)


class OwnPasswordForm(PasswordChangeForm):
    """The present password, and a new one."""

    error_messages = {**PasswordChangeForm.error_messages, **MISMATCH}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wear(self)


class PasswordChange(PasswordChangeView):
    """Django's own page; the change is recorded in the audit log."""

    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:account")
    title = "Change password"

    def form_valid(self, form: Any) -> HttpResponse:
        """Save, and go back to the account."""
        answer = super().form_valid(form)
        audit.record("operator.changed", self.request.user, ["password"])
        messages.success(self.request, "Password changed. You are signed out everywhere else.")
        return answer


def password_change(request: HttpRequest) -> HttpResponseBase:
    """The page, in the console's frame."""
    return PasswordChange.as_view(extra_context=admin.site.each_context(request))(request)


class FirstSignInForm(SetPasswordForm):  # type: ignore[type-arg]  # not generic at run time
    """A new password, and the operator's address."""

    email = forms.EmailField(
        widget=forms.EmailInput(attrs={"class": "q-input", "autocomplete": "email"}),
        help_text="Other operators see it, and test mails are sent to it by default.",
    )

    error_messages = {**SetPasswordForm.error_messages, **MISMATCH}

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(user, data, initial={"email": user.email})
        ask(self)
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
    """Redirects every page of the console to a step that has to be done first. The API refuses on its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        to = _due(request) if request.path.startswith("/admin/") else ""
        return _lead(request, to) if to else self.get_response(request)


def _due(request: HttpRequest) -> str:
    """The page that has to come before this one; empty if there is none."""
    for is_due, page_of_it, others in DUTIES:
        if is_due(request):
            return "" if request.path in map(reverse, (page_of_it, *_OPEN, *others)) else page_of_it
    return ""


def _lead(request: HttpRequest, to: str) -> HttpResponse:
    if gate.by_htmx(request):
        return HttpResponse(status=403, headers={"HX-Redirect": reverse(to)})
    return redirect(to)


site.PAGES += [
    path("login/", sign_in, name="login"),
    path("password_change/", admin.site.admin_view(password_change), name="password_change"),
    path("first-sign-in/", admin.site.admin_view(page), name="first_sign_in"),
]
