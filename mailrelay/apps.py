"""The configuration of the app ``mailrelay``."""

from typing import Any

from django.apps import AppConfig


class MailRelayConfig(AppConfig):
    """Outbound mail: connects the queue to the relay settings, and registers what the node reports about it."""

    name = "mailrelay"
    verbose_name = "Mail Relay"

    def ready(self) -> None:
        """Let the queue follow the relay settings; register the doctor's checks and the metrics."""
        from mailrelay import home, monitoring
        from mailrelay.expected import arrivals, watching
        from mailrelay.expected import monitoring as expected
        from mailrelay.notices import nodewatch
        from mailrelay.queue import byhand, outbox
        from mailrelay.relay.settings import relay_changed
        from mailrelay.sendmail import installed
        from quazzar import rights
        from quazzar.backups import registry
        from quazzar.monitoring import doctor, metrics

        relay_changed.connect(outbox.follow_relay, dispatch_uid="mailrelay.queue")
        byhand.deleting.connect(arrivals.forget, dispatch_uid="mailrelay.expected")
        relay_changed.connect(monitoring.follow_settings, dispatch_uid="mailrelay.monitoring")
        doctor.register(
            monitoring.CHECK,
            monitoring.examine,
            area=doctor.Area.RELAY,
            page="admin:mail_relay",
            right=rights.SEE_RELAY | rights.SEE_QUEUE,
        )
        doctor.register(
            "node mail",
            nodewatch.examine,
            page="admin:mail_relay",
            right=rights.SEE_RELAY,
            title="Mails about this server",
        )
        doctor.register("sendmail", installed.examine)
        _follow_what_comes_back()
        doctor.register(
            watching.CHECK,
            expected.examine,
            area=doctor.Area.REPORTS,
            page="admin:expected_reports",
            right=rights.SEE_EXPECTED,
        )
        doctor.register(
            "authorities",
            monitoring.examine_authorities,
            area=doctor.Area.CERTIFICATE,
            page="admin:mail_relay",
            right=rights.SEE_RELAY,
            title="Certificate authorities",
        )
        metrics.register_collector(monitoring.collect)
        metrics.register_collector(expected.collect)
        registry.on_report(_tell_of_backup)
        home.register()


def _follow_what_comes_back() -> None:
    """Read bounces in the inboxes; check that they can be read, and that nobody misses alerts because of one."""
    from mailrelay.feedback import recording
    from mailrelay.inbox import monitoring as inbox
    from mailrelay.inbox import readers
    from mailrelay.suppression import monitoring as suppression
    from quazzar import rights
    from quazzar.monitoring import doctor

    readers.register("bounces", recording.read_mail)
    doctor.register(
        inbox.CHECK,
        inbox.examine,
        area=doctor.Area.RELAY,
        page="admin:returned_mail",
        right=rights.SEE_RELAY,
        title="Inbox for bounces",
    )
    doctor.register(
        suppression.CHECK,
        suppression.examine,
        area=doctor.Area.RELAY,
        page="admin:suppressions",
        right=rights.SEE_RELAY | rights.SEE_QUEUE,
        title="Suppressed recipients",
    )


def _tell_of_backup(report: Any) -> None:
    from mailrelay.notifiers import notify_own_backup

    notify_own_backup(report)
