"""Find mail: one search over the relay's messages and the mail server's logs, and a page for each mail's journey."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from mailboxes.maillog import finding, story, symbols
from mailboxes.maillog.daemons.event import Kind
from mailboxes.maillog.finding import TABS, Found
from mailboxes.models import Journey, MailEvent, Stack
from mailrelay.console import states as relaystates
from mailrelay.console import timeline
from mailrelay.feedback import standing
from mailrelay.models import Message, RelaySettings
from mailrelay.onward import Step
from quazzar import rights, words
from quazzar.console import gate, shown
from quazzar.console.pages import frame, part

FIND, JOURNEY = "admin:find_mail", "admin:find_mail_journey"
TITLE = "Find mail"
State = Journey.State
_TONES: dict[str, str] = {
    State.ARRIVING: "busy",
    State.WAITING: "wait",
    State.HELD: "wait",
    State.DELIVERED: "ok",
    State.BOUNCED: "bad",
    State.REFUSED: "bad",
    State.PUT_OFF: "wait",
    State.DISCARDED: "bad",
    State.DELETED: "bad",
    State.BROKEN: "off",
    State.CONNECTION: "off",
}
_CONNECTIONS = {Kind.SIGN_IN: ("Signed in", "ok"), Kind.SIGN_IN_FAILED: ("Failed", "bad")}
#: States in which more is to come.
_MOVING = (State.ARRIVING, State.WAITING, State.HELD)


@gate.page(rights.FIND_MAIL)
@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """The search; HTMX gets the list alone, or 204 when it has not changed."""
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else "all"
    text = request.GET.get("q", "").strip()[: finding.LONGEST]
    before = request.GET.get("before", "")
    page = finding.find(text, tab, before=before, messages=rights.SEE_QUEUE(request.user))
    connections = _connections(page.rows)
    context = {
        "rows": [_row(one, connections) for one in page.rows],
        "page": page,
        "tab": tab,
        "tabs": [
            {"key": key, "label": one.label, "url": _query(key, text), "current": key == tab}
            for key, one in TABS.items()
        ],
        "q": text,
        "begins": not before,
        "empty": TABS[tab].empty,
        "older": _query(tab, text, page.older) if page.older else "",
        "first": _query(tab, text),
        "here": f"?{request.GET.urlencode()}",
        "follows": bool(settings.QUAZZAR_MAIL_LOG_DAYS) and Stack.load().enabled,
        "days": settings.QUAZZAR_MAIL_LOG_DAYS,
        "words": bool(text) and not finding.keys_of(text),
    }
    if request.headers.get("HX-Target") == "list":
        return part(request, "mailboxes/_findmail.html", context)
    return render(request, "mailboxes/findmail.html", {**frame(request), "title": TITLE, **context})


def _query(tab: str, text: str, before: str = "") -> str:
    asked = {"tab": tab, "q": text, "before": before}
    return "?" + urlencode({name: value for name, value in asked.items() if value})


def _connections(rows: list[Found]) -> dict[int, MailEvent]:
    """Journey → the one event of a connection."""
    ids = [one.journey.pk for one in rows if one.journey and one.journey.state == State.CONNECTION]
    return {event.journey_id: event for event in MailEvent.objects.filter(journey__in=ids)} if ids else {}


def _row(one: Found, connections: dict[int, MailEvent]) -> dict[str, Any]:
    """A mail as the list shows it."""
    journey, message = one.journey, one.message
    if journey is None:
        assert message is not None
        return {
            "id": f"message-{message.pk}",
            "at": one.at,
            "title": message.subject or "(no subject)",
            "url": reverse("admin:mailrelay_message_change", args=[message.pk]),
            "to": relaystates.receivers(message),
            "badge": relaystates.message_badge(message),
            "reason": relaystates.reason(message),
            "sender": "",
        }
    if (event := connections.get(journey.pk)) is not None:
        return {
            "id": f"journey-{journey.pk}",
            "at": journey.last_at,
            "title": title(journey, None),
            "url": reverse(JOURNEY, args=[journey.pk]),
            "to": story.steps(journey, [event])[0].title,
            "badge": _connection_badge(event),
            "reason": "",
            "sender": "",
        }
    return {
        "id": f"journey-{journey.pk}",
        "at": one.at,
        "title": title(journey, message),
        "url": reverse(JOURNEY, args=[journey.pk]),
        "to": _to(journey),
        "badge": badge(journey),
        "spam": journey.spam,
        "reason": one.reason if journey.state not in (State.DELIVERED, State.CONNECTION) else "",
        "sender": journey.sender if message else "",
    }


def _connection_badge(event: MailEvent) -> SafeString:
    return shown.badge(*_CONNECTIONS.get(event.kind, ("Turned away", "off")))


def title(journey: Journey, message: Message | None) -> str:
    """The relay's subject, else who it is from: the mail server's logs have no subjects."""
    if message is not None:
        return message.subject or "(no subject)"
    if journey.state == State.CONNECTION:
        who = (
            f"{journey.login} at {journey.client}"
            if journey.login and journey.client
            else journey.login or journey.client
        )
        return who or "A client"
    return (
        f"From {journey.sender or journey.login}"
        if journey.sender or journey.login
        else "From the null sender"
    )


def _to(journey: Journey) -> str:
    if not journey.recipients:
        return ""
    others = journey.recipient_count - 1
    return f"to {journey.recipients[0]}" + (f" and {words.count(others, 'other')}" if others > 0 else "")


def badge(journey: Journey) -> SafeString:
    """The journey's state in a word."""
    state = State(journey.state)
    if journey.spam and state == State.DELIVERED:
        return shown.badge("Junk", "wait")
    return shown.badge(state.label, _TONES[state])


# --- one journey


@gate.page(rights.FIND_MAIL)
@require_safe
def journey(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything that is known about one mail, newest first; HTMX gets what changes."""
    row = get_object_or_404(Journey, pk=pk)
    message = finding.message_of(row) if rights.SEE_QUEUE(request.user) else None
    connected = _connections([Found(row.last_at, journey=row)]).get(row.pk)
    context = {
        "row": row,
        "message": message,
        "title_of_mail": title(row, message),
        "badge": _connection_badge(connected) if connected else badge(row),
        "events": _events(row, message),
        "to": _to(row),
        "outcomes": _outcomes(row),
        "moves": row.state in _MOVING,
        "ids": row.facts.get("ids", []),
        "size": words.size(row.size),
        "score": "" if row.score is None else symbols.number(row.score),
    }
    if request.headers.get("HX-Target") == "journey":
        return part(request, "mailboxes/_journey.html", context)
    return render(request, "mailboxes/journey.html", {**frame(request), "title": TITLE, **context})


def _events(row: Journey, message: Message | None) -> list[timeline.Event]:
    """The steps of the mail server, with those of the relay if the mail was its message; newest first."""
    found = [_event(step) for step in story.steps(row, row.events.all())]
    if message is not None:
        relay = RelaySettings.objects.defer("password").filter(pk=1).first() or RelaySettings(pk=1)
        before = timeline.of(message, relay, standing.of(message.pk))[::-1]
        found = sorted([*before, *found], key=lambda one: (one.at is None, one.at or row.began_at))
    return [*timeline.each_remedy_once(reversed(found))]


def _event(step: Step) -> timeline.Event:
    return timeline.Event(step.at, step.tone, step.icon, step.title, step.said, step.details, step.hint)


_OUTCOMES = {
    "delivered": ("Delivered", "ok"),
    "deferred": ("Waiting", "wait"),
    "bounced": ("Bounced", "bad"),
    "refused": ("Refused", "bad"),
    "put_off": ("Asked to try later", "wait"),
    "discarded": ("Discarded", "bad"),
}
#: What became of the recipients for whom a mail still waited.
_WAITED = {Journey.State.HELD: ("On hold", "wait"), Journey.State.DELETED: ("Deleted", "bad")}


def _outcomes(row: Journey) -> list[tuple[str, SafeString]]:
    outcomes = row.facts.get("outcomes", {})
    whole = row.facts.get("whole")
    known = outcomes or dict.fromkeys(row.recipients, whole or "")
    words_of = _OUTCOMES | {"deferred": _WAITED.get(Journey.State(row.state), _OUTCOMES["deferred"])}
    return [
        (who, shown.badge(*words_of.get(whole or how, ("Under way", "busy")))) for who, how in known.items()
    ]


ROUTES: list[URLPattern] = [
    path("find-mail/", find, name="find_mail"),
    path("find-mail/<int:pk>/", journey, name="find_mail_journey"),
]
