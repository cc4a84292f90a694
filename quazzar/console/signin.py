"""The console's sign-in form and the change of one's own password: what Django's do not put into the audit log."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path
from unfold.forms import AuthenticationForm

from quazzar.access import audit, signins
from quazzar.console import site


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


site.PAGES += [path("password_change/", admin.site.admin_view(password_change), name="password_change")]
