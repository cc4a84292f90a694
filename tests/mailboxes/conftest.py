"""What the tests of the stack's rows share."""

from __future__ import annotations

import pytest

from mailboxes import changes


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time the worker was called to the stack."""
    heard: list[str] = []
    monkeypatch.setattr(changes, "ring", lambda: heard.append("stack"))
    monkeypatch.setattr(changes, "ring_import", lambda job_id: heard.append(f"import {job_id}"))
    return heard
