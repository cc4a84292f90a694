"""The list of messages: tabs, search, pages by id, and what can be done to many of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods, require_safe

from mailrelay.feedback import standing
from mailrelay.models import Message
from mailrelay.queue import byhand, finding, savedfilters
from mailrelay.queue.finding import Page, Query
from mailrelay.queue.savedfilters import SavedFilter
from quazzar import words
from quazzar.access import audit
from quazzar.console import gate
from quazzar.console.forms import VERBATIM, SavingForm
from quazzar.console.pages import done, frame, number, part
from quazzar.rights import DELETE_MESSAGES, READ_MESSAGES, RETRY, SEE_QUEUE, SEND, Right

LIST, SAVE = "admin:mailrelay_message_changelist", "admin:messages_filter"
TITLE = "Messages"
Status, Source = Message.Status, Message.Source
#: The most rows that one action changes, and the most that a confirmation lists.
MOST, MOST_NAMED = 1_000, 50


@dataclass(frozen=True, slots=True)
class Tab:
    """A saved filter; ``counted``: its number is shown, because it calls for attention."""

    label: str
    query: Query
    counted: bool = False
    empty: str = ""


TABS = {
    "all": Tab("All", Query(), empty="Nothing has been sent yet."),
    "waiting": Tab("Waiting", Query(finding.WAITING), counted=True, empty="The queue is empty."),
    "failed": Tab("Failed", Query((Status.FAILED,)), counted=True, empty="Nothing has failed."),
    "bounced": Tab("Bounced", Query(returned=True), empty="Nothing has bounced, as far as Quazzar knows."),
    "sent": Tab("Sent", Query((Status.SENT,)), empty="Nothing has been delivered yet."),
    "alerts": Tab("Alerts", Query(source=Source.ALERT), empty="No alerts have been mailed yet."),
    "backups": Tab(
        "Backup reports", Query(source=Source.BACKUP), empty="No backup reports have been mailed yet."
    ),
    "tests": Tab("Test mails", Query(source=Source.TEST), empty="No test mails have been sent yet."),
}
#: Parameters of links to the former queue page, and the tabs that replace them.
_FORMER = {
    ("waiting", "yes"): "waiting",
    ("status__exact", "queued"): "waiting",
    ("status__exact", "sending"): "waiting",
    ("status__exact", "retrying"): "waiting",
    ("status__exact", "failed"): "failed",
    ("status__exact", "sent"): "sent",
    ("source__exact", "alert"): "alerts",
    ("source__exact", "backup"): "backups",
    ("source__exact", "test"): "tests",
}


def permissions(user: Any) -> dict[str, bool]:
    """What templates read as ``may.…``."""
    return {
        "retry": RETRY(user),
        "delete": DELETE_MESSAGES(user),
        "send_again": SEND(user) and READ_MESSAGES(user),
        "read": READ_MESSAGES(user),
    }


# --- the list


@gate.page(SEE_QUEUE)
@require_safe
def messages(request: HttpRequest) -> HttpResponse:
    """The list; HTMX gets its rows alone, or 204 when they have not changed."""
    tab, text = _tab(request), _text(request)
    query = replace(TABS[tab].query, text=text)
    before, after = number(request, "before"), number(request, "after")
    page = finding.find(query, before=before, after=after)
    earlier = number(request, "found") or 0
    context = {
        "page": page,
        "returned": standing.worst([row.pk for row in page.rows]),
        "links": {**_links(tab, text, page, earlier), "here": f"?{request.GET.urlencode()}"},
        "tab": tab,
        "q": text,
        "empty": TABS[tab].empty,
        "begins": before is None and after is None,
        "bulk": [action for action in ACTIONS if action.right(request.user)],
        "may": permissions(request.user),
        "found": earlier + len(page.rows),
        "most": MOST,
    }
    target = request.headers.get("HX-Target", "")
    if target == "older":
        return render(request, "mailrelay/_message_rows.html", context)
    context |= {"tabs": _tabs(tab), **_saved(request, tab, text)}
    if target == "list":
        return part(request, "mailrelay/_messages.html", context)
    return render(request, "mailrelay/messages.html", {**frame(request), "title": TITLE, **context})


def _text(request: HttpRequest) -> str:
    return request.GET.get("q", "").strip()[: finding.LONGEST]


def _tab(request: HttpRequest) -> str:
    asked = request.GET.get("tab", "")
    if asked in TABS:
        return asked
    return next((_FORMER[item] for item in request.GET.items() if item in _FORMER), "all")


def _tabs(current: str) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "label": tab.label,
            "url": f"?tab={key}",
            "current": key == current,
            "count": _count(tab.query) if tab.counted else "",
        }
        for key, tab in TABS.items()
    ]


def _saved(request: HttpRequest, tab: str, text: str) -> dict[str, Any]:
    """The operator's own filters as links, and where the present one can be saved if it is not yet among them."""
    here = SavedFilter("", tab, text)
    found = [(one, one.finds_the_same(here)) for one in savedfilters.of(request.user)]
    can_save = bool(text) and not any(is_here for _, is_here in found)
    return {
        "saved": [
            {"name": one.name, "url": f"?{_as_query(one)}", "current": is_here} for one, is_here in found
        ],
        "save_url": f"{reverse(SAVE)}?{_as_query(here)}" if can_save else "",
        "edit_url": f"{reverse(SAVE)}?{_as_query(here)}" if not can_save else "",
    }


def _as_query(one: SavedFilter) -> str:
    return urlencode({"tab": one.tab, "q": one.search})


def _count(query: Query) -> str:
    number = finding.count(query)
    return f"{number:,}" if number < finding.MOST_COUNTED else f"{finding.MOST_COUNTED:,}+"


def _links(tab: str, text: str, page: Page, earlier: int) -> dict[str, str]:
    """URLs of the neighbouring pages, and of where a search continues."""

    def link(**more: int) -> str:
        return "?" + urlencode({"tab": tab, **({"q": text} if text else {}), **more})

    return {
        "first": link(),
        "older": link(before=page.older) if page.older else "",
        "newer": link(after=page.newer) if page.newer else "",
        "go_on": link(before=page.older, found=earlier + len(page.rows)) if page.older else "",
    }


# --- saved filters


class FilterForm(SavingForm):
    """The name of a filter."""

    name = forms.CharField(
        required=False, widget=forms.TextInput(attrs={**VERBATIM, "maxlength": savedfilters.LONGEST})
    )


@gate.page(SEE_QUEUE)
@require_http_methods(["GET", "HEAD", "POST"])
def save_filter(request: HttpRequest) -> HttpResponse:
    """On a GET, ask for a name for the filter in the URL; on a POST, save or rename it."""
    user = cast("User", request.user)
    here = SavedFilter("", _tab(request), _text(request))
    back = f"{reverse(LIST)}?{_as_query(here)}"
    before = next((one.name for one in savedfilters.of(user) if one.finds_the_same(here)), "")
    if request.method == "POST" and "delete" in request.POST:
        gone = savedfilters.remove(user, before)
        return done(
            request, f"Filter “{before}” deleted." if gone else "This filter was already deleted.", back
        )
    form = FilterForm(request.POST if request.method == "POST" else None, initial={"name": before})
    if request.method == "POST":
        saved = form.attempt(
            lambda given: savedfilters.save(user, SavedFilter(given["name"], here.tab, here.search))
        )
        if saved:
            return done(request, f"Filter “{saved.name}” saved.", back)
    context = {
        "form": form,
        "before": before,
        "tab_label": TABS[here.tab].label,
        "q": here.search,
        "back": back,
    }
    return dialog(request, "_messages_filter.html", context)


# --- many at once


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action came to."""

    sentence: str
    nothing: bool = False

    def told(self, request: HttpRequest, to: str) -> HttpResponse:
        """The answer that says it."""
        return done(request, self.sentence, to, nothing=self.nothing)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done to many messages.

    Attributes:
        name: its part of the address.
        consequence: what the confirmation says will happen.
        run: carries it out on these messages.
    """

    name: str
    label: str
    icon: str
    right: Right
    consequence: str
    run: Callable[[list[Message]], Outcome]
    dangerous: bool = False

    @property
    def url(self) -> str:
        """Where it is confirmed and done."""
        return reverse(f"admin:messages_{self.name}")


def _each(action: str, does: Callable[[Message], bool], done_to: str, left: str) -> Callable[..., Outcome]:
    """Apply an action to each message, record it, and say how many it changed and why not the others."""

    def run(selected: list[Message]) -> Outcome:
        changed = [message for message in selected if does(message)]
        if changed:
            audit.record(action, named(changed))
        sentences = [f"{words.count(len(changed), 'message')} {done_to}."] if changed else []
        if skipped := len(selected) - len(changed):
            sentences.append(f"{words.count(skipped, 'message')} skipped: {left}.")
        return Outcome(" ".join(sentences), nothing=not changed)

    return run


def named(selected: list[Message]) -> str:
    """What the audit log calls these messages."""
    return selected[0].message_id if len(selected) == 1 else f"{len(selected)} messages"


def remove(selected: list[Message]) -> Outcome:
    """Delete the messages with their content, record that in the audit log, and say how many they were."""
    audit.record("message.deleted", named(selected))
    return Outcome(f"{words.count(byhand.delete(selected), 'message')} deleted.")


retry = _each(
    "message.retried", byhand.retry, "retried now", "being sent, already sent, or without its content"
)
cancel = _each("message.cancelled", byhand.cancel, "cancelled", "being sent, or already finished")
ACTIONS = (
    Action(
        "retry",
        "Retry now",
        "refresh",
        RETRY,
        "What has not been sent yet is sent next. Recipients who already have the mail don't get it twice.",
        retry,
    ),
    Action(
        "cancel",
        "Cancel sending",
        "block",
        RETRY,
        "What still waits won't be sent; you can retry it later. Mail that has been sent is left alone.",
        cancel,
    ),
    Action(
        "delete",
        "Delete",
        "delete",
        DELETE_MESSAGES,
        "They are removed for good, and those still waiting won't be sent.",
        remove,
        dangerous=True,
    ),
)


def _bulk_view(action: Action) -> gate.View:
    @gate.page(action.right)
    @require_http_methods(["GET", "HEAD", "POST"])
    def view(request: HttpRequest) -> HttpResponse:
        """Ask on a GET, act on a POST."""
        if request.method == "POST":
            selected = list(Message.objects.defer("body").filter(pk__in=_ids(request.POST.get("ids", ""))))
            outcome = action.run(selected) if selected else Outcome("Nothing is selected.", nothing=True)
            return outcome.told(request, reverse(LIST))
        chosen = _chosen(request)
        context = {
            "action": action,
            "what": words.count(len(chosen), "message"),
            "names": [message.subject or "(no subject)" for message in chosen[:MOST_NAMED]],
            "more": len(chosen) - MOST_NAMED,
            "ids": ",".join(str(message.pk) for message in chosen),
            "back": reverse(LIST),
        }
        return dialog(request, "_messages_confirm.html", context)

    return view


def _chosen(request: HttpRequest) -> list[Message]:
    """The ticked messages, or with ``all`` the newest of the tab."""
    if "all" in request.GET:
        chosen = finding.ids(TABS[_tab(request)].query, MOST)
    else:
        chosen = _ids(",".join(request.GET.getlist("pk")))
    return list(Message.objects.filter(pk__in=chosen).only("subject").order_by("-pk"))


def _ids(text: str) -> list[int]:
    found = [one for one in text.split(",") if one.isascii() and one.isdigit() and len(one) < 19]
    return [int(one) for one in found[:MOST]]


def dialog(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The content of a dialog; without HTMX a page with the same content."""
    if gate.by_htmx(request):
        return render(request, f"mailrelay/{template}", context)
    whole = {
        **frame(request),
        "title": TITLE,
        "dialog_template": f"mailrelay/{template}",
        **context,
    }
    return render(request, "mailrelay/message_dialog.html", whole)


ROUTES: list[URLPattern] = [
    path("mailrelay/message/", messages, name="mailrelay_message_changelist"),
    path("mailrelay/message/filter/", save_filter, name="messages_filter"),
    *(
        path(f"mailrelay/message/selected/{action.name}/", _bulk_view(action), name=f"messages_{action.name}")
        for action in ACTIONS
    ),
]
