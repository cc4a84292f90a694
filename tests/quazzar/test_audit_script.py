"""``make audit``: a vulnerability fails it, a source that cannot be reached is said and does not."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/audit.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_script", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answering(monkeypatch: pytest.MonkeyPatch, script: ModuleType, out: str, err: str = "") -> None:
    """The tool says this."""
    monkeypatch.setattr(script, "tool", lambda *_: subprocess.CompletedProcess([], 1, out, err))


def test_a_vulnerability_of_what_runs_fails(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    vulnerable = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.0"]}]}
    packages = [vulnerable, {"name": "b", "skip_reason": "x"}]
    answering(monkeypatch, script, json.dumps({"dependencies": packages}))
    assert script.main() == 1
    said = capsys.readouterr().out
    assert "requirements.txt: a 1: PYSEC-1, fixed in 2.0" in said
    assert "1 packages audited, 1 with known vulnerabilities; 1 could not be asked about." in said


@pytest.mark.parametrize(
    ("out", "err"),
    [
        ("", "ConnectionError: no route"),
        ("not JSON", ""),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', ""),
    ],
)
def test_a_source_that_cannot_be_reached_is_said_and_fails_nothing(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any, out: str, err: str
) -> None:
    answering(monkeypatch, script, out, err)
    assert script.main() == 0
    assert "NOT AUDITED" in capsys.readouterr().out


def test_nothing_known_is_no_failure(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    answering(monkeypatch, script, '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}')
    assert script.main() == 0
    assert "NOT AUDITED" not in capsys.readouterr().out
