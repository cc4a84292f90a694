"""Where the tab begins: the server's page by the stage it is in, its progress, and the head of every page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from mailboxes.certificates import state as certificatestate
from mailboxes.console import access, pages, states
from mailboxes.console.forms import HostnameForm
from mailboxes.models import Stack

#: Phase → what the progress page calls its step.
STEPS = (
    (Stack.Phase.PREFLIGHT, "Check this machine"),
    (Stack.Phase.PULLING, "Fetch the images"),
    (Stack.Phase.CREATING, "Create the containers"),
    (Stack.Phase.STARTING, "Start them"),
    (Stack.Phase.HEALTHY, "Healthy"),
)
#: Pages whose navigation the head may mark.
_LISTS = ("list", "aliases", "domains", "deleted", "import", "server")


@access.page(access.see_tab)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The mailboxes of a server that runs; else the way there."""
    running = states.stage(Stack.load()) == "on"
    lists = access.see_mailboxes(request.user)
    server_first = not running and access.see_server(request.user)
    return redirect("admin:mail_boxes_list" if lists and not server_first else "admin:mail_boxes_server")


@access.page(access.see_server)
@require_safe
def server(request: HttpRequest) -> HttpResponse:
    """The wizard, the progress or the server, whichever is due."""
    stack = Stack.load()
    stage = states.stage(stack)
    if stage == "off":
        form = HostnameForm(initial={"hostname": stack.hostname})
        return pages.page(request, "wizard.html", {"form": form})
    if stage == "on":
        return pages.page(request, "server.html", {"certificate": certificatestate.read(stack)})
    return pages.page(request, "progress.html", _progress(stack, 0))


@access.page(access.see_server)
@require_safe
def progress(request: HttpRequest) -> HttpResponse:
    """The bar and the steps, fetched again every second; another page once it is over."""
    stack = Stack.load()
    if states.stage(stack) in ("on", "off"):
        return HttpResponse(headers={"HX-Redirect": request.path.replace("/progress/", "/")})
    shown = request.GET.get("percent", "")
    context = {"may": pages.permissions(request.user), **_progress(stack, int(shown) if _small(shown) else 0)}
    return pages.part(request, "_progress.html", context)


@access.page(access.see_tab)
@require_safe
def head(request: HttpRequest) -> HttpResponse:
    """State and navigation, fetched again every few seconds."""
    here = request.GET.get("here", "").removeprefix("mail_boxes_")
    here = f"mail_boxes_{here}" if here in _LISTS else ""
    return pages.part(request, "_head.html", {**pages.state(request), "here": here})


def _small(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 4


def _progress(stack: Stack, shown: int) -> dict[str, object]:
    """The steps with their states. What was shown stays: a bar that falls back is not believed."""
    phases = [phase for phase, _ in STEPS]
    reached = max(1, stack.step) - 1
    if stack.phase in phases:
        reached = phases.index(Stack.Phase(stack.phase))
    failed = stack.phase == Stack.Phase.FAILED
    names = ["failed" if failed else "running" if index == reached else "" for index in range(len(STEPS))]
    steps = [
        {
            "label": label,
            "state": "ok" if index < reached else names[index] if index == reached else "pending",
        }
        for index, (_, label) in enumerate(STEPS)
    ]
    percent = stack.percent if failed else min(100, max(stack.percent, shown))
    return {"stack": stack, "stage": states.stage(stack), "steps": steps, "percent": percent}
