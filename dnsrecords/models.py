"""How each record of each domain stood when it was last looked up, and how that changed."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from dnsrecords.verdicts import Status
from mailboxes.models import Domain
from quazzar.sealing.fields import SealedTextField

_STATUSES = [(each.value, each.value) for each in Status]


class DomainCheck(models.Model):
    """When a domain was looked up, and when it is due again."""

    domain = models.OneToOneField(Domain, on_delete=models.CASCADE, primary_key=True, related_name="dns")
    #: Null: never.
    checked_at = models.DateTimeField(null=True, default=None)
    #: The scheduled check; whoever takes it up moves it on first.
    due_at = models.DateTimeField(default=timezone.now, db_index=True)
    #: Whether the zone that the stack's hostname is in was signed with DNSSEC when it was last looked at.
    signed = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"DNS of {self.domain_id}"


class RecordCheck(models.Model):
    """One record of one domain, as it was found last."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="record_checks")
    #: ``Record.id``.
    record = models.CharField(max_length=80)
    #: What was expected then: a check of another value says nothing about today's.
    expected = models.TextField()
    status = models.CharField(max_length=10, choices=_STATUSES, default=Status.UNCHECKED.value)
    message = models.TextField(blank=True, default="")
    #: The values that are published.
    found = models.JSONField(default=list)
    #: What to paste instead of the record's own value; empty: that one.
    advice = models.TextField(blank=True, default="")
    #: "seen on 2 of 4 name servers, …"; empty when there is nothing to say.
    propagation = models.TextField(blank=True, default="")
    #: Since when it has this status.
    since = models.DateTimeField(default=timezone.now)
    #: It was right once: only then is its breaking news.
    was_ok = models.BooleanField(default=False)
    #: Checks in a row that did not end in ok.
    failures = models.PositiveIntegerField(default=0)
    #: The operator was told that it is broken.
    told = models.BooleanField(default=False)

    class Meta:
        ordering = ["domain_id", "id"]
        constraints = [models.UniqueConstraint(fields=["domain", "record"], name="record_check")]

    def __str__(self) -> str:
        return f"{self.record}: {self.status}"


class RecordChange(models.Model):
    """History: a record changed its status, or what is published."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="record_changes")
    record = models.CharField(max_length=80)
    before = models.CharField(max_length=10, choices=_STATUSES)
    status = models.CharField(max_length=10, choices=_STATUSES)
    message = models.TextField(blank=True, default="")
    found = models.JSONField(default=list)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["domain", "record", "-id"], name="record_change")]

    def __str__(self) -> str:
        return f"{self.record}: {self.before} → {self.status}"


class DomainOptions(models.Model):
    """What the operator chose for a domain's records; without a row it is the defaults."""

    class MtaSts(models.TextChoices):
        """The mode of the MTA-STS policy (RFC 8461 §3.2); off: neither policy nor records."""

        OFF = "off"
        TESTING = "testing"
        ENFORCE = "enforce"

    domain = models.OneToOneField(
        Domain, on_delete=models.CASCADE, primary_key=True, related_name="dns_options"
    )
    mta_sts = models.CharField(max_length=8, choices=MtaSts, default=MtaSts.TESTING)

    class Meta:
        verbose_name_plural = "domain options"

    def __str__(self) -> str:
        return f"DNS options of {self.domain_id}"


class Publisher(models.Model):
    """Where a domain's records are published by machine, and by which key."""

    class Kind(models.TextChoices):
        """What speaks to the name server: one module of `dnsrecords.publishers` each."""

        RFC2136 = "rfc2136"

    domain = models.OneToOneField(
        Domain, on_delete=models.CASCADE, primary_key=True, related_name="publisher"
    )
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.RFC2136)
    #: Address or name of the primary, and its port.
    server = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=53)
    #: The zone to change; empty: the domain's own name.
    zone = models.CharField(max_length=253, blank=True, default="")
    key_name = models.CharField(max_length=253)
    algorithm = models.CharField(max_length=32, default="hmac-sha256")
    #: Base64, as the name server's configuration has it.
    secret = SealedTextField(context="dnsrecords.publisher.secret", null=True)
    #: What was put there by us, as [[name, type, value], …]: nothing else is ever taken away.
    ours = models.JSONField(default=list)
    #: Digest of the records that were wanted at the last success: other ones are published by themselves.
    published_for = models.CharField(max_length=64, blank=True, default="")
    tried_at = models.DateTimeField(null=True, default=None)
    published_at = models.DateTimeField(null=True, default=None)
    #: {"code", "message", "hint"} of the last attempt, or null.
    last_error = models.JSONField(null=True, default=None)

    def __str__(self) -> str:
        return f"{self.kind} at {self.server} for {self.domain_id}"
