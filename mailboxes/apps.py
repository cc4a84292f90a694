"""The app's entry in INSTALLED_APPS."""

from datetime import timedelta
from typing import Any

from django.apps import AppConfig


class MailboxesConfig(AppConfig):
    """The mailbox stack."""

    name = "mailboxes"
    verbose_name = "Mailboxes"

    def ready(self) -> None:
        """Registers metrics and the check of ``doctor``, and follows the relay settings."""
        from mailboxes import home
        from mailboxes.monitoring import addresses, mailflow, maillog, metrics, stack
        from mailboxes.own import places, standing
        from mailrelay import onward
        from mailrelay.inbox import owned
        from mailrelay.relay import ownserver
        from mailrelay.relay.settings import relay_changed
        from quazzar import rights
        from quazzar.backups import registry
        from quazzar.monitoring import doctor
        from quazzar.monitoring.metrics import register_collector

        onward.register(_journey_of)
        owned.register(places.hosts, standing.addresses, standing.is_mailbox)
        ownserver.register(standing.takes)
        relay_changed.connect(_follow_the_relay, dispatch_uid="mailboxes.relay")
        server: Any = {"area": doctor.Area.SERVER, "page": "admin:mail_boxes", "right": rights.SEE_SERVER}
        page: Any = {**server, "page": "admin:mail_boxes_server"}
        seldom: Any = {"every": timedelta(minutes=5)}
        doctor.register(stack.CHECK, stack.examine, **page, title="Mail server", again=_look_at_the_stack)
        certificate: Any = {**page, "area": doctor.Area.CERTIFICATE, "help": "Certificates"}
        doctor.register("certificate", stack.certificate, **certificate)
        doctor.register(
            "mail queue", mailflow.queue, **{**page, "area": doctor.Area.QUEUE}, title="Postfix's queue"
        )
        doctor.register("mail disk", stack.disk, **page, help="The disk is nearly full")
        doctor.register("mail secrets", stack.secrets, **server, **seldom, help="Stored secrets do not open")
        doctor.register("password guesses", stack.guesses, **page)
        doctor.register("addresses", addresses.examine, **server, **seldom)
        doctor.register("mail clients", mailflow.clients, **page)
        doctor.register("mail images", mailflow.images, **page)
        doctor.register("mail log", maillog.examine, **page, title="Mail server's logs")
        register_collector(metrics.collect)
        register_collector(maillog.collect)
        registry.register(
            registry.Part(
                "mail",
                "with all mail, and the mail that waits in Postfix (needs Docker)",
                size=lambda: _mail().size(),
                save=lambda writer: _mail().save(writer),
                check=lambda: _mail().check(),
                fill=lambda members, replace: _mail().fill(members, replace),
            )
        )
        registry.after_restore(lambda: _mail().settle())
        home.register()


def _look_at_the_stack() -> None:
    from quazzar.doorbell import ring

    ring("mailboxes.tasks.sweep_stack")


def _mail() -> Any:
    """Loaded by the commands that need it, not by every process."""
    from mailboxes.volumes import mail

    return mail


def _follow_the_relay(**_: Any) -> None:
    from mailboxes.stack.control import follow_relay

    follow_relay()


def _journey_of(message: Any) -> Any:
    from mailboxes.maillog import onward

    return onward.of(message)
