"""The app's entry in INSTALLED_APPS."""

from django.apps import AppConfig


class MailRelayConfig(AppConfig):
    """Outbound mail."""

    name = "mailrelay"
    verbose_name = "Mail Relay"

    def ready(self) -> None:
        """Connects the worker's signals, and says what there is to tell of the queue."""
        from mailrelay import monitoring as figures
        from mailrelay import workersignals  # noqa: F401
        from quazzar.monitoring import doctor, metrics

        doctor.register("relay", figures.examine)
        metrics.register_collector(figures.collect)
