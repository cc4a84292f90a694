"""Phases, health, rows and storage in words, each with a tone (ok, busy, wait, bad, off)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from mailboxes.models import Alias, Domain, ImageUpgrade, ImportJob, Mailbox, Stack
from mailboxes.stack import versions
from quazzar import words
from quazzar.console import shown

Phase = Stack.Phase
WORKING = (Phase.PREFLIGHT, Phase.PULLING, Phase.CREATING, Phase.STARTING)
_PHASES: dict[str, tuple[str, str]] = {
    Phase.DISABLED: ("Off", "off"),
    Phase.HEALTHY: ("Healthy", "ok"),
    Phase.DEGRADED: ("Needs attention", "wait"),
    Phase.FAILED: ("Failed", "bad"),
    Phase.STOPPING: ("Stopping", "busy"),
}
_HEALTH = {
    "healthy": ("Healthy", "ok"),
    "starting": ("Starting", "busy"),
    "unhealthy": ("Unhealthy", "bad"),
    "none": ("Running", "ok"),
}
_STATUS = {
    "absent": ("Missing", "off"),
    "created": ("Not started", "wait"),
    "restarting": ("Restarting", "wait"),
    "exited": ("Stopped", "bad"),
    "dead": ("Stopped", "bad"),
    "paused": ("Paused", "bad"),
}
_JOBS: dict[str, str] = {
    ImportJob.State.RUNNING: "busy",
    ImportJob.State.DONE: "ok",
    ImportJob.State.FAILED: "bad",
}
SERVICES = {
    "postfix": ("Postfix", "Accepts and delivers mail", "SMTP"),
    "dovecot": ("Dovecot", "Stores and serves mail", "IMAP"),
    "rspamd": ("Rspamd", "Scans for spam", "Web interface"),
}
_MIB = 1024 * 1024


def stage(stack: Stack) -> str:
    """Which page to show: off, working, failed, stopping or on."""
    if not stack.enabled:
        return "stopping" if stack.phase == Phase.STOPPING else "off"
    if stack.phase == Phase.FAILED:
        return "failed"
    return "on" if stack.phase in (Phase.HEALTHY, Phase.DEGRADED) else "working"


def stack_badge(stack: Stack) -> SafeString:
    """The stack's phase as a badge."""
    if stack.enabled and stack.phase == Phase.DISABLED:
        return shown.badge("Starting", "busy")
    return shown.badge(*_PHASES.get(stack.phase, (Phase(stack.phase).label, "busy")))


@dataclass(frozen=True, slots=True)
class Service:
    """One of the three containers, as the pages show it."""

    id: str
    name: str
    purpose: str
    speaks: str
    word: str
    tone: str
    image: str
    ports: str
    version: str


def services(stack: Stack) -> list[Service]:
    """All three containers, even before the worker has seen any."""
    seen = {service.get("name", ""): service for service in stack.services}
    running = {version.service: version.sentence for version in versions.read(stack)}
    return [_service(id_, seen.get(id_, {}), running[id_]) for id_ in SERVICES]


def _service(id_: str, seen: dict[str, Any], version: str) -> Service:
    status, health = seen.get("status", "absent"), seen.get("health", "none")
    word, tone = _STATUS.get(status) or _HEALTH.get(health, ("Unknown", "off"))
    ports = ", ".join(str(port) for port in seen.get("ports", []))
    return Service(id_, *SERVICES[id_], word, tone, str(seen.get("image", "")), ports, version)


def row_badge(row: Mailbox | Alias | Domain, *, enabled: bool) -> SafeString:
    """Whether the running stack has the row as it is, as a badge."""
    if isinstance(row, Mailbox):
        hashed = row.password_hash
        if hashed is not None and not hashed.readable:
            return shown.badge("Needs a new password", "bad")
        if hashed is None and (row.synced or not enabled):
            return shown.badge("No password", "wait")
    if not enabled:
        return shown.badge("Server is off", "off")
    if not row.synced:
        return shown.badge("On its way", "busy")
    if getattr(row, "enabled", True) is False:
        return shown.badge("Disabled", "off")
    return shown.badge("Live", "ok")


def alias_badge(alias: Alias, warnings: list[str], *, enabled: bool) -> SafeString:
    """As ``row_badge``, but an alias whose mail is refused is not live."""
    if enabled and alias.synced and alias.enabled and len(warnings) >= len(alias.destinations):
        return shown.badge("Refused", "bad")
    return row_badge(alias, enabled=enabled)


def job_badge(job: ImportJob) -> SafeString:
    """An import's state as a badge."""
    return shown.badge(ImportJob.State(job.state).label, _JOBS[job.state])


_UPGRADES: dict[str, str] = {
    ImageUpgrade.State.DONE: "ok",
    ImageUpgrade.State.ROLLED_BACK: "bad",
    ImageUpgrade.State.FAILED: "wait",
}


def upgrade_badge(upgrade: ImageUpgrade) -> SafeString:
    """An upgrade's state as a badge."""
    return shown.badge(ImageUpgrade.State(upgrade.state).label, _UPGRADES.get(upgrade.state, "busy"))


@dataclass(frozen=True, slots=True)
class Usage:
    """How much a mailbox holds: in words, and as a bar (``percent`` is None without a limit)."""

    text: str
    percent: int | None
    tone: str


def usage(mailbox: Mailbox) -> Usage:
    """How much a mailbox holds of its quota."""
    used = words.size(mailbox.usage_bytes)
    if not mailbox.quota_mb:
        return Usage(f"{used}, no limit", None, "")
    limit = mailbox.quota_mb * _MIB
    percent = mailbox.usage_bytes * 100 // limit
    tone = next((tone for least, tone in ((100, "full"), (95, "high"), (80, "near")) if percent >= least), "")
    return Usage(f"{used} of {words.size(limit)}", percent, tone)
