"""API keys, and requests that were repeated."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from quazzar import rights
from quazzar.names import NameField


class ApiKey(models.Model):
    """An API key. Only a digest of its text is stored; ``apikeys.mint`` returns the text once."""

    class Scope(models.TextChoices):
        """What a key may do."""

        READ = rights.READ, "Read everything"
        WRITE = rights.WRITE, "Change settings"
        SEND = rights.SEND_MAIL, "Send mail"

    name = NameField(max_length=100)
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
