"""A CSV of mailboxes: checked, written by the worker, followed; and the mailboxes there are, as CSV."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from mailboxes.console import access, pages, states
from mailboxes.csvfiles import exporting, importing
from mailboxes.models import ImportJob
from quazzar import words
from quazzar.errors import InvalidFields, QuazzarError

_JOBS_SHOWN = 10
_LARGEST_CSV = 16 * 1024 * 1024
PAGE = "admin:mail_boxes_import"


@access.page(access.add_mailboxes)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Where a file is chosen, and what became of earlier ones."""
    return pages.page(request, "import.html", _jobs())


@access.change(access.add_mailboxes)
def check(request: HttpRequest) -> HttpResponse:
    """Looks at every line and writes nothing."""
    return _taken(request, start_it=False)


@access.change(access.add_mailboxes)
def start(request: HttpRequest) -> HttpResponse:
    """Looks at every line; when all are right the worker writes them."""
    return _taken(request, start_it=True)


def _taken(request: HttpRequest, *, start_it: bool) -> HttpResponse:
    context: dict[str, object] = {}
    try:
        data = _uploaded(request)
        if start_it:
            context["job"] = importing.start(data)
        else:
            context["checked"] = importing.check(data)
    except InvalidFields as exc:
        context["problems"] = [sentence for told in exc.fields.values() for sentence in told]
    except QuazzarError as exc:
        context["problems"] = [f"{exc.message} {exc.hint}".strip()]
    if not access.by_htmx(request):
        return pages.page(request, "import.html", {**context, **_jobs()})
    answer = render(request, "mailboxes/_import_result.html", context)
    if "job" in context:
        answer["HX-Trigger"] = "mailboxes-changed"
    return answer


def _uploaded(request: HttpRequest) -> bytes:
    upload = request.FILES.get("file")
    if upload is None:
        raise InvalidFields({"file": ["Choose a CSV file."]})
    if (upload.size or 0) > _LARGEST_CSV:
        raise InvalidFields({"file": [f"This file is too large; {words.size(_LARGEST_CSV)} is the most."]})
    return bytes(upload.read())


@access.page(access.add_mailboxes)
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """The latest imports, fetched again while one is running."""
    return pages.part(request, "_import_jobs.html", _jobs())


def _jobs() -> dict[str, object]:
    rows = ImportJob.objects.defer("rows")[:_JOBS_SHOWN]
    return {"jobs": [{"job": job, "badge": states.of_job(job), "percent": _percent(job)} for job in rows]}


def _percent(job: ImportJob) -> int:
    return job.done * 100 // job.total if job.total else 0


@access.page(access.see_mailboxes)
@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Every mailbox without its password, as a file that the import takes."""
    name = f"mailboxes-{timezone.localdate():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(exporting.export(), content_type="text/csv; charset=utf-8", headers=headers)
