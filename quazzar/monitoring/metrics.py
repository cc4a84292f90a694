"""The apps' metrics on /metrics; each app registers a function in AppConfig.ready()."""

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
    """Calls every registered function at each scrape; if one fails, the others' metrics are still shown."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[], Iterable[Metric]]] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing, because registering would otherwise collect, with queries while apps are still loading."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics of all functions."""
        for name, function in self.functions.items():
            try:
                yield from list(function())
            except DatabaseError as exc:
                logger.warning("no metrics from %s: %s", name, type(exc).__name__)


_collectors = _Collectors()
REGISTRY.register(_collectors)


def register_collector(function: Callable[[], Iterable[Metric]]) -> None:
    """Show the metrics of this function on /metrics; registering it again changes nothing."""
    _collectors.functions[f"{function.__module__}.{function.__qualname__}"] = function
