"""The app's entry in INSTALLED_APPS."""

from typing import Any

from django.apps import AppConfig


class MailboxesConfig(AppConfig):
    """The mailbox stack."""

    name = "mailboxes"
    verbose_name = "Mailboxes"

    def ready(self) -> None:
        """Registers metrics and the check of ``doctor``, and follows the relay settings."""
        from mailboxes import monitoring
        from mailrelay.relay.settings import relay_changed
        from quazzar.monitoring import doctor, metrics

        relay_changed.connect(_follow_the_relay, dispatch_uid="mailboxes.relay")
        doctor.register("stack", monitoring.examine)
        metrics.register_collector(monitoring.collect)


def _follow_the_relay(**_: Any) -> None:
    from mailboxes.stack.control import follow_relay

    follow_relay()
