"""The app's entry in INSTALLED_APPS."""

from django.apps import AppConfig


class MailboxesConfig(AppConfig):
    """The mailbox stack."""

    name = "mailboxes"
    verbose_name = "Mailboxes"
