"""What the tests of the Mailboxes tab share."""

from __future__ import annotations

import html as html_of
import json
import re
from typing import Any

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from mailboxes.models import Stack
from quazzar.sealing.values import Sealed
from tests.mailboxes import factories

TAB = "/admin/mail-relay/mailboxes/"
#: What HTMX sends along.
HTMX = {"HX-Request": "true"}
LIST = {**HTMX, "HX-Target": "list"}
HEALTHY = [
    {"name": name, "image": f"{name}:1", "status": "running", "health": "healthy", "ports": [25]}
    for name in ("postfix", "dovecot", "rspamd")
]


def html(answer: Any) -> str:
    """The page as a browser shows it: entities read."""
    return html_of.unescape(answer.content.decode())


def grant(user: User, *codenames: str) -> None:
    """These permissions, and no others."""
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))


def running(**columns: Any) -> Stack:
    """A stack that is up."""
    usual: dict[str, Any] = {
        "enabled": True,
        "phase": "healthy",
        "hostname": "mail.example.com",
        "services": HEALTHY,
        "desired_generation": 7,
        "applied_generation": 7,
        "percent": 100,
        "observed_at": timezone.now(),
    }
    return factories.stack(**{**usual, **columns})


def revealed(sealed: Sealed[str] | None) -> str:
    """A secret that is there."""
    assert sealed is not None
    return sealed.reveal()


def told(answer: Any) -> str:
    """What the page says after something was done by HTMX."""
    return str(json.loads(answer["HX-Trigger"])["console-toast"]["text"])


def addresses(page: str) -> list[str]:
    """The addresses in a list, in order."""
    return re.findall(r'class="m-address">([^<]*)<', page.replace("<wbr>", ""))
