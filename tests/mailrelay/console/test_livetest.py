"""The test mail in the console: told live line by line, or as a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from mailrelay.console import livetest
from mailrelay.diagnosis import testmail
from mailrelay.diagnosis.testmail import Step
from mailrelay.models import RelaySettings
from quazzar.errors import InvalidEmail, RelayNotConfigured

URL = "/admin/mail-relay/test/"
WALKED = [
    Step("resolve", "ok", 3),
    Step("connect", "ok", 12),
    Step("tls", "ok", 40),
    Step("auth", "failed", 7),
]
REFUSED = testmail.TestResult(
    False, "auth", 535, "535 <bad>", "Check the password.", ["S: 220 hi", "C: AUTH <hidden>"], 62, WALKED
)


@pytest.fixture
def console(client: Client, operator: User, relay: RelaySettings) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces the walk to the relay by one that ends with this result or error."""

    def replace(end: testmail.TestResult | Exception) -> None:
        def run(to: str, *, on_steps: Any = lambda steps: None) -> testmail.TestResult:
            on_steps([Step("resolve", "running")])
            if isinstance(end, Exception):
                raise end
            on_steps(end.steps)
            return end

        monkeypatch.setattr(testmail, "run", run)

    return replace


def live(console: Client, to: str = "ops@example.com") -> list[dict[str, str]]:
    answer: Any = console.post(URL, {"to": to}, headers={"Accept": livetest_type()})
    assert answer["Content-Type"] == livetest_type()
    return [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]


def livetest_type() -> str:
    return "application/x-ndjson"


def states(html: str) -> list[str]:
    return [part.split('"')[0] for part in html.split('data-state="')[1:]]


def test_each_change_of_a_stage_is_told_and_then_the_result(
    console: Client, walk: Callable[..., None]
) -> None:
    walk(REFUSED)
    told = live(console)
    assert [next(iter(line)) for line in told] == ["stages", "stages", "stages", "stages", "result"]
    assert states(told[0]["stages"]) == ["pending"] * 8
    assert states(told[1]["stages"]) == ["running", *["pending"] * 7]
    assert states(told[3]["stages"]) == ["ok", "ok", "ok", "failed", *["skipped"] * 4]


def test_the_result_holds_message_hint_and_transcript_escaped(
    console: Client, walk: Callable[..., None]
) -> None:
    walk(REFUSED)
    result = live(console)[-1]["result"]
    assert "535 &lt;bad&gt;" in result
    assert "Check the password." in result
    assert "C: AUTH &lt;hidden&gt;" in result
    assert 'data-ok="false"' in result


@pytest.mark.parametrize("error", [RelayNotConfigured(), InvalidEmail("to", "That is no address.")])
def test_a_test_that_cannot_run_says_why(console: Client, walk: Callable[..., None], error: Any) -> None:
    walk(error)
    assert error.message in live(console)[-1]["result"]


def test_an_error_of_our_own_ends_the_stream_and_is_logged(
    console: Client, walk: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    walk(ZeroDivisionError())
    assert "error in Quazzar" in live(console)[-1]["result"]
    assert "ZeroDivisionError" in caplog.text


def test_without_a_script_the_result_is_a_page(console: Client, walk: Callable[..., None]) -> None:
    walk(REFUSED)
    page = console.post(URL, {"to": "ops@example.com"}).content.decode()
    assert "Check the password." in page
    assert states(page) == ["ok", "ok", "ok", "failed", *["skipped"] * 4]
    assert 'value="ops@example.com"' in page


def test_the_stream_is_not_kept_by_caches_or_proxies(console: Client, walk: Callable[..., None]) -> None:
    walk(REFUSED)
    answer = console.post(URL, {"to": "a@example.com"}, headers={"Accept": livetest_type()})
    b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Accel-Buffering"] == "no"


def test_every_stage_has_a_label() -> None:
    assert [line.stage for line in livetest.lines([])] == list(livetest.LABELS)
