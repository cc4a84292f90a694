"""`make demo`'s program as a visitor meets it: the week is there, and a mail that is sent now shows up as captured."""

from __future__ import annotations

import html
import json
import re
import sqlite3
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import store
from demo.environment import OPERATOR
from tests.demo.running import Demo
from tests.live.console import Browser
from tests.quazzar.nodes import wait_until

pytestmark = pytest.mark.thorough  # a week takes its time

BANNER = "Nothing leaves this machine"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo") / "demo") as running:
        yield running


class Visitor(Browser):
    """The demo's cookies have their own names, so that they do not replace a real console's."""

    def cookie(self, name: str) -> str:
        return super().cookie(name.replace("csrftoken", "quazzar_csrf").replace("quazzar_", "quazzar_demo_"))

    def page(self, demo: Demo, path: str) -> str:
        """As a browser asks for it: the API answers others with JSON."""
        request = urllib.request.Request(demo.url(path), headers={"Accept": "text/html"})
        with self._opener.open(request, timeout=180) as answer:
            return html.unescape(answer.read().decode())

    def ask(self, demo: Demo, path: str, body: dict[str, object]) -> Any:
        """The API's answer, in the visitor's session."""
        headers = {"Content-Type": "application/json", "X-CSRFToken": self.cookie("csrftoken")}
        request = urllib.request.Request(demo.url(path), json.dumps(body).encode(), headers, method="POST")
        with self._opener.open(request, timeout=180) as answer:
            return json.load(answer)

    def read(self, demo: Demo, path: str) -> Any:
        """What the API says there, in the visitor's session."""
        with self._opener.open(demo.url(path), timeout=180) as answer:
            return json.load(answer)

    def send(self, demo: Demo, body: dict[str, object]) -> int:
        """A mail by the API; its id."""
        return int(self.ask(demo, "/api/mail/messages", body)["id"])


def sign_in(demo: Demo, password: str) -> Visitor:
    visitor = Visitor(demo)  # type: ignore[arg-type]  # it has addresses like a console
    assert visitor.sign_in(OPERATOR, password)
    return visitor


@pytest.fixture(scope="module")
def visitor(demo: Demo) -> Visitor:
    return sign_in(demo, demo.password)


def _page(visitor: Visitor, path: str) -> str:
    status, content = visitor.get(path)
    assert status == 200, path
    return html.unescape(content.decode())


def test_every_page_says_that_this_is_a_demo(demo: Demo, visitor: Visitor) -> None:
    for path in (
        "/admin/",
        "/admin/captured/",
        "/admin/mail-relay/",
        "/admin/account/",
        "/api/mail/",
        "/api/mail/relay",
    ):
        assert BANNER in visitor.page(demo, path), path
    stranger = Visitor(demo)  # type: ignore[arg-type]
    for path in ("/admin/login/", "/nowhere"):
        assert BANNER in stranger.get(path)[1].decode(), path


def test_the_week_is_there(demo: Demo, visitor: Visitor) -> None:
    with sqlite3.connect(f"file:{demo.folder}/quazzar.sqlite3?mode=ro", uri=True) as rows:
        count = {
            status: n
            for status, n in rows.execute("SELECT status, count(*) FROM mailrelay_message GROUP BY 1")
        }
        (hours,) = rows.execute(
            "SELECT count(*) FROM mailrelay_hourlycount WHERE outcome = 'sent'"
        ).fetchone()
        states = {state for (state,) in rows.execute("SELECT state FROM mailrelay_expectedreport")}
        dns = {status for (status,) in rows.execute("SELECT status FROM dnsrecords_recordcheck")}
    assert count["sent"] > 200 and count["failed"] == 3 and count["retrying"] == 1
    assert hours > 80
    assert {"late", "on_time", "proposed"} <= states
    assert {"ok", "missing", "mismatch"} <= dns
    assert "User unknown" in _page(visitor, "/admin/mailrelay/message/?tab=failed")
    assert "was delivered" in _page(visitor, "/admin/home/latest/")


def test_what_came_back_and_what_logs_and_reports_say_is_there(visitor: Visitor) -> None:
    suppressed = _page(visitor, "/admin/suppressions/")
    for address in ("rosa@lindgarden.example", "petr@kolar-sons.example", "vera@holm.example"):
        assert address in suppressed
    assert "theo@brook.example" not in suppressed  # a full mailbox may have room again
    assert "4 reports read" in _page(visitor, "/admin/returned/")
    assert "on the suppression list" in _page(visitor, "/admin/mailrelay/message/?tab=failed")
    found = _page(visitor, "/admin/find-mail/?tab=failed")
    assert {"Bounced", "Refused"} <= set(re.findall(r"Bounced|Refused", found))
    assert "office@busy.example" in _page(visitor, "/admin/find-mail/?tab=waiting")
    assert "admin@harbour.example" in _page(visitor, "/admin/find-mail/?tab=connections")
    reports = _page(visitor, "/admin/mail-relay/dns/1/reports/")
    for text in (
        "relay.example (your relay)",
        "Meadow Community Hosting",
        "over TLS, 0 failed",
        "google.com",
    ):
        assert text in reports
    lists = _page(visitor, "/admin/mail-relay/dns/blocklists/")
    assert "none is listed" in lists and "No longer listed" in lists


def test_a_proof_of_each_kind_is_there_and_one_that_is_sent_now_comes_back(
    demo: Demo, visitor: Visitor
) -> None:
    found = visitor.read(demo, "/api/mail/proofs")["results"]
    assert {proof["state"] for proof in found} == {"proven", "failed", "unclear", "underway"}
    assert all(proof["state"] == "proven" for proof in found if proof["scheduled"])
    (failed,) = (proof for proof in found if proof["state"] == "failed")
    assert "relay._domainkey.orchard.example does not exist" in failed["sentence"]
    inbox = failed["inbox"]
    sent = visitor.ask(demo, "/api/mail/proofs", {"way": "relay", "inbox": inbox})["id"]

    def judged() -> bool:
        return bool(visitor.read(demo, f"/api/mail/proofs/{sent}")["state"] == "proven")

    wait_until(judged, "the proof comes back", 180)


def test_a_mail_that_is_sent_now_is_captured_and_opens_as_it_was_sent(demo: Demo, visitor: Visitor) -> None:
    mail: dict[str, object] = {"to": ["guest@elsewhere.example"], "subject": "Hello & <welcome>", "text": "In words",
                               "html": "<p>In <b>colour</b></p><script>alert(1)</script>"}  # fmt: skip
    number = visitor.send(demo, mail)
    wait_until(lambda: "Hello & <welcome>" in _page(visitor, "/admin/captured/"), "the mail is captured", 120)
    newest = next(
        each
        for each in store.listed(demo.folder / "captured", 50)
        if each.recipients == ("guest@elsewhere.example",)
    )
    shown = _page(visitor, f"/admin/captured/{newest.number}/")
    assert "In words" in shown and "Envelope recipients" in shown and "guest@elsewhere.example" in shown
    assert f"/admin/mailrelay/message/{number}/change/" in shown
    framed = visitor.get(f"/admin/captured/{newest.number}/html/")[1].decode()
    assert "<b>colour</b>" in framed and "<script" not in framed
    assert visitor.get(f"/admin/captured/{newest.number}/source/")[1] == newest.data
    assert visitor.get(f"/admin/captured/{newest.number + 1}/")[0] == 404
    assert "captured by the demo" in _page(visitor, f"/admin/mailrelay/message/{number}/change/")


def test_older_ones_are_on_further_pages(visitor: Visitor) -> None:
    first = _page(visitor, "/admin/captured/")
    (older,) = re.findall(r'href="(\?before=\d+)"', first)
    second = _page(visitor, f"/admin/captured/{older}")
    subjects = [re.findall(r'class="x-subject" href="([^"]+)"', page) for page in (first, second)]
    assert len(subjects[0]) == len(subjects[1]) == 25
    assert not set(subjects[0]) & set(subjects[1])


def test_a_stranger_sees_no_captured_mail(demo: Demo) -> None:
    stranger = Visitor(demo)  # type: ignore[arg-type]
    assert "Sign in" in stranger.get("/admin/captured/")[1].decode()
    newest = store.listed(demo.folder / "captured", 1)[0]
    assert newest.data not in stranger.get(f"/admin/captured/{newest.number}/source/")[1]


def test_it_goes_on_when_it_is_kept_and_is_made_anew_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with Demo(folder) as first:
        password = first.password
        sign_in(first, password).send(
            first, {"to": ["guest@elsewhere.example"], "subject": "Kept", "text": "x"}
        )
        wait_until(lambda: _has(folder, "Kept"), "the mail is captured", 120)
    with Demo(folder, keep=True) as kept:
        assert "Password" not in kept.node.text and _has(folder, "Kept")
        sign_in(kept, password)
    with Demo(folder) as anew:
        assert anew.password != password and not _has(folder, "Kept")
        sign_in(anew, anew.password)


def _has(folder: Path, subject: str) -> bool:
    return any(f"Subject: {subject}".encode() in mail.data for mail in store.listed(folder / "captured", 50))
