"""Shapes of reports as programs and providers write them: each is read right. Sources are named in expected.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mailrelay.bounces import reading

CORPUS = Path(__file__).parent / "corpus"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CORPUS / "expected.json").read_text())
REPORTS = {name: wanted for name, wanted in EXPECTED.items() if wanted["outcomes"] is not None}


def raw(name: str) -> bytes:
    return (CORPUS / f"{name}.eml").read_bytes()


def test_the_corpus_has_thirty_shapes_and_a_source_for_each() -> None:
    assert len(REPORTS) >= 30
    assert {path.stem for path in CORPUS.glob("*.eml")} == EXPECTED.keys()
    assert all(wanted["after"] for wanted in EXPECTED.values())


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_read(name: str, eol: bytes) -> None:
    report = reading.read(raw(name).replace(b"\n", eol))
    assert report is not None
    found = [[one.recipient, one.kind, one.hard, one.status, one.code] for one in report.outcomes]
    assert found == REPORTS[name]["outcomes"]
    assert report.source == REPORTS[name]["source"]
    assert list(report.message_ids)[: len(REPORTS[name]["message_ids"])] == REPORTS[name]["message_ids"]


@pytest.mark.parametrize("name", REPORTS)
def test_a_bounce_or_delay_has_words(name: str) -> None:
    report = reading.read(raw(name))
    assert report is not None
    assert all(one.said for one in report.outcomes if one.kind in ("bounced", "complained"))


@pytest.mark.parametrize("name", REPORTS)
def test_the_signed_return_path_is_among_the_addresses_that_it_came_to(name: str) -> None:
    report = reading.read(raw(name))
    assert report is not None
    assert "bounces+aaaaaaaab5k3ql2zq7mxw4ot@example.org" in report.sent_to


@pytest.mark.parametrize("name", sorted(EXPECTED.keys() - REPORTS.keys()))
def test_other_mail_is_no_report(name: str) -> None:
    assert reading.read(raw(name)) is None


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_of_the_original_is_kept(name: str) -> None:
    report = reading.read(raw(name))
    assert report is not None
    assert "Disk usage is 92 %." not in report.text
