"""A method that HTTP does not know is refused before anything counts it."""

from __future__ import annotations

import pytest
from django.test import Client
from prometheus_client import REGISTRY

pytestmark = pytest.mark.django_db
PATHS = ("/healthz", "/admin/login/", "/api/mail/relay", "/api", "/nothing", "/.well-known/mta-sts.txt")


def series() -> int:
    """How many lines /metrics has."""
    return sum(len(metric.samples) for metric in REGISTRY.collect())


@pytest.mark.slow
def test_an_invented_method_is_a_405_and_leaves_no_trace_in_the_metrics(subtests: pytest.Subtests) -> None:
    Client().get("/healthz")
    before = series()
    for path in PATHS:
        for method in ("BREW", "PROPFIND", "TRACE", "CONNECT", "X" * 500):
            with subtests.test(path=path, method=method[:10]):
                response = Client().generic(method, path)
                assert response.status_code == 405
                assert response["Allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
                assert response["Cache-Control"] == "no-store"
                assert response["X-Content-Type-Options"] == "nosniff"
                if path.startswith("/api"):
                    assert response.json()["error"] == "method_not_allowed"
    assert series() == before


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_known_method_is_answered_by_the_page(method: str) -> None:
    wanted = 405 if method not in ("GET", "HEAD") else 200
    assert Client().generic(method, "/healthz").status_code == wanted
