"""What to paste where, with the key and the address of this node filled in. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from quazzar import rights
from quazzar.snippets import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from quazzar.rights import Right

#: Stands in for a key that is not known any more.
PLACEHOLDER = "YOUR_API_KEY"
#: Stands in for a recipient.
RECIPIENT = "ops@example.com"
_CHECKOUT = Path(__file__).resolve().parents[2]
#: Needs no quotes in a shell, in JSON or in YAML.
_HARMLESS = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Snippet:
    """One text to copy.

    Attributes:
        id: names it for tests and pages, such as ``curl-alert``.
        tool: the program that takes it; snippets of one program are shown together.
        title: what it does, or the field that it goes into.
        right: what the key's user needs for it; its scope is what the key needs.
        text: what to paste; ends with a line break.
        where: a sentence about where it goes; may be empty.
    """

    id: str
    tool: str
    title: str
    right: Right
    text: str
    where: str = ""


_ALL = (
    Snippet("curl-message", "curl", "Send a mail", rights.SEND, texts.CURL_MESSAGE),
    Snippet(
        "curl-alert",
        "curl",
        "Raise an alert",
        rights.SEND,
        texts.CURL_RAISE,
        "The alert recipients get it. The same alert within ten minutes is mailed only once.",
    ),
    Snippet("curl-resolve", "curl", "Resolve the alert", rights.SEND, texts.CURL_RESOLVE),
    Snippet("curl-backup", "curl", "Report a backup", rights.SEND, texts.CURL_BACKUP),
    Snippet("curl-failed", "curl", "List failed messages", rights.SEE_QUEUE, texts.CURL_FAILED),
    Snippet(
        "curl-test",
        "curl",
        "Test the relay",
        rights.TEST_RELAY,
        texts.CURL_TEST,
        "Sends a test mail with the saved settings and returns what the relay said.",
    ),
    Snippet(
        "python-message",
        "Python",
        "Send a mail",
        rights.SEND,
        texts.PYTHON_MESSAGE,
        "Needs nothing but Python's standard library.",
    ),
    Snippet("python-alert", "Python", "Raise an alert", rights.SEND, texts.PYTHON_ALERT),
    Snippet(
        "alertmanager",
        "Alertmanager",
        "alertmanager.yml",
        rights.SEND,
        texts.ALERTMANAGER,
        "If you already have routes and receivers, add only the receiver and name it in a route. Check "
        "the file with amtool check-config, then reload Alertmanager.",
    ),
    Snippet(
        "grafana",
        "Grafana",
        "provisioning/alerting/quazzar.yaml",
        rights.SEND,
        texts.GRAFANA,
        "Save it in Grafana's provisioning folder and restart Grafana. Or click Alerting, Contact points, "
        "Add contact point, Webhook. Paste the URL and, in the optional settings, the scheme Bearer and "
        "the key.",
    ),
    Snippet(
        "kuma-url",
        "Uptime Kuma",
        "Post URL",
        rights.SEND,
        texts.KUMA_URL,
        "In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: "
        "In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: "
        "In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: "
        "In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: "
        "In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: "
        "In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: "
        "In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: "
        "In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: "
        "In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: "
        "In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: In Uptime Kuma: "
        "Settings, Notifications, Setup Notification, type Webhook.",
    ),
    Snippet(
        "kuma-body",
        "Uptime Kuma",
        "Request Body: Custom Body",
        rights.SEND,
        texts.KUMA_BODY,
        "Down raises an alert with the monitor's name; up resolves it.",
    ),
    Snippet("kuma-headers", "Uptime Kuma", "Additional Headers", rights.SEND, texts.KUMA_HEADERS),
    Snippet(
        "cron",
        "Backup job",
        "Line for crontab -e",
        rights.SEND,
        texts.CRON,
        "Replace /usr/local/bin/backup with your own command. Only its success or failure is reported.",
    ),
    Snippet(
        "backup-script",
        "Backup job",
        "Script that also reports how long it took",
        rights.SEND,
        texts.BACKUP_SCRIPT,
        "It contains the key, so make it private with chmod 700.",
    ),
    Snippet(
        "sendmail",
        "sendmail",
        "On this node",
        rights.SEND,
        texts.SENDMAIL,
        "Needs no key: root and the user who runs Mail Relay may use it. Install it as /usr/sbin/sendmail "
        "to send mail from cron, mdadm and smartd.",
    ),
)


def snippets(
    base_url: str,
    key: str,
    scopes: Collection[str],
    *,
    to: str = "",
    may: Callable[[Right], bool] = lambda right: True,
) -> list[Snippet]:
    """What a key with these scopes can be used for, ready to paste.

    Args:
        base_url: where programs reach this node, such as ``https://mail.example.com``.
        key: the API key, or ``PLACEHOLDER``.
        scopes: the key's.
        to: recipient in the examples, if it needs no quotes anywhere; else ``RECIPIENT``.
        may: whether the key's user has a right; by default only the scopes decide.
    """
    filled = {
        "@url@": base_url.rstrip("/"),
        "@key@": key,
        "@to@": to if _HARMLESS.fullmatch(to) else RECIPIENT,
        "@checkout@": str(_CHECKOUT),
    }
    return [
        replace(each, text=_fill(each.text, filled))
        for each in _ALL
        if each.right.scope in scopes and may(each.right)
    ]


def by_tool(found: Iterable[Snippet]) -> dict[str, list[Snippet]]:
    """The same, under the program that takes them."""
    tools: dict[str, list[Snippet]] = {}
    for each in found:
        tools.setdefault(each.tool, []).append(each)
    return tools


def _fill(text: str, values: dict[str, str]) -> str:
    return re.sub("|".join(values), lambda match: values[match[0]], text)
