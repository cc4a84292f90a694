"""Fixtures for tests of the stack's rows, and of the worker that pushes them into the stack."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from mailboxes import changes
from mailboxes.csvfiles import importing
from mailboxes.engine import connect
from mailboxes.models import Stack
from mailboxes.push import snapshots
from mailboxes.stack import bringup, reconcile
from mailboxes.stack.blueprint import rspamdpassword
from mailboxes.stack.preflight import runner
from mailboxes.upgrades import proof
from quazzar import doorbell
from tests.mailboxes import factories
from tests.mailboxes.stackengine import HOSTNAME, IMAGES, StackEngine


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each ring: "stack", or "import" with the id of the job."""
    heard: list[str] = []

    def ring(task: str, *ids: int) -> None:
        if task == changes.PUSH_CHANGES:
            heard.append("stack")
        elif task == importing.IMPORT_MAILBOXES:
            heard.append(f"import {ids[0]}")

    monkeypatch.setattr(doorbell, "ring", ring)
    return heard


@pytest.fixture
def engine(settings: Any, monkeypatch: pytest.MonkeyPatch, rung: list[str]) -> StackEngine:
    """The fake Engine that the worker gets; it has the images, and every preflight passes."""
    settings.QUAZZAR_STACK_PROJECT = "qz"
    settings.QUAZZAR_IMAGE_POSTFIX, settings.QUAZZAR_IMAGE_DOVECOT, settings.QUAZZAR_IMAGE_RSPAMD = IMAGES
    stack_engine = StackEngine("qz")
    monkeypatch.setattr(connect, "to_docker", lambda timeout=30.0: stack_engine)
    monkeypatch.setattr(runner, "run", lambda hostname, engine: runner.Report(True, ()))
    monkeypatch.setattr(snapshots, "_entries", {})
    monkeypatch.setattr(rspamdpassword, "_ROUNDS", 1)
    # Every reading of the clock is ten seconds after the one before.
    moments = itertools.count(step=10)
    clock = SimpleNamespace(monotonic=lambda: next(moments), sleep=lambda seconds: None)
    for module in (bringup, proof):
        monkeypatch.setattr(module, "time", clock)
    return stack_engine


@pytest.fixture
def enabled(db: None, engine: StackEngine) -> StackEngine:
    """The fake Engine, with a stack with one mailbox that the operator has just enabled."""
    factories.stack(
        enabled=True,
        hostname=HOSTNAME,
        phase=Stack.Phase.PREFLIGHT,
        desired_generation=1,
        tls_source=Stack.TlsSource.UPLOADED,
        tls_certificate="certificate\n",
        tls_key="key\n",
        controller_password="controller-secret",
    )
    factories.domain(dkim_private_key="dkimkey\n", generation=1)
    factories.mailbox(password_hash=factories.HASH, generation=1)
    return engine


@pytest.fixture
def up(enabled: StackEngine) -> StackEngine:
    """The fake Engine with that stack brought up; the records of calls are empty."""
    reconcile.converge()
    assert Stack.load().phase == Stack.Phase.HEALTHY
    enabled.forget()
    return enabled
