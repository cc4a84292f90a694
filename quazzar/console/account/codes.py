"""Recovery codes: made again, and shown once."""

from __future__ import annotations

from typing import cast
from urllib.parse import quote

from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.debug import sensitive_variables

from quazzar.access import audit
from quazzar.access.secondfactor import factors, recovery
from quazzar.console import site
from quazzar.console.account import fresh


@fresh.page
def renew(request: HttpRequest) -> HttpResponse:
    """Ask for confirmation, then replace the codes."""
    user = cast("User", request.user)
    if not factors.has_any(user):
        return redirect("admin:account")
    if request.method == "POST":
        return show_new(request, user)
    context = {
        **admin.site.each_context(request),
        "title": "Make new recovery codes?",
        "text": "The old ones stop working. The new ones are shown only once, so have a safe place ready for them.",
        "button": "Make new codes",
    }
    return render(request, "account/confirm.html", context)


@sensitive_variables()
def show_new(request: HttpRequest, user: User) -> HttpResponse:
    """Make codes and show them in this response: a redirect would have to store them."""
    made = recovery.make(user)
    audit.record("operator.recovery_codes_made", user)
    lines = [f"Quazzar recovery codes of {user.get_username()} at {request.get_host()}", *made]
    context = {
        **admin.site.each_context(request),
        "title": "Your recovery codes",
        "codes": made,
        "file": "data:text/plain;charset=utf-8," + quote("\r\n".join([*lines, ""])),
    }
    return render(request, "account/codes.html", context)


site.PAGES.append(path("account/codes/", renew, name="account_codes"))
