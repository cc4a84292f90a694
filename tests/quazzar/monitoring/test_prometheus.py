"""The rules and the dashboard in docs/monitoring: real promtool takes them, and every metric in them exists."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils import timezone

from dnsrecords.models import BlocklistEntry, Proof, ProofSchedule, ReceivedReport, RefusedReport
from mailboxes.certificates import pem
from mailboxes.models import LogPosition, Stack
from mailboxes.quota.room import Room
from quazzar.monitoring import findings
from tests.mailboxes import factories
from tests.quazzar.nodes import ROOT
from tests.rig import or_skip
from tests.rig.daemon import program

FOLDER = ROOT / "docs/monitoring"
#: A metric of ours, of Django's or of the process, with the suffix that its type gives it.
_NAME = re.compile(r"\b(?:quazzar|django|process)_[a-z0-9_]+")
#: How Prometheus itself names the series of a histogram.
_PARTS = re.compile(r"_(bucket|sum|count)$")


def promtool(*argv: str) -> str:
    found = or_skip(lambda: program("promtool", "prometheus"))
    done = subprocess.run(
        [found, *argv], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
        for rule in group["rules"]
    ]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    return found


def expressions() -> list[str]:
    shown = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    return [*shown, *(rule["expr"] for rule in rules())]


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(
    "argv",
    [
        ("check", "rules", "rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "rules.test.yml"),
    ],
    ids=["rules", "config", "tests"],
)
def test_prometheus_takes_the_rules_and_they_fire_when_they_should(argv: tuple[str, ...]) -> None:
    assert "SUCCESS" in promtool(*argv)


@pytest.mark.real
@pytest.mark.slow
def test_prometheus_can_read_every_query_of_the_dashboard(tmp_path: Any) -> None:
    shown = [expr.replace("$instance", ".*") for expr in expressions()]
    group = {
        "name": "dashboard",
        "rules": [{"record": f"x:{n}", "expr": expr} for n, expr in enumerate(shown)],
    }
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [group]}))
    assert f"{len(shown)} rules found" in promtool("check", "rules", str(tmp_path / "queries.yml"))


def test_every_rule_says_how_serious_it_is_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules()) > 15
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule
        assert all(rule["annotations"][part].endswith(".") for part in ("summary", "description")), rule


def test_the_panels_have_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells and all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())
    assert len({panel["title"] for panel in panels()}) == len(panels())


@pytest.fixture
def _busy(db: None) -> None:
    """A node that has something for every metric."""
    now = timezone.now()
    certificate, _ = pem.self_signed("mail.example.com")
    factories.stack(
        enabled=True,
        hostname="mail.example.com",
        phase=Stack.Phase.HEALTHY,
        tls_certificate=certificate,
        tls_expires_at=now + timedelta(days=90),
        mail_queue={"count": 1, "oldest_at": now.isoformat(), "reasons": []},
        mail_disk=asdict(Room(100, 50, 1000, 500)),
        clients={"hidden": 1, "seen": 2},
    )
    domain = factories.domain("example.com")
    for kind in ReceivedReport.Kind.values:
        ReceivedReport.objects.create(
            domain=domain,
            kind=kind,
            key=kind,
            organisation="x",
            begins=now,
            ends=now,
            way="mail",
            total=5,
            failed=2,
        )
    RefusedReport.objects.create(day=now.date(), why="dates", count=1)
    BlocklistEntry.objects.create(subject="192.0.2.1", blocklist="psbl", listed=True)
    BlocklistEntry.objects.create(subject="192.0.2.1", blocklist="spamcop", trouble="refused")
    LogPosition.objects.create(service="postfix", lines=3, counts={"refused": 1})
    ProofSchedule.objects.create(pk=1, every="day", way="server", due_at=now)
    Proof.objects.create(
        nonce="1", way="server", state="failed", scheduled=True, to="a@b.test", finished_at=now
    )
    findings.look({"python"})


@pytest.mark.usefixtures("_busy")
def test_every_metric_in_rules_and_dashboard_exists(client: Client) -> None:
    client.get("/healthz")
    text = client.get("/metrics").content.decode()
    there = {
        line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if not line.startswith("#")
    }
    there |= {_PARTS.sub("", name) for name in there}
    used = {name for expr in expressions() for name in _NAME.findall(expr)}
    assert len(used) > 25
    assert not used - there
    ours = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE quazzar_")}
    # Nothing of ours is left out of the dashboard and the rules, but for what says the same as another.
    unused = {name for name in ours if name not in used and not name.endswith("_created")}
    assert unused <= {"quazzar_licence_valid", "quazzar_stack_hidden_clients_ratio", "quazzar_maillog_lines_total",
                      "quazzar_maillog_lag_seconds"}  # fmt: skip
    assert 'quazzar_dmarc_mails{domain="example.com",result="failed"} 2.0' in text
    assert 'quazzar_blocklist_listed{blocklist="psbl",subject="192.0.2.1"} 1.0' in text
    assert 'quazzar_blocklist_unanswered{blocklist="spamcop",why="refused"} 1.0' in text
    assert 'quazzar_reports_refused{why="dates"} 1.0' in text
    assert 'quazzar_proof_state{state="failed",way="server"} 1.0' in text
    assert 'quazzar_proof_state{state="proven",way="server"} 0.0' in text
