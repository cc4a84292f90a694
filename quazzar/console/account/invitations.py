"""Inviting operators: the form, the link to copy, and what is still waiting; and whether all need a second factor."""

from __future__ import annotations

import logging
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.views.decorators.debug import sensitive_variables

from quazzar import words
from quazzar.access import roles
from quazzar.access.joining import invitations, links
from quazzar.access.secondfactor import factors, policy
from quazzar.console import forms as shared
from quazzar.console import gate, pages, site
from quazzar.errors import QuazzarError
from quazzar.models import OneTimeLink
from quazzar.rights import MANAGE_OPERATORS

logger = logging.getLogger(__name__)
LIST = "admin:auth_user_changelist"


class InviteForm(shared.SavingForm):
    """Who is invited, and as what."""

    name = forms.CharField(
        label="Sign-in name",
        max_length=150,
        error_messages={"required": "Enter a sign-in name."},
        widget=forms.TextInput(attrs={**shared.VERBATIM, "autofocus": True}),
    )
    email = forms.EmailField(
        label="Email address",
        required=False,
        widget=forms.EmailInput(attrs={**shared.INPUT, "autocomplete": "off"}),
    )
    role = forms.ChoiceField(widget=forms.RadioSelect, error_messages={"required": "Choose a role."})

    def __init__(self, actor: User, data: Any = None) -> None:
        super().__init__(data)
        offered = [(role.name, role) for role in roles.grantable_roles(actor)]
        cast("forms.ChoiceField", self.fields["role"]).choices = [(name, name) for name, _ in offered]
        self.words = {role.name: role.words for _, role in offered}


@gate.page(MANAGE_OPERATORS, any_plan=True)
def invite(request: HttpRequest) -> HttpResponse:
    """Show the form, or make the invitation and show its link, once."""
    actor = cast("User", request.user)
    form = InviteForm(actor, request.POST if request.method == "POST" else None)
    if request.method == "POST":
        made = form.attempt(
            lambda given: invitations.invite(actor, given["name"], given["email"], given["role"])
        )
        if made:
            return _show(request, *made)
    context = {**admin.site.each_context(request), "title": "Invite an operator", "form": form}
    return render(request, "account/invite.html", context)


@gate.change(MANAGE_OPERATORS, LIST, any_plan=True)
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a new link, and show it, once."""
    return _show(request, *invitations.again(cast("User", request.user), pk))


@gate.change(MANAGE_OPERATORS, LIST, any_plan=True)
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an invitation back."""
    name = invitations.revoke(cast("User", request.user), pk)
    messages.success(request, f"Invitation for {name} revoked. The link no longer works.")
    return redirect(LIST)


@gate.change(MANAGE_OPERATORS, LIST, any_plan=True)
def require_factor(request: HttpRequest) -> HttpResponse:
    """Switch whether everyone needs a second factor; operators who require it must have one themselves."""
    wanted = "required" in request.POST
    if wanted and not factors.has_any(cast("User", request.user)):
        messages.error(request, "Set up your own second factor first.")
        return redirect("admin:account")
    policy.require(wanted)
    said = "Everyone needs a second factor now" if wanted else "A second factor is optional now"
    messages.success(request, f"{said}.")
    return redirect(LIST)


@sensitive_variables("token", "url")
def _show(request: HttpRequest, row: OneTimeLink, token: str) -> HttpResponse:
    url = f"{request.build_absolute_uri(reverse('admin:welcome'))}#{token}"
    context = {
        **admin.site.each_context(request),
        "title": f"Invitation for {row.user.get_username()}",
        "link": row,
        "url": url,
        "hours": words.span(links.LIFE),
        "mailed": _mailed(request, row, url),
    }
    return render(request, "account/invited.html", context)


@sensitive_variables("url", "text")
def _mailed(request: HttpRequest, row: OneTimeLink, url: str) -> str:
    """Queue the link as a mail; returns what to say about that."""
    user = row.user
    if not user.email:
        return "You gave no email address, so hand the link over yourself."
    if any(MANAGE_OPERATORS.permissions[0] in role.permissions for role in roles.of(user)):
        # People who run the relay can read outgoing mail, and could use the link to become an owner.
        return "An owner's link isn't mailed, because mail admins could read it. Hand it over yourself."
    said = {
        "user": user,
        "by": cast("User", request.user),
        "host": request.get_host(),
        "url": url,
        "roles": roles.of(user),
        "hours": words.span(links.LIFE),
    }
    text = render_to_string("account/invitation.txt", said)
    try:
        send_mail(
            f"Invitation to Quazzar on {request.get_host()}", text, settings.DEFAULT_FROM_EMAIL, [user.email]
        )
    except QuazzarError as exc:
        logger.warning("an invitation was not mailed: %s", exc.code)
        return f"Not mailed: {pages.sentence(exc)} Hand the link over yourself."
    return f"A mail to {user.email} is on its way. If it doesn't arrive, hand the link over yourself."


def head(request: HttpRequest) -> dict[str, Any]:
    """The context for the head of the list of operators."""
    return {
        "waiting": [(row, roles.of(row.user)) for row in invitations.waiting()],
        "factor_required": policy.required(),
    }


site.PAGES += [
    path("auth/user/invite/", invite, name="operator_invite"),
    path("auth/user/invitations/<int:pk>/again/", again, name="operator_invite_again"),
    path("auth/user/invitations/<int:pk>/revoke/", revoke, name="operator_invite_revoke"),
    path("auth/user/second-factor/", require_factor, name="operator_require_factor"),
]
