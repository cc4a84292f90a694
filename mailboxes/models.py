"""The rows of the mailbox stack. Only domain modules write them; API, console and commands call those."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from django.db import models
from django.utils import timezone

from mailboxes import imagerows, maillogrows  # noqa: F401  (Django looks for models here)
from quazzar.sealing.fields import SealedTextField

_Row = TypeVar("_Row", bound=models.Model)


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

    @classmethod
    def load(cls) -> Stack:
        """The row, or an unsaved one with the defaults. Reading creates nothing; ``changes.writing`` does."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)


class SyncedQuerySet(models.QuerySet[_Row]):
    """Queries for rows that are pushed into the running stack."""

    def unsynced(self) -> Self:
        """Rows whose latest change the running stack has not confirmed yet."""
        return self.filter(applied_at=None)


class Synced(models.Model):
    """A row that is pushed into the running stack, and how far its latest change has got."""

    #: The stack's generation of the row's latest change.
    generation = models.PositiveBigIntegerField("latest change", default=0)
    #: When the running stack confirmed the latest change; null until then.
    applied_at = models.DateTimeField("latest change applied", null=True, default=None)
    #: When the running stack first had the row; null if it never did.
    live_at = models.DateTimeField("first live", null=True, default=None)
    created_at = models.DateTimeField("created", default=timezone.now)

    class Meta:
        abstract = True

    @property
    def synced(self) -> bool:
        """Whether the running stack has the row as it is now. False for all rows once the stack is disabled."""
        return self.applied_at is not None


class DomainQuerySet(SyncedQuerySet["Domain"]):
    """Queries for domains."""

    def unsigned(self) -> Self:
        """Domains whose mail is sent unsigned, because they have no RSA key that signs."""
        signing = DkimKey.objects.filter(
            domain=models.OuterRef("pk"), algorithm=DkimKey.Algorithm.RSA, state=DkimKey.State.SIGNING
        )
        return self.filter(~models.Exists(signing))


class Domain(Synced):
    """A mail domain of this node."""

    #: Lower case, as A-labels.
    name = models.CharField(max_length=253, unique=True)
    #: Address that gets mail for local parts that no mailbox and no alias has; empty: such mail is refused.
    catch_all = models.CharField("catch-all address", max_length=320, blank=True, default="")
    #: Address that gets mail for postmaster and abuse, unless a mailbox or an alias has those; empty: the operators.
    contact = models.CharField("contact for postmaster and abuse", max_length=320, blank=True, default="")

    objects = DomainQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def signing_key(self) -> DkimKey | None:
        """The RSA key that signs the domain's mail; None for a domain without a key, whose mail leaves unsigned.

        Uses prefetched ``dkim_keys`` if there are any.
        """
        signing = (DkimKey.Algorithm.RSA, DkimKey.State.SIGNING)
        return next((key for key in self.dkim_keys.all() if (key.algorithm, key.state) == signing), None)

    @property
    def dkim_selector(self) -> str:
        """The selector of ``signing_key``, or the one that the first key will get."""
        key = self.signing_key
        return key.selector if key else DkimKey.FIRST_SELECTOR

    @property
    def dkim_state(self) -> str:
        """none, ready, or unreadable (the key file lost the key that sealed the private half of ``signing_key``)."""
        key = self.signing_key
        if key is None:
            return "none"
        return "ready" if key.readable else "unreadable"


class DkimKeyQuerySet(models.QuerySet["DkimKey"]):
    """Queries for DKIM keys."""

    def without_secrets(self) -> Self:
        """Rows whose private half is neither read nor opened."""
        return self.defer("private_key")


class DkimKey(models.Model):
    """A DKIM key of a domain (RFC 6376). A domain signs with an RSA key and, if the operator wants, an Ed25519 key.

    A new key waits until its record is published, then it signs. The RSA key that it replaces retires: its record has
    to stay until the mail that it signed has arrived.
    """

    class Algorithm(models.TextChoices):
        """The kind of key, as in the record's ``k=``."""

        RSA = "rsa", "RSA"
        #: RFC 8463. Adds a second signature to that of the RSA key.
        ED25519 = "ed25519", "Ed25519"

    class State(models.TextChoices):
        """What the key is used for now."""

        WAITING = "waiting", "Waiting to be published"
        SIGNING = "signing", "Signing"
        RETIRED = "retired", "Retired"

    #: The selector of a domain's first key.
    FIRST_SELECTOR = "quazzar"

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="dkim_keys")
    algorithm = models.CharField(max_length=7, choices=Algorithm)
    selector = models.CharField(max_length=63)
    state = models.CharField(max_length=7, choices=State)
    #: When it entered its state; null for a domain's first key, which always signed, and if unknown (before 0.4).
    since = models.DateTimeField(null=True, default=None)
    #: PEM (PKCS#8). Null only for a key that was unreadable when it retired, before 0.4.
    private_key = SealedTextField(
        context="mailboxes.dkimkey.private_key",
        # The columns that held the keys before 0.4. Migration 0005 copied their blobs unchanged.
        former_contexts=[
            "mailboxes.domain.dkim_private_key",
            "mailboxes.domain.dkim_next_private_key",
            "mailboxes.domain.dkim_old_private_key",
            "mailboxes.domain.dkim_ed25519_private_key",
        ],
        null=True,
    )
    #: Base64, as in the record's ``p=``: of RSA the SubjectPublicKeyInfo, of Ed25519 the bare 32 bytes.
    public_key = models.TextField(blank=True, default="")

    objects = DkimKeyQuerySet.as_manager()

    class Meta:
        # The order in which a domain's records are listed: RSA first.
        ordering = ["domain_id", "-algorithm", "id"]
        verbose_name = "DKIM key"
        constraints = [
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_key_selector"),
            # At most one key signs, one waits to take over from it, and one has retired.
            models.UniqueConstraint(fields=["domain", "algorithm", "state"], name="dkim_key_state"),
            models.CheckConstraint(
                condition=models.Q(state="retired") | models.Q(private_key__isnull=False),
                name="dkim_key_private",
            ),
        ]

    def __str__(self) -> str:
        return self.selector

    @property
    def readable(self) -> bool:
        """Whether the private half is there and can be opened."""
        return self.private_key is not None and self.private_key.readable


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
    display_name = models.CharField(max_length=200, blank=True, default="")
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


def error_value(code: str, message: str, hint: str = "") -> dict[str, Any]:
    """The value of a ``last_error`` column."""
    return {"code": code, "message": message, "hint": hint}
