"""Who gets into a page of Mail Relay: signed-in operators with the right to it, on a plan that includes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from quazzar.access import roles, signins
from quazzar.console import upgrade
from quazzar.plans import entitlements
from quazzar.rights import INSTALL_LICENCE, Right

FEATURE = "orbit_mail"

View = Callable[..., HttpResponseBase]


def page(right: Right, *, any_plan: bool = False) -> Callable[[View], View]:
    """Guard a page or a part of one: sign-in first, then the right, then the plan.

    A refused HTMX request gets a status instead of a sign-in form or a lock card, which HTMX would insert into part of
    the page. It also says what the page does then: ``HX-Refresh``, or what ``signed_out`` says.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            require(right, request)
            return (None if any_plan else locked(request)) or view(request, *args, **kwargs)

        guarded = admin.site.admin_view(gated)

        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if by_htmx(request) and (status := _refusal(request, right, any_plan=any_plan)):
                if status == 401:
                    return signed_out()
                if status == 403:
                    signins.refused(request)
                return HttpResponse(status=status, headers={"HX-Refresh": "true"})
            return guarded(request, *args, **kwargs)

        answer.right = right  # type: ignore[attr-defined]  # so that a page can be asked what it needs
        answer.any_plan = any_plan  # type: ignore[attr-defined]
        return never_cache(answer)

    return decorate


def require(right: Right, request: HttpRequest) -> None:
    """Check that the user has the right.

    Raises:
        PermissionDenied: with the sentence that the page shows.
    """
    if not right(request.user):
        raise PermissionDenied(roles.refusal(right))


@contextmanager
def naming(right: Right | None) -> Iterator[None]:
    """Make a refusal by Django's admin, which gives no reason, say which right is missing.

    Raises:
        PermissionDenied: as inside, with a sentence.
    """
    try:
        yield
    except PermissionDenied as exc:
        raise PermissionDenied(str(exc) or (roles.refusal(right) if right else "")) from exc


def change(right: Right, back: str, *, any_plan: bool = False) -> Callable[[View], View]:
    """Like ``page``, for a view that changes something: only a POST reaches it, a GET is redirected to ``back``."""

    def decorate(view: View) -> View:
        @wraps(view)
        def posted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return view(request, *args, **kwargs) if request.method == "POST" else redirect(back)

        return page(right, any_plan=any_plan)(posted)

    return decorate


def by_htmx(request: HttpRequest) -> bool:
    """Whether HTMX asks for a part of the page, not the browser for the whole."""
    return "HX-Request" in request.headers


def signed_out() -> HttpResponse:
    """The answer to an HTMX request of somebody who is no longer signed in.

    ``static/quazzar/session.js`` then shows the sign-in page, or, while something is being typed, a note.
    """
    return HttpResponse(status=401, headers={"HX-Trigger": "console-signed-out"})


def locked(request: HttpRequest) -> HttpResponse | None:
    """The lock card, where the plan does not include Mail Relay; None where it does."""
    if entitlements.has(FEATURE):
        return None
    return lock_card(request)


def lock_card(request: HttpRequest, refusal: upgrade.Refusal | None = None) -> HttpResponse:
    """The page with the lock card and the upgrade dialog; a POST to a locked page gets it with status 402."""
    context = {
        **admin.site.each_context(request),
        "title": "Mail Relay",
        "may_upgrade": INSTALL_LICENCE(request.user),
        **upgrade.dialog(request, FEATURE, refusal),
    }
    status = 402 if request.method not in ("GET", "HEAD") and refusal is None else 200
    return render(request, "quazzar/locked.html", context, status=status)


def _refusal(request: HttpRequest, right: Right, *, any_plan: bool) -> int:
    """The HTTP status with which the request is refused; 0 when it is not."""
    if not admin.site.has_permission(request):
        return 401
    if not right(request.user):
        return 403
    return 0 if any_plan or entitlements.has(FEATURE) else 402
