"""The relay settings."""

from __future__ import annotations

from django.db import models

from quazzar.names import NameField
from quazzar.sealing.fields import SealedTextField


class RelaySettings(models.Model):
    """How mail leaves this node: a single row, read with ``RelaySettings.load()``."""

    class Security(models.TextChoices):
        """How the connection is encrypted."""

        STARTTLS = "starttls", "STARTTLS"
        TLS = "tls", "Implicit TLS"
        NONE = "none", "None"

    #: Id of a preset. No choices here: ``relay/presets.py`` lists them, and a new one needs no migration.
    provider = models.CharField(max_length=16, default="custom")
    host = models.CharField(max_length=253, blank=True, default="")
    port = models.PositiveIntegerField(default=587)
    security = models.CharField(max_length=8, choices=Security, default=Security.STARTTLS)
    username = models.CharField(max_length=320, blank=True, default="")
    password = SealedTextField(context="mailrelay.relay.password", null=True, blank=True)
    from_address = models.CharField(max_length=320, blank=True, default="")
    from_name = NameField(max_length=200, blank=True, default="")
    alert_recipients = models.JSONField(default=list, blank=True)
    backup_recipients = models.JSONField(default=list, blank=True)
    notify_backup_success = models.BooleanField("mail about successful backups", default=False)
    #: Bounces of each mail go to an address made from this one (see ``bounces/returnpath.py``); empty: to its sender.
    bounce_address = models.CharField(max_length=254, blank=True, default="")
    updated_at = models.DateTimeField("changed", auto_now=True)
    #: How often in a row the server has refused to let these settings sign in (``relay/logins.py``).
    login_refusals = models.PositiveIntegerField("refused sign-ins in a row", default=0, editable=False)
    #: When the queue may try to sign in again; null: at any time.
    login_not_before = models.DateTimeField(
        "next sign-in not before", null=True, default=None, editable=False
    )
    #: ``{"kind", "code", "message"}`` of the latest refusal.
    login_error = models.JSONField("last refused sign-in", null=True, default=None, editable=False)

    class Meta:
        verbose_name = "relay settings"
        verbose_name_plural = "relay settings"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="relay_settings_single_row")]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.host else "not configured"

    @classmethod
    def load(cls) -> RelaySettings:
        """The row; unsaved defaults when there is none yet."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @property
    def configured(self) -> bool:
        """Whether mail can leave: a host is set."""
        return bool(self.host)

    @property
    def password_state(self) -> str:
        """none, saved, or unreadable (its key is gone from the key file)."""
        if self.password is None:
            return "none"
        return "saved" if self.password.readable else "unreadable"
