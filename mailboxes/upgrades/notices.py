"""What became of an upgrade: in the audit log, and as a mail to the alert recipients if it was rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailboxes.models import ImageUpgrade, Stack
from mailrelay.notices.notify import notify_operator
from quazzar.access import audit

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENDS = {
    ImageUpgrade.State.DONE: "stack.images_upgraded",
    ImageUpgrade.State.ROLLED_BACK: "stack.images_rolled_back",
    ImageUpgrade.State.FAILED: "stack.images_not_upgraded",
}


def tell(upgrade: ImageUpgrade) -> None:
    """Records how it ended, in the current transaction, and mails if it was rolled back."""
    audit.record(_ENDS[ImageUpgrade.State(upgrade.state)], Stack.load().hostname)
    if upgrade.state == ImageUpgrade.State.ROLLED_BACK:
        notify_operator(*operator_mail(upgrade))


def changed(upgrade: ImageUpgrade) -> list[str]:
    """A line for each image that differs: ``Postfix 3.10.4 → 3.10.5 (boky/postfix:v5.1.1)``."""
    return [
        f"{service.title()} {_version(upgrade.before.get(service, {}))} → {_version(image)} ({image['ref']})"
        for service, image in upgrade.after.items()
        if image.get("id") != upgrade.before.get(service, {}).get("id")
    ]


def _version(image: Mapping[str, str]) -> str:
    return image.get("version") or image.get("id", "").removeprefix("sha256:")[:12] or "unknown"


def operator_mail(upgrade: ImageUpgrade) -> tuple[str, str]:
    """Subject and text of the mail about an upgrade that was rolled back."""
    error = upgrade.error or {}
    step = ImageUpgrade.State(upgrade.failed_at or ImageUpgrade.State.FETCHING).label.lower()
    lines = [
        f"The upgrade of the mail server's images was rolled back while {step}.",
        "",
        str(error.get("message", "")),
        str(error.get("hint", "")),
        "",
        "What was to change:",
        *(f"  {line}" for line in changed(upgrade)),
        "",
        "The mail server runs the same images as before, with the same mail. Mail that arrived in the meantime was",
        "asked to come again, and nothing that had been accepted is lost. Mail → Mailboxes → Server shows the upgrade.",
    ]
    return "[Mail server] The upgrade was rolled back", "\n".join(lines) + "\n"
