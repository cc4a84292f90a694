"""The part of the DNS tab that turns a domain's Ed25519 key on and off."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from dnsrecords.dkim import ed25519 as secondkey
from dnsrecords.records.facts import SECRETS
from mailboxes.console import access
from mailboxes.dkim import ed25519 as dkimsecond
from mailboxes.models import Domain
from quazzar.errors import QuazzarError


@access.change(access.may("change_domain", "add_domain"))
def turn(request: HttpRequest, pk: int) -> HttpResponse:
    """On, or off."""
    domain = get_object_or_404(Domain.objects.defer(*SECRETS), pk=pk)
    try:
        if "off" in request.POST:
            messages.success(request, secondkey.remove(domain).message)
        else:
            dkimsecond.begin(pk)
    except QuazzarError as exc:
        messages.error(request, f"{exc.message} {exc.hint}".strip())
    return redirect("admin:dns_domain", pk)
