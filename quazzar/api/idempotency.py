"""Writes that send happen once: the same Idempotency-Key and body within 24 h get the first answer.

A row is claimed before the work. Where the work is rows only, claim, work and answer are one transaction: a
second request waits for it, and a crash leaves nothing. Where the work is long and outside (a test mail), the
claim is committed first: a second request is refused during that time, and a claim that a crash left behind is taken
over.
"""

from __future__ import annotations

import functools
import json
import re
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from quazzar.api.gate.authentication import principal
from quazzar.errors import IdempotencyConflict
from quazzar.models import IdempotentRequest

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
REMEMBERED = timedelta(hours=24)
#: A claim without an answer counts as left behind after this; no work that is claimed first may take longer.
STALE = timedelta(seconds=60)
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_BUSY = "The first request with this Idempotency-Key is still being processed."
_BUSY_HINT = "Send it again in a moment to get its answer."

P = ParamSpec("P")
V = TypeVar("V")
if TYPE_CHECKING:
    Handler = Callable[Concatenate[V, Request, P], Response]


def idempotent(*, atomic: bool) -> Callable[[Handler[V, P]], Handler[V, P]]:
    """Decorate a POST handler that sends.

    Args:
        atomic: the work is rows only, and is done in one transaction with the claim; False for work that is
            long or outside the database.
    """

    def decorate(handler: Handler[V, P]) -> Handler[V, P]:
        @functools.wraps(handler)
        def once(view: V, request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Response:
            def work() -> Response:
                return handler(view, request, *args, **kwargs)

            if HEADER not in request.headers:
                return work()
            return _in_one_transaction(request, work) if atomic else _claimed_first(request, work)

        once.takes_idempotency_key = True  # type: ignore[attr-defined]  # read by schema.py
        return once

    return decorate


def purge() -> int:
    """Forget what is older than 24 h; the number of rows."""
    count, _ = IdempotentRequest.objects.filter(claimed_at__lte=timezone.now() - REMEMBERED).delete()
    return count


def _in_one_transaction(request: Request, work: Callable[[], Response]) -> Response:
    wanted = _wanted(request)
    with transaction.atomic():
        claim, first = _claim(wanted)
        if not first:
            return _replayed(claim, wanted["fingerprint"])
        response = work()
        _finish(claim, response)
        return response


def _claimed_first(request: Request, work: Callable[[], Response]) -> Response:
    wanted = _wanted(request)
    claim, first = _claim(wanted)
    if not first:
        return _replayed(claim, wanted["fingerprint"])
    with ExitStack() as undo:
        undo.callback(_give_up, claim)
        response = work()
        undo.pop_all()
    _finish(claim, response)
    return response


def _wanted(request: Request) -> dict[str, Any]:
    key = request.headers[HEADER]
    if not _KEY.fullmatch(key):
        raise ValidationError({HEADER: ["An Idempotency-Key must have 1 to 255 printable ASCII characters."]})
    # The parsed body: other spacing or order of names is the same request.
    canonical = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
    return {
        "principal": principal(request),
        "method": request.method,
        "path": request.path[:255],
        "key": key,
        # Keyed, because a plain digest of a body with few possible values reveals the body.
        "fingerprint": salted_hmac("quazzar.idempotency", canonical, algorithm="sha256").hexdigest(),
    }


def _claim(wanted: dict[str, Any]) -> tuple[IdempotentRequest, bool]:
    """The row, and whether this request is the one that does the work."""
    slot = {name: wanted[name] for name in ("principal", "method", "path", "key")}
    while True:
        try:
            with transaction.atomic():
                # The unique constraint decides who is first; PostgreSQL waits here for an open one's row.
                return IdempotentRequest.objects.create(**wanted), True
        except IntegrityError:
            row = IdempotentRequest.objects.filter(**slot).first()
        if row is None:
            continue  # it was given up between the two statements
        if not _over(row):
            return row, False
        renewed = _renewed(row, wanted["fingerprint"])
        if renewed is not None:
            return renewed, True


def _over(row: IdempotentRequest) -> bool:
    age = timezone.now() - row.claimed_at
    return age >= (STALE if row.status is None else REMEMBERED)


def _renewed(row: IdempotentRequest, fingerprint: str) -> IdempotentRequest | None:
    """The old row as a new claim; None when another request was faster."""
    fresh: dict[str, Any] = {
        "fingerprint": fingerprint,
        "claimed_at": timezone.now(),
        "status": None,
        "answer": None,
    }
    if not _mine(row).update(**fresh):
        return None
    for name, value in fresh.items():
        setattr(row, name, value)
    return row


def _mine(claim: IdempotentRequest) -> Any:
    # claimed_at tells this claim from one that took it over.
    return IdempotentRequest.objects.filter(pk=claim.pk, claimed_at=claim.claimed_at)


def _give_up(claim: IdempotentRequest) -> None:
    _mine(claim).delete()


def _finish(claim: IdempotentRequest, response: Response) -> None:
    if response.status_code >= 400:
        _give_up(claim)  # errors are not stored: the caller may correct and repeat
    else:
        # As sent over the wire: a time must not look different when it is repeated.
        answer = json.loads(JSONRenderer().render(response.data) or b"null")
        _mine(claim).update(status=response.status_code, answer=answer)


def _replayed(row: IdempotentRequest, fingerprint: str) -> Response:
    if not constant_time_compare(row.fingerprint, fingerprint):
        raise IdempotencyConflict
    if row.status is None:
        raise IdempotencyConflict(_BUSY, hint=_BUSY_HINT)
    return Response(row.answer, status=row.status, headers={REPLAYED: "true"})
