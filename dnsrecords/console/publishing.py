"""The card on the DNS tab that publishes a domain's records automatically, at a name server of yours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path

from dnsrecords.console import access
from dnsrecords.publishing.publish import for_domain, publish, remove, set_up
from dnsrecords.publishing.rules import ALGORITHMS
from mailboxes.models import Domain
from quazzar.console.forms import number
from quazzar.console.pages import sentence
from quazzar.errors import InvalidFields, QuazzarError

if TYPE_CHECKING:
    from dnsrecords.publishing.plan import Plan

_FIELDS = ("server", "zone", "key_name", "algorithm", "secret")


def context(row: Domain) -> dict[str, Any]:
    """The domain's name server key, what its form shows, and the algorithms to choose from, for
    ``dnsrecords/_publishing.html``."""
    publisher = for_domain(row)
    return {"publisher": publisher, "entered": publisher, "refused": {}, "algorithms": ALGORITHMS}


def save(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Save the name server; returns what the form shows if that is refused, with everything but the secret."""
    values: dict[str, Any] = {name: request.POST.get(name, "") for name in _FIELDS}
    port = request.POST.get("port", "")
    try:
        set_up(pk, {**values, "port": number(port)})
    except InvalidFields as exc:
        return {"entered": {**values, "port": port, "secret": ""}, "refused": exc.fields}
    return {}


@access.change
def publish_now(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring the zone up to date now."""
    return published(request, pk)


def published(request: HttpRequest, pk: int) -> HttpResponse:
    """Publish the domain's records, and say what was done on its page."""
    row = get_object_or_404(Domain, pk=pk)
    try:
        plan = publish(row, replace="replace" in request.POST)
    except QuazzarError as exc:
        messages.error(request, sentence(exc))
    else:
        messages.success(request, _summary(plan))
        for conflict in plan.conflicts:
            messages.warning(request, conflict.message)
    return redirect("admin:dns_domain", pk)


@access.change
def remove_publisher(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove the name server; what is published stays published."""
    try:
        remove(pk)
    except QuazzarError as exc:
        messages.error(request, sentence(exc))
    else:
        messages.success(request, "Name server removed. Published records stay published.")
    return redirect("admin:dns_domain", pk)


def _summary(plan: Plan) -> str:
    if not plan.changes:
        return "The zone needed no change."
    return f"Published: {len(plan.added)} added, {len(plan.removed)} removed, {plan.unchanged} unchanged."


_BASE = "mail-relay/dns/<int:pk>/"
urlpatterns = [
    path(f"{_BASE}publish/", publish_now, name="dns_publish"),
    path(f"{_BASE}publisher/remove/", remove_publisher, name="dns_publisher_remove"),
]
