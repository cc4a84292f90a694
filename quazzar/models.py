"""The models of the project package: operators, sessions, API keys, the audit log, findings of checks, heartbeats."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone

from quazzar import rights, words
from quazzar.machinerows import Process, SealingKey  # noqa: F401  (Django looks for models here)
from quazzar.sealing.fields import SealedTextField


class Operator(models.Model):
    """What Django's user does not say about an operator. Most operators have no row."""

    class Checklist(models.TextChoices):
        """When Home shows the first steps: until they are done, never, or always."""

        AUTO = "auto", "until they are done"
        HIDDEN = "hidden", "never"
        SHOWN = "shown", "always"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="operator",
        verbose_name="operator",
    )
    #: The password was made by the product and printed: the operator must choose another before anything else.
    must_change_password = models.BooleanField("must choose a new password", default=False)
    #: Secret of the authenticator app, in base 32 (RFC 6238), and since when there is one.
    totp_secret = SealedTextField(
        "secret of the authenticator app", context="quazzar.operator.totp_secret", null=True
    )
    totp_since = models.DateTimeField(null=True, default=None, verbose_name="authenticator app since")
    #: Number of the 30 seconds whose code was used last: no code works twice.
    totp_step = models.BigIntegerField("time step of the last code", default=0)
    #: Wrong codes in a row, from any address, and when the last one was tried.
    code_failures = models.PositiveIntegerField("wrong codes in a row", default=0)
    code_tried_at = models.DateTimeField("last code entered", null=True, default=None)
    #: What the operator has chosen on Home.
    checklist = models.CharField("first steps", max_length=8, choices=Checklist, default=Checklist.AUTO)
    #: Page → the filters that the operator saved for it (``mailrelay/queue/savedfilters.py``).
    saved_filters = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "operators' sign-in data"
        default_permissions = ("manage",)

    def __str__(self) -> str:
        return self.user.get_username()


class RecoveryCode(models.Model):
    """A code that replaces a lost second factor once. Only a digest of it is stored."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="recovery_codes",
        verbose_name="operator",
    )
    #: SHA-256 of user and code, in hex.
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField("created", default=timezone.now)
    used_at = models.DateTimeField("used", null=True, default=None)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_once")
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.user.get_username()}"


class Passkey(models.Model):
    """A passkey (WebAuthn credential) of an operator. Its private key never leaves the operator's device."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="passkeys", verbose_name="operator"
    )
    name = models.CharField(max_length=60)
    #: The host that the browser ties it to: it opens the console under this name only.
    host = models.CharField("host name", max_length=255)
    #: The credential's id, as base64url.
    credential_id = models.CharField(max_length=1400, unique=True)
    #: Attested credential data (WebAuthn 6.5.2): the id and the public key.
    credential = models.BinaryField()
    #: The authenticator's signature counter; it stays 0 with passkeys that several devices share.
    counter = models.BigIntegerField("signature counter", default=0)
    created_at = models.DateTimeField("created", default=timezone.now)
    last_used_at = models.DateTimeField("last used", null=True, default=None)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.name} of {self.user.get_username()}"


class OneTimeLink(models.Model):
    """A link by which an operator chooses a password, once: an invitation, or after a reset on the node.

    Only a digest of its token is stored.
    """

    class Purpose(models.TextChoices):
        """Why it was made."""

        INVITATION = "invitation", "Invitation"
        RESET = "reset", "Reset"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="links", verbose_name="operator"
    )
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    #: SHA-256 of the token, in hex.
    digest = models.CharField(max_length=64, unique=True)
    #: Who made it, in the words of the audit log.
    made_by = models.CharField("created by", max_length=300)
    created_at = models.DateTimeField("created", default=timezone.now)
    expires_at = models.DateTimeField("expires")
    used_at = models.DateTimeField("used", null=True, default=None)
    revoked_at = models.DateTimeField("revoked", null=True, default=None)

    class Meta:
        verbose_name = "one-time link"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} of {self.user.get_username()}"

    @property
    def state(self) -> str:
        """The link's state in one word: open, used, revoked or expired."""
        if self.used_at is not None:
            return "used"
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= timezone.now() else "open"


class Session(AbstractBaseSession):
    """A session of the console, under a digest of its cookie: whose it is, from where, and when it was last used."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        related_name="sessions",
        verbose_name="operator",
    )
    address = models.CharField(max_length=45, blank=True, default="")
    #: The browser's own words, shortened.
    agent = models.CharField("browser", max_length=300, blank=True, default="")
    created_at = models.DateTimeField("signed in", default=timezone.now)
    #: Precise to the minute.
    last_seen_at = models.DateTimeField("last used", default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"session of {self.user.get_username() if self.user else 'nobody'}"


class SignInPolicy(models.Model):
    """What the node requires of everyone who signs in: one row, or none as long as nothing was changed."""

    second_factor_required = models.BooleanField(default=False)

    class Meta:
        verbose_name = "sign-in policy"
        verbose_name_plural = "sign-in policy"

    def __str__(self) -> str:
        return "Second factor required" if self.second_factor_required else "Second factor optional"


class FirstStep(models.Model):
    """A step of the first run that was done once (``home/steps.py``)."""

    key = models.CharField("step", max_length=40, unique=True)
    done_at = models.DateTimeField("done", default=timezone.now)

    class Meta:
        verbose_name = "first step"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.key


class ApiKey(models.Model):
    """An API key. Only a digest of its text is stored; ``apikeys.mint`` returns the text once."""

    class Scope(models.TextChoices):
        """What a key may do."""

        READ = rights.READ, "Read everything"
        WRITE = rights.WRITE, "Change settings"
        SEND = rights.SEND_MAIL, "Send mail"

    name = models.CharField(max_length=100)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    #: The eight characters after ``qzr_``: the row is found by them, and lists show them.
    prefix = models.CharField(max_length=8, unique=True)
    #: SHA-256 of the whole key, in hex.
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True, default=None)
    #: Precise to the minute.
    last_used_at = models.DateTimeField(null=True, blank=True, default=None)
    revoked_at = models.DateTimeField(null=True, blank=True, default=None)

    class Meta:
        verbose_name = "API key"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} (qzr_{self.prefix}…)"

    @property
    def expired(self) -> bool:
        """Whether the key has expired."""
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def state(self) -> str:
        """The key's state in one word: active, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expired else "active"


class IdempotentRequest(models.Model):
    """The first answer to a request that came with an Idempotency-Key (see ``api/idempotency.py``)."""

    #: Who sent it: ``key:<id>`` or ``user:<id>``.
    principal = models.CharField("sent by", max_length=40)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=255)
    key = models.CharField("Idempotency-Key", max_length=255)
    #: Keyed digest of the body: shows whether another body is the same, and nothing else about it.
    fingerprint = models.CharField(max_length=64)
    claimed_at = models.DateTimeField("received", default=timezone.now, db_index=True)
    #: HTTP status of the answer; null while the first request is still running.
    status = models.PositiveSmallIntegerField("HTTP status", null=True, default=None)
    answer = models.JSONField(null=True, default=None)

    class Meta:
        verbose_name_plural = "requests with an Idempotency-Key"
        constraints = [
            models.UniqueConstraint(
                fields=["principal", "method", "path", "key"], name="idempotent_request_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} by {self.principal}"


class AppendOnly(models.QuerySet["AuditEntry"]):
    """A queryset that refuses to change or delete rows."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("the audit log is append-only")

    update = delete = bulk_update = update_or_create = _refuse


class AuditEntry(models.Model):
    """Who changed what, when and from where. Written by ``audit.record`` only."""

    at = models.DateTimeField("time", default=timezone.now)
    #: ``user:NAME``, ``key:NAME (user)``, ``command:NAME``, ``anonymous`` or ``system``.
    actor = models.CharField("who", max_length=300)
    #: Ids of the operator and of the API key, as they were: rows that may be gone by now.
    user_id = models.BigIntegerField("id of the operator", null=True, blank=True, default=None)
    key_id = models.BigIntegerField("id of the API key", null=True, blank=True, default=None)
    #: The client's address; empty where there is none, such as for a command.
    address = models.CharField("from address", max_length=45, blank=True, default="")
    #: What was done, such as ``relay.changed``.
    action = models.CharField(max_length=100)
    #: What it was done to.
    target = models.CharField(max_length=500, blank=True, default="")
    #: Names of the changed fields.
    fields = models.JSONField("changed fields", default=list, blank=True)
    #: Field → [before, after], for the fields that ``auditlog/harmless.py`` names.
    changes = models.JSONField("values before and after", default=dict, blank=True)

    objects: ClassVar[models.Manager[AuditEntry]] = AppendOnly.as_manager()

    class Meta:
        verbose_name_plural = "audit log"
        ordering = ["-id"]
        base_manager_name = "objects"
        # A page reads the newest entries that match a filter, however many there are.
        indexes = [
            models.Index(fields=["at", "id"], name="audit_at"),
            models.Index(fields=["actor", "at", "id"], name="audit_actor"),
            models.Index(fields=["action", "at", "id"], name="audit_action"),
            models.Index(fields=["address", "at", "id"], name="audit_address"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}".rstrip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row.

        Raises:
            TypeError: it was added before, and would be changed.
        """
        if not self._state.adding:
            raise TypeError("the audit log is append-only")
        super().save(force_insert=True, using=kwargs.get("using"))

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the log is append-only.

        Raises:
            TypeError: always.
        """
        raise TypeError("the audit log is append-only")


class Heartbeat(models.Model):
    """When a process last reported that it is alive."""

    name = models.CharField("part of Quazzar", max_length=40, unique=True)
    at = models.DateTimeField("last reported", default=timezone.now)

    class Meta:
        verbose_name_plural = "heartbeats of processes"

    def __str__(self) -> str:
        return f"{self.name} at {words.moment(self.at)}"


class Finding(models.Model):
    """What a check of the doctor found when it last ran, since when, and what was mailed about it.

    Written by ``monitoring/findings.py``. Show it through ``monitoring/readings.py``: a row alone does not show
    whether the checks are still running.
    """

    check_name = models.CharField("check", max_length=40, unique=True)
    #: See ``doctor.Area``.
    area = models.CharField(max_length=20, default="node")
    #: ok, warning or failed.
    level = models.CharField("result", max_length=10)
    #: See ``doctor.Finding``.
    is_idle = models.BooleanField("nothing to check", default=False)
    sentence = models.TextField("what it found")
    advice = models.TextField("what to do", blank=True, default="")
    #: URL name of the page where it can be fixed; empty if there is none.
    page = models.CharField(max_length=100, blank=True, default="")
    #: Since when the check has had this level.
    since = models.DateTimeField()
    checked_at = models.DateTimeField("checked")
    #: When the alert recipients were mailed of it; null: not since the check last passed.
    told_at = models.DateTimeField("mailed", null=True, default=None)
    #: The problem of that mail, without its numbers.
    told_of = models.TextField("problem that was mailed", blank=True, default="")

    class Meta:
        verbose_name_plural = "results of checks"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.check_name


class FindingChange(models.Model):
    """One line of a check's history: what it found that was new. Old ones are deleted (``findings.purge``)."""

    check_name = models.CharField("check", max_length=40)
    level = models.CharField("result", max_length=10)
    is_idle = models.BooleanField("nothing to check", default=False)
    sentence = models.TextField("what it found")
    at = models.DateTimeField("time")

    class Meta:
        verbose_name = "change of a finding"
        verbose_name_plural = "history of checks"
        ordering = ["-id"]
        indexes = [models.Index(fields=["check_name", "-id"], name="finding_change_of_check")]

    def __str__(self) -> str:
        return f"{self.check_name}: {self.level}"
