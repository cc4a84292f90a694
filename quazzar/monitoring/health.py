"""/healthz says whether the process responds, /readyz whether its parts do: database, broker, key file, worker."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from quazzar import words
from quazzar.errors import QuazzarError
from quazzar.models import Heartbeat
from quazzar.sealing import keyring

if TYPE_CHECKING:
    from collections.abc import Callable

#: Name of the worker's row in Heartbeat.
WORKER = "worker"
#: The worker sends heartbeats three times as often.
WORKER_SILENT_AFTER = timedelta(seconds=45)
#: How far the clocks of machines may differ before it counts as a clock that was set.
CLOCK_SLACK = timedelta(minutes=2)
_BROKER_SECONDS = 1.0


@dataclass(frozen=True)
class Probe:
    """The state of one part. Anyone may read the message, so it contains no address and no secret."""

    ok: bool
    message: str


@require_safe
@never_cache
def alive(_: HttpRequest) -> HttpResponse:
    """Answer /healthz (liveness): this process runs."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(_: HttpRequest) -> HttpResponse:
    """Answer /readyz (readiness): 200 if every part works, else 503."""
    checks = {name: probe() for name, probe in PROBES.items()}
    well = all(check.ok for check in checks.values())
    body = {
        "status": "ok" if well else "failing",
        "checks": {name: asdict(check) for name, check in checks.items()},
    }
    response = JsonResponse(body, status=200 if well else 503)
    # Probes come every few seconds; Django would log every 503 as an error and mail it to the admins.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def database() -> Probe:
    """Whether the database answers a query."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as exc:
        return Probe(False, f"The database does not answer ({type(exc).__name__}).")
    return Probe(True, "The database answers.")


def broker() -> Probe:
    """Whether the broker answers a PING."""
    url = settings.CELERY_BROKER_URL.replace("redis+socket://", "unix://", 1)
    try:
        client = redis.Redis.from_url(
            url,
            socket_connect_timeout=_BROKER_SECONDS,
            socket_timeout=_BROKER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        with client:
            client.ping()
    except ValueError:
        return Probe(False, "REDIS_URL is not the address of a Redis or Valkey server.")
    except (RedisError, OSError) as exc:
        return Probe(False, f"The broker does not answer ({type(exc).__name__}).")
    return Probe(True, "The broker answers.")


def key_file() -> Probe:
    """Whether secrets can be sealed and opened."""
    try:
        try:
            keyring.to_seal_with()
        except DatabaseError:
            keyring.current()  # whether other machines use the same one is not known; the database's probe says why
    except QuazzarError as exc:
        return Probe(False, exc.message)
    return Probe(True, "The key file can be used.")


def worker() -> Probe:
    """Whether the worker has sent a heartbeat lately."""
    try:
        heartbeat = Heartbeat.objects.filter(name=WORKER).first()
    except DatabaseError:
        return Probe(False, "The database does not answer, so the state of the worker is unknown.")
    if heartbeat is None:
        return Probe(False, "The worker has not run yet.")
    silent = timezone.now() - heartbeat.at
    if silent < -CLOCK_SLACK:
        return Probe(False, "The worker has not reported since the clock was set back.")
    if silent > WORKER_SILENT_AFTER:
        return Probe(False, f"The worker last reported {words.span(silent)} ago.")
    return Probe(True, "The worker is alive.")


PROBES: dict[str, Callable[[], Probe]] = {
    "database": database,
    "broker": broker,
    "key_file": key_file,
    "worker": worker,
}
