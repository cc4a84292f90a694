"""The app's entry in INSTALLED_APPS."""

from __future__ import annotations

from datetime import timedelta

from django.apps import AppConfig
from django.db.models.signals import post_save


class DnsRecordsConfig(AppConfig):
    """The DNS records to publish, and whether they are published."""

    name = "dnsrecords"
    verbose_name = "DNS records"

    def ready(self) -> None:
        """Registers what the node reports about DNS records, and follows the audit log."""
        from dnsrecords import home, monitoring
        from dnsrecords.blocklists import standing
        from dnsrecords.checking import schedule
        from dnsrecords.proof import standing as proofs
        from dnsrecords.reports import standing as reports
        from mailrelay.inbox import readers
        from quazzar import rights
        from quazzar.models import AuditEntry
        from quazzar.monitoring import doctor, metrics

        # Everything that changes what DNS records depend on is in the audit log.
        post_save.connect(schedule.on_audit, sender=AuditEntry, dispatch_uid="dnsrecords.schedule")
        doctor.register(
            "dns",
            monitoring.examine,
            area=doctor.Area.DNS,
            page="admin:dns_overview",
            right=rights.SEE_DNS,
            title="DNS records",
            again=schedule.make_due,
        )
        doctor.register(
            "blocklists",
            standing.examine,
            area=doctor.Area.DNS,
            page="admin:dns_blocklists",
            right=rights.SEE_DNS,
            title="Blocklists",
            every=timedelta(minutes=5),
        )
        doctor.register(
            proofs.CHECK,
            proofs.examine,
            area=doctor.Area.RELAY,
            page="admin:proofs",
            right=rights.SEE_RELAY,
            title="Delivery proof",
            every=timedelta(minutes=1),
        )
        doctor.register(
            "report addresses",
            reports.examine,
            area=doctor.Area.DNS,
            page="admin:dns_overview",
            right=rights.SEE_DNS,
            title="Addresses for reports",
            every=timedelta(minutes=5),
        )
        metrics.register_collector(monitoring.collect)
        metrics.register_collector(monitoring.collect_reports)
        metrics.register_collector(monitoring.collect_blocklists)
        metrics.register_collector(proofs.collect)
        home.register()
        readers.register("DMARC and TLS reports", _read_reports)
        readers.register("proofs", _read_proofs)


def _read_reports(raw: bytes) -> bool:
    """Read a mail that may hold reports. Their parsers are loaded only by the process that reads an inbox."""
    from dnsrecords.reports import reading

    return reading.read(raw)


def _read_proofs(raw: bytes) -> bool:
    """Recognise a proof, or an answer to one."""
    from dnsrecords.proof import incoming

    return incoming.read_mail(raw)
