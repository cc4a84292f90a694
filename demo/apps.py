"""The configuration of the app ``demo``, which only demo.settings installs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine


class DemoConfig(AppConfig):
    """Captured mail in the console, and in inboxes."""

    name = "demo"
    verbose_name = "Demo"

    def ready(self) -> None:
        """Skip the clock check, since a demo needs no synchronised clock; keep inboxes and mail server apart."""
        from demo import letterbox
        from quazzar.monitoring import doctor

        letterbox.install()
        doctor.register("clock", lambda: doctor.idle("The demo does not check the clock."))
        if os.environ.get("DEMO_MAIL_SERVER"):
            from mailboxes.engine import connect

            connect.to_docker = _to_docker


def _to_docker(timeout: float = 30.0) -> Engine:
    from demo.mailserver import Apart

    return Apart(timeout)
