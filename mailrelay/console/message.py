"""One message: its timeline and recipients, live; retry, cancel, send again, delete."""

from __future__ import annotations

from typing import Any

from django.contrib import messages as toasts
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_safe

from mailrelay import onward
from mailrelay.console import timeline
from mailrelay.console.messages import LIST, cancel, dialog, permissions, remove, retry
from mailrelay.feedback import standing
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import byhand
from quazzar.console import gate
from quazzar.console.forms import AddressesField, SavingForm, address_lines
from quazzar.console.pages import frame, part
from quazzar.errors import InvalidEmail, InvalidFields
from quazzar.rights import DELETE_MESSAGES, FIND_MAIL, READ_MESSAGES, RETRY, SEE_QUEUE, SEND

PAGE = "admin:mailrelay_message_change"
Status = Message.Status


def found(pk: int) -> Message:
    """The message, without its body.

    Raises:
        Http404: it does not exist.
    """
    return get_object_or_404(Message.objects.defer("body"), pk=pk)


@gate.page(SEE_QUEUE)
@require_safe
def message(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the message's timeline, recipients and what can be done; the content is opened on request."""
    row = found(pk)
    context = {**frame(request), **_state(request, row), "title": "Message"}
    return render(request, "mailrelay/message.html", context)


@gate.page(SEE_QUEUE)
@require_safe
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """What changes while it is sent, fetched again every few seconds."""
    return part(request, "mailrelay/_message.html", _state(request, found(pk)))


def _state(request: HttpRequest, row: Message) -> dict[str, Any]:
    relay = RelaySettings.objects.defer("password").filter(pk=1).first() or RelaySettings(pk=1)
    has_body = Message.objects.filter(pk=row.pk, body__isnull=False).exists()
    waits = row.status in Message.PENDING
    feedback = standing.of(row.pk)
    latest = standing.by_recipient(feedback)
    outcomes = [{**one, "feedback": latest.get(one["address"].lower())} for one in row.outcomes()]
    further = onward.of(row) if FIND_MAIL(request.user) else None
    may = permissions(request.user)
    return {
        "row": row,
        "may": may,
        "events": timeline.of(row, relay, feedback, further.steps if further else ()),
        "journey_url": further.url if further else "",
        "outcomes": outcomes,
        "returned": standing.worst([row.pk]),
        "has_body": has_body,
        "can_retry": has_body and (waits or row.status == Status.FAILED),
        "can_cancel": waits,
        "sends_again": has_body and may["send_again"] and _is_refused_recipient(row),
        "moves": waits or row.status == Status.SENDING,
        "origin": timeline.person(row.submitted_by),
    }


def _is_refused_recipient(row: Message) -> bool:
    """Whether trying again would hardly help: it is the address that was refused."""
    return row.status == Status.FAILED and (row.last_error or {}).get("stage") == "recipient"


# --- what can be done


@gate.change(RETRY, LIST)
def retry_it(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the message due now."""
    return retry([found(pk)]).told(request, reverse(PAGE, args=[pk]))


@gate.change(RETRY, LIST)
def cancel_it(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel a message that waits: it is never sent, and stays in the list as cancelled."""
    return cancel([found(pk)]).told(request, reverse(PAGE, args=[pk]))


@gate.page(DELETE_MESSAGES)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask on a GET, delete on a POST."""
    row = found(pk)
    if request.method != "POST":
        return dialog(request, "_message_delete.html", {"row": row})
    toasts.success(request, remove([row]).sentence)
    return _go(request, reverse(LIST))


class AgainForm(SavingForm):
    """Who gets the copy."""

    to = AddressesField(
        label="Send it to",
        widget=address_lines("anna@example.com", rows=3),
        error_messages={"required": "Enter at least one address."},
    )

    def save(self, row: Message) -> Message | None:
        """Queue the copy; None when an address is wrong or it cannot be sent, with the sentences in place."""

        def send(values: dict[str, Any]) -> Message:
            try:
                return byhand.send_again(row, values["to"])
            except InvalidEmail as exc:
                raise InvalidFields({exc.field: [exc.message]}) from exc

        return self.attempt(send)


@gate.page(READ_MESSAGES)
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for recipients on a GET, queue the copy on a POST.

    A copy shows the content to those who get it, so this needs the right to read it, beside the right to send.
    """
    gate.require(SEND, request)
    row = get_object_or_404(Message, pk=pk)
    people = [recipient["address"] for recipient in row.recipients]
    form = AgainForm(request.POST if request.method == "POST" else None, initial={"to": people})
    copy = form.save(row) if request.method == "POST" else None
    if copy is None:
        return dialog(request, "_message_again.html", {"row": row, "form": form})
    toasts.success(request, "Queued. This is the new message.")
    return _go(request, reverse(PAGE, args=[copy.pk]))


def _go(request: HttpRequest, url: str) -> HttpResponse:
    return HttpResponse(headers={"HX-Redirect": url}) if gate.by_htmx(request) else redirect(url)


_BASE = "mailrelay/message/<int:pk>/"
ROUTES: list[URLPattern] = [
    path(f"{_BASE}change/", message, name="mailrelay_message_change"),
    path(f"{_BASE}live/", live, name="message_live"),
    path(f"{_BASE}retry/", retry_it, name="mailrelay_message_retry"),
    path(f"{_BASE}cancel/", cancel_it, name="message_cancel"),
    path(f"{_BASE}again/", again, name="message_again"),
    path(f"{_BASE}delete/", delete, name="mailrelay_message_delete"),
]
