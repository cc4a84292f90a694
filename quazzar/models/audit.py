"""The audit log."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.db import models
from django.utils import timezone


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
