"""An API key made in the browser, and everything that its page offers to paste run against this console."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Page, expect

from tests.browser.chromium import PHONE, Chromium
from tests.contract.test_alerts import GRAFANA
from tests.live.console import Console
from tests.quazzar.nodes import wait_until
from tests.quazzar.snippets.test_snippets import KUMA_UP
from tests.rig import LOOPBACK, Missing, free_port, or_skip
from tests.rig.postfix import RealPostfix

pytestmark = pytest.mark.real
ADD = "/admin/quazzar/apikey/add/"


def make_key(chromium: Chromium, name: str, *scopes: str) -> Page:
    """The page that shows a new key."""
    page = chromium.page(ADD)
    page.get_by_label("Name").fill(name)
    for scope in ("Send mail", "Read everything", "Change settings"):
        page.get_by_role("checkbox", name=scope).set_checked(scope in scopes)
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("#key")).to_be_visible()
    return page


@pytest.fixture
def pasted(chromium: Chromium, node: Console, provider: RealPostfix) -> dict[str, str]:
    """Id → text of what the page of a new key offers, on a node with a relay."""
    node.use_relay(provider.plain_port)
    page = make_key(chromium, "everything", "Send mail", "Read everything", "Change settings")
    found = page.locator(".k-text").all()
    texts = {
        (each.get_attribute("id") or "").removeprefix("snippet-"): each.text_content() or "" for each in found
    }
    page.close()
    return texts


def newest(node: Console) -> dict[str, Any]:
    """The message that was queued last."""
    return dict(node.get("/api/mail/messages?page_size=1")[1]["results"][0])


def sh(text: str, **env: str) -> str:
    """What a shell prints."""
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (text, done.stderr)
    return done.stdout


def test_what_is_pasted_into_a_shell_works(pasted: dict[str, str], node: Console) -> None:
    for name, subject in (
        ("curl-message", "Hello"),
        ("curl-alert", "[FIRING] Disk full"),
        ("curl-resolve", "[RESOLVED] Disk full"),
        ("curl-backup", "[Backup failed] nightly"),
    ):
        answer = json.loads(sh(pasted[name]))
        assert "error" not in answer, answer
        assert newest(node)["id"] == answer["id"]
        assert newest(node)["subject"].startswith(subject), name
    assert "results" in json.loads(sh(pasted["curl-failed"]))
    assert json.loads(sh(pasted["curl-test"]))["stage"] not in ("resolve", "connect")


def test_what_is_pasted_into_python_works(pasted: dict[str, str], node: Console, tmp_path: Path) -> None:
    for name, subject in (("python-message", "Hello"), ("python-alert", "[FIRING] Disk full")):
        script = tmp_path / f"{name}.py"
        script.write_text(pasted[name])
        done = subprocess.run([sys.executable, "-I", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert newest(node)["subject"].startswith(subject)


def test_a_backup_job_reports_how_it_ended(pasted: dict[str, str], node: Console) -> None:
    line = pasted["cron"].split(maxsplit=5)[5]
    for name, text in (("cron", line), ("script", pasted["backup-script"])):
        for command, subject in (("true", "[Backup ok] nightly"), ("false", "[Backup failed] nightly")):
            before = newest(node)["id"] if node.get("/api/mail/messages")[1]["count"] else 0
            sh(text.replace("/usr/local/bin/backup", command))
            assert newest(node)["id"] != before, name
            assert newest(node)["subject"].startswith(subject), name


def test_sendmail_takes_a_mail_without_a_key(pasted: dict[str, str], node: Console) -> None:
    done = subprocess.run(
        ["sh", "-c", pasted["sendmail"]],
        env={**node.env, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert newest(node)["source"] == "sendmail"


def test_grafana_and_uptime_kuma_are_understood(pasted: dict[str, str], node: Console) -> None:
    settings = yaml.safe_load(pasted["grafana"])["contactPoints"][0]["receivers"][0]["settings"]
    bearer = f"{settings['authorization_scheme']} {settings['authorization_credentials']}"
    path = settings["url"].removeprefix(node.url(""))
    status, answer = node.call(settings["httpMethod"], path, GRAFANA, Authorization=bearer)
    assert (status, answer["id"]) == (202, newest(node)["id"])

    body = pasted["kuma-body"]
    for expression, value in KUMA_UP.items():
        body = body.replace(expression, value)
    path = pasted["kuma-url"].strip().removeprefix(node.url(""))
    status, content = node.exchange("POST", path, body.encode(), **json.loads(pasted["kuma-headers"]))
    assert status == 202, content
    assert 'RESOLVED] Web "1"' in newest(node)["subject"]


class Alertmanager:
    """Debian's Alertmanager on this machine. Use as a context."""

    def __init__(self, configuration: str, directory: Path) -> None:
        program = shutil.which("prometheus-alertmanager")
        if program is None:
            raise Missing("Alertmanager", "prometheus-alertmanager")
        self.directory, self.url = directory, f"http://{LOOPBACK}:{free_port()}"
        (directory / "alertmanager.yml").write_text(configuration)
        self.argv = [
            program, "--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]  # fmt: skip

    def __enter__(self) -> Alertmanager:
        with (self.directory / "log").open("w") as log:
            self.process = subprocess.Popen(self.argv, cwd=self.directory, stdout=log, stderr=log)
        wait_until(lambda: self.amtool("alert", "query").returncode == 0, "Alertmanager answers")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def amtool(self, *args: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["amtool", f"--alertmanager.url={self.url}", *args], capture_output=True, check=False
        )


@pytest.fixture
def alertmanager(pasted: dict[str, str], tmp_path: Path) -> Iterator[Alertmanager]:
    # It would wait 30 seconds for other alerts of the group.
    text = pasted["alertmanager"].replace("receiver: quazzar\n", "receiver: quazzar\n  group_wait: 0s\n", 1)
    with or_skip(lambda: Alertmanager(text, tmp_path)) as found:
        yield found


def test_alertmanager_mails_an_alert_with_the_pasted_configuration(
    alertmanager: Alertmanager, node: Console
) -> None:
    assert alertmanager.amtool("alert", "add", "alertname=Pasted", "severity=critical").returncode == 0
    wait_until(lambda: "Pasted" in newest(node)["subject"], "the alert is queued")
    assert newest(node)["source"] == "alert"


def test_a_key_gets_only_what_its_scopes_allow(chromium: Chromium) -> None:
    page = make_key(chromium, "reader", "Read everything")
    ids = [each.get_attribute("id") for each in page.locator(".k-text").all()]
    assert ids == ["snippet-curl-failed"]
    page.reload()


def test_tabs_copying_and_later_visits_work_by_keyboard(chromium: Chromium) -> None:
    page = make_key(chromium, "keyboard", "Send mail")
    key = page.locator("#key").text_content() or ""
    assert re.fullmatch(r"qzr_[0-9A-Za-z]{46}", key)
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Alertmanager")).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_contain_text(key)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy: Alertmanager")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copy: Alertmanager")).to_contain_text("Copied")
    page.get_by_role("link", name="back to the keys").click()
    page.get_by_role("link", name="keyboard", exact=True).click()
    expect(page.get_by_role("tabpanel")).to_contain_text("YOUR_API_KEY")
    assert key not in page.content()


def test_a_key_is_revoked_after_a_question(chromium: Chromium, node: Console) -> None:
    page = make_key(chromium, "short-lived", "Read everything")
    bearer = f"Bearer {page.locator('#key').text_content()}"
    assert node.call("GET", "/api/mail/messages", Authorization=bearer)[0] == 200
    page.get_by_role("link", name="back to the keys").click()
    page.get_by_role("link", name="Revoke short-lived").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Revoke short-lived?")
    dialog.get_by_role("button", name="Cancel").click()
    assert node.call("GET", "/api/mail/messages", Authorization=bearer)[0] == 200
    page.get_by_role("button", name="Revoke key…").click()
    dialog.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("1 API key was revoked.")).to_be_visible()
    assert node.call("GET", "/api/mail/messages", Authorization=bearer)[0] == 401


@pytest.mark.parametrize("path", ["/admin/quazzar/apikey/", ADD])
def test_the_pages_fit_a_phone(chromium: Chromium, path: str) -> None:
    page = chromium.page(path, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
