"""Asking for an upgrade of the images, and what API, console and command show of upgrades."""

from __future__ import annotations

from mailboxes import changes
from mailboxes.models import ImageUpgrade, Stack
from quazzar import actors
from quazzar.access import audit
from quazzar.errors import QuazzarError

_SETTLED = (Stack.Phase.HEALTHY, Stack.Phase.DEGRADED)


class NotUpgradable(QuazzarError):
    """There is no running mail server to upgrade, or an upgrade is under way."""

    status = 409


def start() -> ImageUpgrade:
    """Asks the worker to upgrade the images.

    Raises:
        NotUpgradable: the mail server does not run (``stack_not_running``), or an upgrade is under way
            (``upgrade_running``).
    """
    with changes.writing():
        stack = Stack.load()
        if ImageUpgrade.objects.open().exists():
            raise NotUpgradable(
                "The images are being upgraded already.",
                hint="Wait until that upgrade has ended.",
                code="upgrade_running",
            )
        if not stack.enabled or stack.phase not in _SETTLED:
            raise NotUpgradable(
                "The mail server does not run, so its images cannot be upgraded.",
                hint="Enable it; it starts with the images that the settings name.",
                code="stack_not_running",
            )
        upgrade = ImageUpgrade.objects.create(
            actor=actors.current().name[:200], message="Waiting for the worker"
        )
        audit.record("stack.images_upgrade_started", stack.hostname)
        changes.announce()
    return upgrade


def latest() -> ImageUpgrade | None:
    """The upgrade under way, or the last one."""
    return ImageUpgrade.objects.first()
