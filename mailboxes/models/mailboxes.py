"""Mailboxes, aliases and imports."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone

from mailboxes.models.domains import Domain, Synced, SyncedQuerySet
from quazzar.names import NameField
from quazzar.sealing.fields import SealedTextField


class MailboxQuerySet(SyncedQuerySet["Mailbox"]):
    """Queries for mailboxes."""

    def live(self) -> Self:
        """Mailboxes that are not deleted."""
        return self.filter(deleted_at=None)

    def deleted(self) -> Self:
        """Mailboxes that are deleted; their rows stay until the restore period ends."""
        return self.filter(deleted_at__isnull=False)

    def leaving(self) -> Self:
        """Deleted mailboxes that the running stack may still have."""
        return self.deleted().filter(removed_at=None)


class Mailbox(Synced):
    """An address with storage and a password. A deleted mailbox stays as a row until its restore period ends."""

    #: Null for a deleted mailbox whose domain was deleted later.
    domain = models.ForeignKey(Domain, null=True, on_delete=models.SET_NULL, related_name="mailboxes")
    local_part = models.CharField(max_length=64)
    #: ``local_part@domain``, stored too for search, uniqueness and restoring.
    address = models.CharField(max_length=320)
    display_name = NameField(max_length=200, blank=True, default="")
    #: ``{ARGON2ID}$argon2id$…``, see ``provisioning/passwords.py``; null: nobody can log in.
    password_hash = SealedTextField("password", context="mailboxes.mailbox.password_hash", null=True)
    #: When the password last changed, until the running stack has it and has ended older sessions; otherwise null.
    password_changed_at = models.DateTimeField("new password since", null=True, default=None, editable=False)
    #: In MiB; 0 means no limit.
    quota_mb = models.PositiveIntegerField(default=0)
    #: Switches: the API, the console and the rules take the list from here, in this order.
    enabled = models.BooleanField("May sign in", default=True)
    can_send = models.BooleanField("Sends mail", default=True, help_text="Off: it receives only.")
    can_receive = models.BooleanField("Receives mail", default=True, help_text="Off: it sends only.")
    keep_copy = models.BooleanField(
        "Keeps a copy of forwarded mail",
        default=True,
        help_text="Off: mail goes to `forward_to` only. Without `forward_to`, the mailbox always keeps its mail.",
    )
    #: Addresses that get its mail too, or instead.
    forward_to = models.JSONField("forwards to", default=list)
    #: Where its mail is, relative to /srv/vmail. Never used twice, so an address that is added again starts empty.
    home = models.CharField("folder of its mail", max_length=400, unique=True)
    usage_bytes = models.PositiveBigIntegerField("used storage (bytes)", default=0)
    #: The highest percentage (80, 95, 100) that the operator was warned of; 0 means none.
    warned_percent = models.PositiveSmallIntegerField("last warning (percent)", default=0)
    deleted_at = models.DateTimeField("deleted", null=True, default=None)
    #: When the running stack no longer had the deleted mailbox, and its sessions were ended.
    removed_at = models.DateTimeField("removed from the server", null=True, default=None)

    objects = MailboxQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "mailboxes"
        constraints = [
            models.UniqueConstraint(
                fields=["address"], condition=models.Q(deleted_at__isnull=True), name="mailbox_address"
            )
        ]
        indexes = [
            models.Index(fields=["deleted_at", "id"], name="mailbox_deleted"),
            # The few rows that a push looks for: all others are already in the stack.
            models.Index(
                fields=["deleted_at", "id"], condition=models.Q(applied_at=None), name="mailbox_waiting"
            ),
        ]

    def __str__(self) -> str:
        return self.address

    @classmethod
    def switches(cls) -> dict[str, models.BooleanField[bool, bool]]:
        """The fields that an operator switches on and off, by name."""
        return {field.name: field for field in cls._meta.fields if isinstance(field, models.BooleanField)}

    @property
    def password_state(self) -> str:
        """none, saved, or unreadable (the key file lost its key, so the password has to be set again)."""
        if self.password_hash is None:
            return "none"
        return "saved" if self.password_hash.readable else "unreadable"


class Alias(Synced):
    """An address that forwards."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="aliases")
    local_part = models.CharField(max_length=64)
    address = models.CharField(max_length=320, unique=True)
    destinations = models.JSONField(default=list)
    enabled = models.BooleanField(default=True)

    objects = SyncedQuerySet["Alias"].as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "aliases"

    def __str__(self) -> str:
        return self.address


class ImportJob(models.Model):
    """An import of mailboxes from CSV. The request checks the whole file; the worker writes all rows, or none."""

    class State(models.TextChoices):
        """How the job ended."""

        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    total = models.PositiveIntegerField("mailboxes in the file", default=0)
    done = models.PositiveIntegerField("mailboxes added", default=0)
    #: The rows of the file, passwords included, as sealed JSON; null once the job has ended.
    rows = SealedTextField("rows of the file", context="mailboxes.importjob.rows", null=True)
    last_error = models.JSONField(null=True, default=None)
    created_at = models.DateTimeField("created", default=timezone.now)
    finished_at = models.DateTimeField("finished", null=True, default=None)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"import of {self.total} mailboxes"
