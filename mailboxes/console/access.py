"""Who may see and change what in the Mailboxes tab; and what HTMX gets where the page itself would change."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from quazzar.console import gate
from quazzar.plans import entitlements

View = Callable[..., HttpResponseBase]
Allowed = Callable[[Any], bool]


def may(*codenames: str) -> Allowed:
    """Whether a user has one of these permissions."""
    names = [f"mailboxes.{codename}" for codename in codenames]
    return lambda user: any(map(user.has_perm, names))


see_server = may("view_stack", "change_stack")
change_server = may("change_stack")
see_mailboxes = may("view_mailbox", "change_mailbox")
add_mailboxes = may("add_mailbox")
change_mailboxes = may("change_mailbox")
delete_mailboxes = may("delete_mailbox")
see_domains = may("view_domain", "change_domain")
see_aliases = may("view_alias", "change_alias")
see_tab = may("view_stack", "change_stack", "view_mailbox", "change_mailbox")


def page(allowed: Allowed) -> Callable[[View], View]:
    """A page or a part of one: signed in, then the permission, then the plan."""

    def decorate(view: View) -> View:
        gated = gate.page(allowed)(view)

        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return _refusal(request, allowed) or gated(request, *args, **kwargs)

        return answer

    return decorate


def change(allowed: Allowed) -> Callable[[View], View]:
    """Like ``page``, and only a POST gets through. Who reads the address is led to the tab."""

    def decorate(view: View) -> View:
        @wraps(view)
        def posted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method != "POST":
                return redirect("admin:mail_boxes")
            return view(request, *args, **kwargs)

        return page(allowed)(posted)

    return decorate


def by_htmx(request: HttpRequest) -> bool:
    """Whether a part of the page is asked for, and not the page."""
    return "HX-Request" in request.headers


def _refusal(request: HttpRequest, allowed: Allowed) -> HttpResponse | None:
    """For HTMX, which would put a sign-in form or a lock card into a corner of the page: load the page anew."""
    if not by_htmx(request):
        return None
    status = 0
    if not admin.site.has_permission(request):
        status = 401
    elif not allowed(request.user):
        status = 403
    elif not entitlements.has(gate.FEATURE):
        status = 402
    return HttpResponse(status=status, headers={"HX-Refresh": "true"}) if status else None
