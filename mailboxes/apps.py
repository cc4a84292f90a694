"""The app's entry in INSTALLED_APPS."""

from typing import Any

from django.apps import AppConfig


class MailboxesConfig(AppConfig):
    """The mailbox stack."""

    name = "mailboxes"
    verbose_name = "Mailboxes"

    def ready(self) -> None:
        """Registers metrics and the check of ``doctor``, and follows the relay settings."""
        from mailboxes.monitoring import addresses, mailflow, metrics, stack
        from mailrelay.relay.settings import relay_changed
        from quazzar.monitoring import doctor
        from quazzar.monitoring.metrics import register_collector

        relay_changed.connect(_follow_the_relay, dispatch_uid="mailboxes.relay")
        doctor.register("stack", stack.examine)
        doctor.register("addresses", addresses.examine)
        doctor.register("mail queue", mailflow.queue)
        doctor.register("mail clients", mailflow.clients)
        doctor.register("mail images", mailflow.images)
        register_collector(metrics.collect)


def _follow_the_relay(**_: Any) -> None:
    from mailboxes.stack.control import follow_relay

    follow_relay()
