"""The app's entry in INSTALLED_APPS."""

from __future__ import annotations

from django.apps import AppConfig


class DnsRecordsConfig(AppConfig):
    """What to paste at the registrar, and whether it is there."""

    name = "dnsrecords"
    verbose_name = "DNS records"

    def ready(self) -> None:
        """Registers what the node reports about DNS records."""
        from dnsrecords import monitoring
        from quazzar.monitoring import doctor, metrics

        doctor.register("dns", monitoring.examine)
        metrics.register_collector(monitoring.collect)
