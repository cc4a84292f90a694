"""An operator's sessions, and ending them: the operator's own, and for managers of operators also others'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from quazzar import words
from quazzar.access import agents, audit, roles, sessions
from quazzar.console import gate, site
from quazzar.models import Session
from quazzar.rights import MANAGE_OPERATORS, OWN_ACCOUNT

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Shown:
    """A session as the page shows it."""

    key: str
    device: str
    is_handheld: bool
    address: str
    began_at: datetime
    seen_at: datetime
    is_this: bool


def of(user: User, request: HttpRequest) -> list[Shown]:
    """The user's sessions; that of the request first."""
    rows = [_shown(row, request) for row in sessions.of(user)]
    return sorted(rows, key=lambda row: not row.is_this)


def _shown(row: Session, request: HttpRequest) -> Shown:
    return Shown(
        row.session_key,
        agents.in_words(row.agent),
        agents.is_handheld(row.agent),
        row.address,
        row.created_at,
        row.last_seen_at,
        sessions.is_current(row, request),
    )


@gate.change(OWN_ACCOUNT, "admin:account", any_plan=True)
def end_others(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere else."""
    _end(request, cast("User", request.user), but=request)
    return redirect("admin:account")


@gate.change(OWN_ACCOUNT, "admin:account", any_plan=True)
def end(request: HttpRequest, key: str) -> HttpResponse:
    """End one session: the operator's own, or that of an operator they manage."""
    row = get_object_or_404(Session, session_key=key)
    user = row.user
    if user is None or (user != request.user and not _may(request, user)):
        raise PermissionDenied(roles.refusal(MANAGE_OPERATORS))
    where = agents.in_words(row.agent)
    row.delete()
    audit.record("operator.session_ended", user)
    messages.success(request, f"Signed out: {where}.")
    return redirect("admin:account") if user == request.user else redirect(_page_of(user))


@gate.change(MANAGE_OPERATORS, "admin:auth_user_changelist", any_plan=True)
def end_all(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign an operator out everywhere."""
    user = get_object_or_404(User, pk=pk)
    if not _may(request, user):
        raise PermissionDenied("You can't sign out someone who can do more than you.")
    _end(request, user, but=request if user == request.user else None)
    return redirect(_page_of(user))


@gate.page(OWN_ACCOUNT, any_plan=True)
@require_safe
def signed_in(request: HttpRequest) -> HttpResponse:
    """Say nothing to who is signed in: ``session.js`` asks before it sends a form."""
    return HttpResponse(status=204)


def _end(request: HttpRequest, user: User, *, but: HttpRequest | None) -> None:
    ended = sessions.end_all(user, but=but)
    if not ended:
        messages.info(request, "There were no other sessions.")
        return
    audit.record("operator.signed_out_elsewhere", user)
    messages.success(request, f"{words.count(ended, 'session')} ended.")


def _may(request: HttpRequest, user: User) -> bool:
    return roles.may_manage(cast("User", request.user), user)


def _page_of(user: User) -> str:
    return reverse("admin:auth_user_change", args=[user.pk])


site.PAGES += [
    path("account/signed-in/", signed_in, name="account_signed_in"),
    path("account/sessions/end-others/", end_others, name="account_sessions_end_others"),
    path("account/sessions/<str:key>/end/", end, name="account_session_end"),
    path("auth/user/<int:pk>/sign-out/", end_all, name="operator_sign_out"),
]
