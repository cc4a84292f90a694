"""Metrics of the mailbox stack for /metrics."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Q, Sum
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from mailboxes.certificates import pem
from mailboxes.mailqueue import watch
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.quota import room


def collect() -> Iterator[Metric]:
    """State of the stack, its generations, and numbers of mailboxes and of changes on their way."""
    stack = Stack.load()
    healthy = stack.enabled and stack.phase == Stack.Phase.HEALTHY
    yield _gauge(
        "quazzar_stack_healthy", "1 if the mailbox stack is enabled and healthy, otherwise 0.", healthy
    )
    generation = GaugeMetricFamily(
        "quazzar_stack_generation", "Generation of the stack: desired and applied.", labels=["kind"]
    )
    generation.add_metric(["desired"], stack.desired_generation)
    generation.add_metric(["applied"], stack.applied_generation)
    yield generation
    live = Mailbox.objects.live().aggregate(
        count=Count("id"), unsynced=Count("id", filter=Q(applied_at=None)), used=Sum("usage_bytes")
    )
    yield _gauge("quazzar_mailboxes", "Mailboxes that are not deleted.", live["count"])
    yield _gauge("quazzar_mailbox_usage_bytes", "Bytes of mail in all mailboxes.", live["used"] or 0)
    unsynced = GaugeMetricFamily(
        "quazzar_stack_unsynced",
        "Rows whose latest change is not in the running stack yet.",
        labels=["kind"],
    )
    unsynced.add_metric(["domain"], Domain.objects.unsynced().count())
    unsynced.add_metric(["mailbox"], live["unsynced"])
    unsynced.add_metric(["alias"], Alias.objects.unsynced().count())
    yield unsynced
    if stack.tls_expires_at is not None:
        yield _gauge(
            "quazzar_stack_certificate_expiry_timestamp_seconds",
            "When the stack's certificate expires, in Unix time.",
            stack.tls_expires_at.timestamp(),
        )
    if waiting := watch.read(stack):
        yield _gauge("quazzar_stack_queue_messages", "Mails waiting in Postfix.", waiting.count)
        age = (timezone.now() - waiting.oldest_at).total_seconds() if waiting.oldest_at else 0
        yield _gauge(
            "quazzar_stack_queue_oldest_seconds", "How long the oldest of them has waited.", max(age, 0)
        )
    if stack.clients:
        yield _gauge(
            "quazzar_stack_hidden_clients_ratio",
            "Share of recent connections to Postfix whose client address Docker hides.",
            stack.clients["hidden"] / stack.clients["seen"],
        )
    if left := room.read(stack):
        disk = GaugeMetricFamily(
            "quazzar_stack_disk_bytes",
            "Size of the disk that holds the mail, and its free space.",
            labels=["kind"],
        )
        disk.add_metric(["total"], left.total_bytes)
        disk.add_metric(["free"], left.free_bytes)
        yield disk
    if validity := pem.validity(stack.tls_certificate):
        yield _gauge(
            "quazzar_stack_certificate_lifetime_seconds",
            "The whole validity period of the stack's certificate.",
            validity.lifetime.total_seconds(),
        )


def _gauge(name: str, explanation: str, value: float) -> Metric:
    metric = GaugeMetricFamily(name, explanation)
    metric.add_metric([], value)
    return metric
