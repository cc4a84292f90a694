"""Who may see Mail Relay in the console: signed-in staff with the permission, on a plan that holds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from quazzar.console import upgrade
from quazzar.plans import entitlements

FEATURE = "orbit_mail"

View = Callable[..., HttpResponseBase]


def may_view(user: Any) -> bool:
    """Whether the user may see the relay settings."""
    return user.has_perm("mailrelay.view_relaysettings") or may_change(user)


def may_change(user: Any) -> bool:
    """Whether the user may change the relay settings, test them, and install a licence."""
    return cast("User", user).has_perm("mailrelay.change_relaysettings")


def page(allowed: Callable[[Any], bool], *, any_plan: bool = False) -> Callable[[View], View]:
    """A page of Mail Relay: signed in, then the permission, then the plan."""

    def decorate(view: View) -> View:
        @wraps(view)
        def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not allowed(request.user):
                raise PermissionDenied
            return (None if any_plan else locked(request)) or view(request, *args, **kwargs)

        return never_cache(admin.site.admin_view(gated))

    return decorate


def post_only(view: View) -> View:
    """Changes something, so only a POST gets through. Who reads the address is led to the page."""

    @wraps(view)
    def posted(request: HttpRequest) -> HttpResponseBase:
        return view(request) if request.method == "POST" else redirect("admin:mail_relay")

    return posted


def fragment(view: View) -> View:
    """A part that a page fetches again and again. Where the page itself would change, it is loaded anew."""

    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponseBase:
        shut = not admin.site.has_permission(request) or not may_view(request.user)
        if shut or not entitlements.has(FEATURE):
            return HttpResponse(status=401 if shut else 402, headers={"HX-Refresh": "true"})
        return view(request)

    return never_cache(answer)


def locked(request: HttpRequest) -> HttpResponse | None:
    """The lock card in place of the page, where the plan is too low; None where it is not."""
    if entitlements.has(FEATURE):
        return None
    return lock_card(request)


def lock_card(request: HttpRequest, refusal: upgrade.Refusal | None = None) -> HttpResponse:
    """The page with the lock card and the upgrade dialog."""
    context = {
        **admin.site.each_context(request),
        "title": "Mail Relay",
        "wall": entitlements.upgrade_required_body(FEATURE),
        "may_upgrade": may_change(request.user),
        **upgrade.dialog(request, FEATURE, refusal),
    }
    status = 402 if request.method not in ("GET", "HEAD") and refusal is None else 200
    return render(request, "mailrelay/locked.html", context, status=status)
