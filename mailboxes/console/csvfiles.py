"""Mailboxes as CSV: a file is checked, imported by the worker and followed; all mailboxes are exported."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from mailboxes.console import access, pages, states
from mailboxes.csvfiles import exporting, importing
from mailboxes.csvfiles.rows import LARGEST_FILE
from mailboxes.models import ImportJob
from quazzar import bodies
from quazzar.console import gate
from quazzar.console.pages import CHANGED, part, sentence
from quazzar.errors import InvalidFields, QuazzarError

_JOBS_SHOWN = 10


@access.page(access.add_mailboxes)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The page to choose a file on, with the results of earlier imports."""
    return pages.page(request, "import.html", _jobs())


@bodies.takes_file
@access.change(access.add_mailboxes)
def check(request: HttpRequest) -> HttpResponse:
    """Check every line of the file, and write nothing."""
    context: dict[str, object] = {}
    try:
        context["checked"] = importing.check(_uploaded(request))
    except QuazzarError as exc:
        context["problems"] = _problems(exc)
    return _answer(request, context)


@bodies.takes_file
@access.change(access.add_mailboxes)
def start(request: HttpRequest) -> HttpResponse:
    """Check every line of the file; when all are right the worker imports them."""
    context: dict[str, object] = {}
    try:
        context["job"] = importing.start(_uploaded(request))
    except QuazzarError as exc:
        context["problems"] = _problems(exc)
    return _answer(request, context)


def _uploaded(request: HttpRequest) -> bytes:
    upload = request.FILES.get("file")
    if upload is None:
        raise InvalidFields({"file": ["Choose a CSV file."]})
    # One byte more than allowed: the import then says that it is too large.
    return bytes(upload.read(LARGEST_FILE + 1))


def _problems(error: QuazzarError) -> list[str]:
    if isinstance(error, InvalidFields):
        return [text for sentences in error.fields.values() for text in sentences]
    return [sentence(error)]


def _answer(request: HttpRequest, context: dict[str, object]) -> HttpResponse:
    if not gate.by_htmx(request):
        return pages.page(request, "import.html", {**context, **_jobs()})
    answer = render(request, "mailboxes/_import_result.html", context)
    if "job" in context:
        answer["HX-Trigger"] = CHANGED
    return answer


@access.page(access.add_mailboxes)
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """The latest imports, fetched again while one is running."""
    return part(request, "mailboxes/_import_jobs.html", _jobs())


def _jobs() -> dict[str, object]:
    rows = ImportJob.objects.defer("rows")[:_JOBS_SHOWN]
    return {"jobs": [{"job": job, "badge": states.job_badge(job), "percent": _percent(job)} for job in rows]}


def _percent(job: ImportJob) -> int:
    return job.done * 100 // job.total if job.total else 0


@access.page(access.see_mailboxes)
@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Every mailbox without its password, as a file that the import accepts."""
    name = f"mailboxes-{timezone.localdate():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(exporting.export(), content_type="text/csv; charset=utf-8", headers=headers)
