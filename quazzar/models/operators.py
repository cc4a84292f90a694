"""Operators, and how they sign in."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone

from quazzar.names import NameField
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
    name = NameField(max_length=60)
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
