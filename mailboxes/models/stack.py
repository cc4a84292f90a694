"""The mail server as it should be, and as it was last seen."""

from __future__ import annotations

from typing import Any

from django.db import models

from quazzar.sealing.fields import SealedTextField


class Stack(models.Model):
    """The mailbox stack, as it should be and as the worker last saw it. One row; read it with ``Stack.load()``."""

    class Phase(models.TextChoices):
        """What the worker is doing with the stack, or has done."""

        DISABLED = "disabled", "Disabled"
        PREFLIGHT = "preflight", "Checking"
        PULLING = "pulling", "Fetching images"
        CREATING = "creating", "Creating"
        STARTING = "starting", "Starting"
        HEALTHY = "healthy", "Healthy"
        DEGRADED = "degraded", "Degraded"
        STOPPING = "stopping", "Stopping"
        FAILED = "failed", "Failed"

    class TlsSource(models.TextChoices):
        """Where the certificate comes from."""

        SELF_SIGNED = "self_signed", "Self-signed"
        UPLOADED = "uploaded", "Uploaded"
        FILES = "files", "Files on this machine"

    # --- what should be: written by domain modules
    enabled = models.BooleanField(default=False)
    #: Delete the volumes, mail included, when the stack is taken down; cleared when they are gone.
    purge = models.BooleanField("delete the mail when disabled", default=False)
    hostname = models.CharField(max_length=253, blank=True, default="")
    #: Send mail to other servers through the relay of the relay settings.
    send_through_relay = models.BooleanField("sends through the relay", default=False)
    #: The operator allowed repairs that interrupt mail (another image, another environment), once.
    interruption_allowed = models.BooleanField("may interrupt mail once", default=False)
    #: Raised by every change of what should be, in the same transaction.
    desired_generation = models.PositiveBigIntegerField("latest change", default=0)
    controller_password = SealedTextField(
        "Rspamd's password", context="mailboxes.stack.controller_password", null=True
    )
    tls_source = models.CharField(max_length=12, choices=TlsSource, default=TlsSource.SELF_SIGNED)
    #: PEM, leaf first.
    tls_certificate = models.TextField("certificate", blank=True, default="")
    tls_key = SealedTextField("certificate key", context="mailboxes.stack.tls_key", null=True)
    #: If the source is "files": absolute paths of the PEM files that an ACME client renews.
    tls_certificate_path = models.CharField("certificate path", max_length=1024, blank=True, default="")
    tls_key_path = models.CharField("certificate key path", max_length=1024, blank=True, default="")
    tls_expires_at = models.DateTimeField("certificate expires", null=True, default=None)
    #: Why the certificate's files could not be used at the last check; empty if they could.
    tls_problem = models.CharField("problem with the certificate", max_length=300, blank=True, default="")
    warn_mailbox_owners = models.BooleanField("also warns owners of full mailboxes", default=False)
    #: Quazzar has a mailbox of its own, for bounces and reports (``own/``).
    own_mailbox = models.BooleanField("has a mailbox of Quazzar's own", default=True)
    #: Its address, in the domain of the hostname; empty while the stack has none.
    own_address = models.CharField("Quazzar's own mailbox", max_length=320, blank=True, default="")
    #: Where its mail is, relative to /srv/vmail; empty once that is removed.
    own_home = models.CharField("folder of its mail", max_length=400, blank=True, default="")
    own_password_hash = SealedTextField(
        "password of Quazzar's own mailbox", context="mailboxes.stack.own_password_hash", null=True
    )

    # --- what is: written by the worker
    applied_generation = models.PositiveBigIntegerField("last applied change", default=0)
    phase = models.CharField(max_length=10, choices=Phase, default=Phase.DISABLED)
    step = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField("steps in all", default=0)
    percent = models.PositiveIntegerField("progress (percent)", default=0)
    progress_message = models.CharField("progress", max_length=300, blank=True, default="")
    #: ``{"code", "message", "hint"}`` of what keeps the stack from being as it should be, or null.
    last_error = models.JSONField(null=True, default=None)
    #: ``[{"name", "image", "status", "health", "ports"}]`` of the containers, as last seen.
    services = models.JSONField("containers", default=list)
    #: Part (see ``push/parts.py``) → ``{"generation", "digest"}`` of what was last confirmed in the volumes.
    parts = models.JSONField("files in the volumes", default=dict)
    #: Sentences about differences whose repair would interrupt mail; the operator has to allow it.
    pending = models.JSONField("repairs that need permission", default=list)
    observed_at = models.DateTimeField("checked", null=True, default=None)
    usage_at = models.DateTimeField("storage measured", null=True, default=None)
    #: Room on the disk of the mail, see ``quota/room.py``; empty: not checked yet.
    mail_disk = models.JSONField("disk that holds the mail", default=dict)
    #: Service → the version that runs, see ``stack/versions.py``; empty: not checked yet.
    versions = models.JSONField(default=dict)
    #: What waits in Postfix, see ``mailqueue/watch.py``; null: not checked yet.
    mail_queue = models.JSONField("waiting in Postfix", null=True, default=None)
    #: Problem with that queue (late, ours) → when the operator was last notified.
    mail_queue_told = models.JSONField("mailed about the queue", default=dict)
    #: ``{"seen", "hidden"}``: recent connections to Postfix, and those that a proxy hides; empty: too few to tell.
    clients = models.JSONField("connections to Postfix", default=dict)
    #: Address of a mailbox whose password is being guessed → since when, and how many guesses. See stack/guessing.py.
    guessed = models.JSONField("passwords being guessed", default=dict, editable=False)

    class Meta:
        verbose_name = "mailbox stack"
        verbose_name_plural = "mailbox stack"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="stack_single_row")]

    def __str__(self) -> str:
        return self.hostname or "not set up"

    @property
    def own(self) -> str:
        """The address of Quazzar's own mailbox; empty if it has none, or shall have none."""
        return self.own_address if self.own_mailbox else ""

    @classmethod
    def load(cls) -> Stack:
        """The row, or an unsaved one with the defaults. Reading creates nothing; ``changes.writing`` does."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)


def error_value(code: str, message: str, hint: str = "") -> dict[str, Any]:
    """The value of a ``last_error`` column."""
    return {"code": code, "message": message, "hint": hint}
