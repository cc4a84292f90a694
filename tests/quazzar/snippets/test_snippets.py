"""What to paste for an API key: which snippets it gets, and that they are what each program reads."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from quazzar import rights
from quazzar.snippets.snippets import PLACEHOLDER, RECIPIENT, by_tool, snippets

URL, KEY = "https://node.example.com:8443", "qzr_" + "a" * 46
ALL = {each.id: each for each in snippets(f"{URL}/", KEY, rights.SCOPES)}
#: What Uptime Kuma's template engine makes of the three expressions in its body (tried with LiquidJS 10).
KUMA_UP = {
    '{{ monitorJSON.name | default: "Uptime Kuma" | json }}': json.dumps('Web "1"'),
    "{% if heartbeatJSON.status == 1 %}resolved{% else %}firing{% endif %}": "resolved",
    "{{ msg | json }}": json.dumps('[Web "1"] [✅ Up] 200 - OK\n'),
}


def test_a_key_gets_what_its_scopes_allow_and_nothing_else() -> None:
    for scope, there, not_there in (
        ("mail:send", "curl-alert", "curl-failed"),
        ("mail:read", "curl-failed", "curl-test"),
        ("mail:write", "curl-test", "curl-message"),
    ):
        ids = [each.id for each in snippets(URL, KEY, [scope])]
        assert there in ids and not_there not in ids, scope
    assert snippets(URL, KEY, []) == []


def test_what_the_user_of_the_key_may_not_do_is_left_out() -> None:
    found = snippets(URL, KEY, rights.SCOPES, may=lambda right: right is rights.SEE_QUEUE)
    assert [each.id for each in found] == ["curl-failed"]


def test_key_and_address_are_filled_in_everywhere() -> None:
    for each in ALL.values():
        assert "@url@" not in each.text and "@key@" not in each.text and "@to@" not in each.text, each.id
        assert each.text.endswith("\n") and "//api" not in each.text.replace("://", ""), each.id
    without = {"kuma-url", "kuma-body", "sendmail"}
    assert {name for name, each in ALL.items() if KEY not in each.text} == without
    assert PLACEHOLDER in snippets(URL, PLACEHOLDER, ["mail:send"])[0].text


@pytest.mark.parametrize(
    ("address", "shown"),
    [("anna@lab.test", "anna@lab.test"), ("", RECIPIENT), ("o'brien@lab.test", RECIPIENT)],
)
def test_the_recipient_is_the_reader_unless_the_address_needs_quotes(address: str, shown: str) -> None:
    assert shown in snippets(URL, KEY, ["mail:send"], to=address)[0].text


def test_a_text_that_looks_like_a_marker_stays_as_it_is() -> None:
    assert "@key@" in snippets(URL, "@key@", ["mail:send"])[0].text


def test_snippets_of_one_program_stand_together_in_order() -> None:
    tools = by_tool(ALL.values())
    assert list(tools) == [
        "curl",
        "Python",
        "Alertmanager",
        "Grafana",
        "Uptime Kuma",
        "Backup job",
        "sendmail",
    ]
    assert [each for found in tools.values() for each in found] == list(ALL.values())


def test_shell_and_python_can_read_their_snippets() -> None:
    for name, each in ALL.items():
        if name.startswith("python"):
            ast.parse(each.text)
        elif name.startswith(("curl", "backup", "sendmail")):
            subprocess.run(["sh", "-n"], input=each.text.encode(), check=True)


def test_crontab_takes_the_line_whole() -> None:
    line = ALL["cron"].text
    assert line.count("\n") == 1 and "%" not in line
    assert line.split()[:5] == ["0", "2", "*", "*", "*"]


def test_grafana_is_told_to_post_with_the_key() -> None:
    (point,) = yaml.safe_load(ALL["grafana"].text)["contactPoints"]
    (receiver,) = point["receivers"]
    assert receiver["type"] == "webhook"
    assert receiver["settings"] == {
        "url": f"{URL}/api/mail/alerts",
        "httpMethod": "POST",
        "authorization_scheme": "Bearer",
        "authorization_credentials": KEY,
    }


def kuma_body(values: dict[str, str]) -> Any:
    """The body that Uptime Kuma posts."""
    text = ALL["kuma-body"].text
    for expression, value in values.items():
        assert expression in text
        text = text.replace(expression, value)
    return json.loads(text)


def test_uptime_kuma_posts_json_with_the_key() -> None:
    assert json.loads(ALL["kuma-headers"].text)["Authorization"] == f"Bearer {KEY}"
    assert ALL["kuma-url"].text.strip() == f"{URL}/api/mail/alerts"
    body = kuma_body(KUMA_UP)
    assert body["rule"] == 'Web "1"' and body["state"] == "resolved"


@pytest.mark.real
def test_amtool_finds_no_fault_with_the_alertmanager_configuration(tmp_path: Any) -> None:
    if not shutil.which("amtool"):
        pytest.skip("amtool is missing: apt-get install -y prometheus-alertmanager")
    for url, good in ((URL, True), ("not a url", False)):
        text = {each.id: each.text for each in snippets(url, KEY, ["mail:send"])}["alertmanager"]
        file = tmp_path / "alertmanager.yml"
        file.write_text(text)
        done = subprocess.run(
            ["amtool", "check-config", str(file)], capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) is good, done.stdout + done.stderr
