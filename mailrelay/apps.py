"""The app's entry in INSTALLED_APPS."""

from django.apps import AppConfig


class MailRelayConfig(AppConfig):
    """Outbound mail."""

    name = "mailrelay"
    verbose_name = "Mail Relay"

    def ready(self) -> None:
        """Connects the worker's signals."""
        from mailrelay import workersignals  # noqa: F401
