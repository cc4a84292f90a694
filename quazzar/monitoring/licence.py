"""Metrics of the licence."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from quazzar.plans import lapse


def collect() -> Iterator[Metric]:
    """Whether Mail Relay is included now, and until when."""
    state = lapse.current()
    yield GaugeMetricFamily(
        "quazzar_licence_valid",
        "1 while the licence includes Mail Relay; 0: alerts are refused with 402.",
        value=float(state.is_entitled),
    )
    if state.ends_at is not None:
        yield GaugeMetricFamily(
            "quazzar_licence_expiry_timestamp_seconds",
            "Unix time when the licence stops including Mail Relay.",
            value=state.ends_at.timestamp(),
        )
