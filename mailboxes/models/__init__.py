"""The tables of mailboxes: Django looks for models here."""

from __future__ import annotations

from mailboxes.models.domains import DkimKey, DkimKeyQuerySet, Domain, DomainQuerySet, Synced, SyncedQuerySet
from mailboxes.models.images import ImageUpgrade, ImageUpgradeQuerySet, StackImage
from mailboxes.models.mailboxes import Alias, ImportJob, Mailbox, MailboxQuerySet
from mailboxes.models.maillog import Journey, JourneyKey, LogPosition, MailEvent
from mailboxes.models.stack import Stack, error_value

__all__ = [
    "Alias",
    "DkimKey",
    "DkimKeyQuerySet",
    "Domain",
    "DomainQuerySet",
    "ImageUpgrade",
    "ImageUpgradeQuerySet",
    "ImportJob",
    "Journey",
    "JourneyKey",
    "LogPosition",
    "MailEvent",
    "Mailbox",
    "MailboxQuerySet",
    "Stack",
    "StackImage",
    "Synced",
    "SyncedQuerySet",
    "error_value",
]
