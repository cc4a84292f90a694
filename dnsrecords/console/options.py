"""The card of a domain's options on the DNS tab: the mode of its MTA-STS policy, and the names to serve."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path

from dnsrecords.console import access
from dnsrecords.mtasts import policy
from dnsrecords.records import options
from mailboxes.models import Domain
from quazzar.console.pages import sentence
from quazzar.errors import QuazzarError

_MODES = (
    (
        options.Mode.TESTING,
        "Testing",
        "Other servers deliver as before, and report mail that they could not have delivered securely.",
    ),
    (
        options.Mode.ENFORCE,
        "Enforce",
        "Servers that support MTA-STS deliver over verified TLS or not at all. The mail server must "
        "always have a certificate that they trust, because they remember the policy for a week.",
    ),
    (
        options.Mode.OFF,
        "Off",
        "No policy and no records. Servers that fetched an enforced policy follow it for a week, so "
        "choose Testing for a week first.",
    ),
)


def context(row: Domain) -> dict[str, Any]:
    """The domain's MTA-STS mode, the choices, and the public names, for ``dnsrecords/_options.html``."""
    chosen = options.for_domain(row).mta_sts
    return {
        "modes": [
            {"value": value.value, "name": name, "help": text, "chosen": value == chosen}
            for value, name, text in _MODES
        ],
        "mta_sts": chosen,
        "policy_url": policy.url(row.name),
        "public_names": [f"{label}.{row.name}" for label in ("mta-sts", "autoconfig", "autodiscover")],
        "options_warning": options.warning(row),
    }


@access.change
def save(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the mode of the MTA-STS policy."""
    try:
        options.change(pk, mta_sts=request.POST.get("mta_sts", ""))
    except QuazzarError as exc:
        messages.error(request, sentence(exc))
    else:
        messages.success(request, "Saved. Below are the records to publish for it.")
    return redirect("admin:dns_domain", pk)


urlpatterns = [path("mail-relay/dns/<int:pk>/options/", save, name="dns_options")]
