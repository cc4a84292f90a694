"""Figures of the apps on /metrics: each registers a function in its AppConfig.ready()."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import Error as DatabaseError
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

logger = logging.getLogger(__name__)


class _Collectors(Collector):
    """Asks each function at each scrape; one that fails leaves the others' figures on the page."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[], Iterable[Metric]]] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing: else registering would collect, which means queries while apps are still loading."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The figures of all functions."""
        for name, function in self.functions.items():
            try:
                yield from list(function())
            except DatabaseError as exc:
                logger.warning("no figures of %s: %s", name, type(exc).__name__)


_collectors = _Collectors()
REGISTRY.register(_collectors)


def register_collector(function: Callable[[], Iterable[Metric]]) -> None:
    """Show these figures on /metrics; registering a function again changes nothing."""
    _collectors.functions[f"{function.__module__}.{function.__qualname__}"] = function
