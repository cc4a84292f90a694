"""The state of each domain's DNS records at the last check, its history, and how the records are published."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from dnsrecords.blocklistrows import (  # noqa: F401  (Django looks for models here)
    BlocklistChange,
    BlocklistEntry,
    BlocklistRound,
)
from dnsrecords.reportrows import (  # noqa: F401  (Django looks for models here)
    Network,
    ReceivedReport,
    RefusedReport,
    ReportedMail,
    ReportedTls,
)
from dnsrecords.verdicts import Status
from mailboxes.models import Domain
from quazzar.sealing.fields import SealedTextField

_STATUSES = [(status.value, status.word) for status in Status]


class DomainCheck(models.Model):
    """When a domain's records were last checked, and when they are due again."""

    domain = models.OneToOneField(Domain, on_delete=models.CASCADE, primary_key=True, related_name="dns")
    #: Null before the first check.
    checked_at = models.DateTimeField("checked", null=True, default=None)
    #: When the next scheduled check is due. The worker that takes it moves this on before it begins.
    due_at = models.DateTimeField("next check", default=timezone.now, db_index=True)
    #: When the check whose results are stored began, and when the one in progress began; null: none.
    began_at = models.DateTimeField("last check began", null=True, default=None)
    looking_since = models.DateTimeField("current check began", null=True, default=None)
    #: Digest of the records that the last check was for. If others are wanted, the domain is due.
    looked_for = models.CharField("digest of the records checked", max_length=64, blank=True, default="")
    #: Whether the zone of the stack's hostname was signed with DNSSEC at the last check.
    signed = models.BooleanField("signed with DNSSEC", default=False)

    def __str__(self) -> str:
        return f"DNS of {self.domain}"


class RecordCheck(models.Model):
    """One record of a domain, as the last check found it."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="record_checks")
    #: ``Record.id``.
    record = models.CharField(max_length=80)
    #: The value that was wanted then. If another one is wanted now, the check says nothing about it.
    expected = models.TextField("value to publish")
    status = models.CharField(max_length=10, choices=_STATUSES, default=Status.UNCHECKED.value)
    message = models.TextField(blank=True, default="")
    #: The values that are published.
    found = models.JSONField("published values", default=list)
    #: What to paste instead of the record's own value, for example an existing SPF record merged with ours; or empty.
    advice = models.TextField("suggested value", blank=True, default="")
    #: The zone that the record's name is in, by its SOA record; empty when it is not known.
    zone = models.CharField(max_length=253, blank=True, default="")
    #: "seen on 2 of 4 name servers, …"; empty when there is nothing to say.
    propagation = models.TextField(blank=True, default="")
    #: Since when the record has this status.
    since = models.DateTimeField(default=timezone.now)
    #: The record was right once. Only then is it news when it breaks.
    was_ok = models.BooleanField("was correct once", default=False)
    #: Checks in a row that did not end in ok.
    failures = models.PositiveIntegerField("failed checks in a row", default=0)
    #: The operator was told that it is broken.
    told = models.BooleanField("mailed", default=False)

    class Meta:
        ordering = ["domain_id", "id"]
        constraints = [models.UniqueConstraint(fields=["domain", "record"], name="record_check")]

    def __str__(self) -> str:
        return f"{self.record}: {self.get_status_display()}"


class RecordChange(models.Model):
    """A change in a record's history: of its status, or of what is published."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="record_changes")
    record = models.CharField(max_length=80)
    before = models.CharField("status before", max_length=10, choices=_STATUSES)
    status = models.CharField("status after", max_length=10, choices=_STATUSES)
    message = models.TextField(blank=True, default="")
    #: The values that are published since, and those that were before.
    found = models.JSONField("published after", default=list)
    found_before = models.JSONField("published before", default=list)
    at = models.DateTimeField("time", default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["domain", "record", "-id"], name="record_change")]

    def __str__(self) -> str:
        if self.before == self.status:
            return f"{self.record}: value changed, still {self.get_status_display()}"
        return f"{self.record}: {self.get_before_display()} → {self.get_status_display()}"


class DomainOptions(models.Model):
    """The operator's choices for a domain's records. Without a row, the defaults apply."""

    class MtaSts(models.TextChoices):
        """The mode of the MTA-STS policy (RFC 8461 §3.2); off: neither policy nor records."""

        OFF = "off"
        TESTING = "testing"
        ENFORCE = "enforce"

    class Dmarc(models.TextChoices):
        """The DMARC policy to publish: a stage of the path (dmarc/stages.py)."""

        NONE = "none"
        QUARANTINE = "quarantine"
        REJECT = "reject"

    domain = models.OneToOneField(
        Domain, on_delete=models.CASCADE, primary_key=True, related_name="dns_options"
    )
    dmarc = models.CharField("DMARC policy", max_length=10, choices=Dmarc, default=Dmarc.QUARANTINE)
    mta_sts = models.CharField("MTA-STS policy", max_length=8, choices=MtaSts, default=MtaSts.TESTING)

    class Meta:
        verbose_name_plural = "domain options"

    def __str__(self) -> str:
        return f"DNS options of {self.domain}"


class Publisher(models.Model):
    """The name server to which a domain's records are published, and the key for it."""

    class Kind(models.TextChoices):
        """The protocol of the name server; each has a module in ``dnsrecords.publishing.services``."""

        RFC2136 = "rfc2136"

    domain = models.OneToOneField(
        Domain, on_delete=models.CASCADE, primary_key=True, related_name="publisher"
    )
    kind = models.CharField("protocol", max_length=16, choices=Kind, default=Kind.RFC2136)
    #: Address or name of the primary name server, and its port.
    server = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=53)
    #: The zone to change; empty if it has the domain's name.
    zone = models.CharField(max_length=253, blank=True, default="")
    key_name = models.CharField("name of the key", max_length=253)
    algorithm = models.CharField(max_length=32, default="hmac-sha256")
    #: The TSIG key in base64, as in the name server's configuration.
    secret = SealedTextField("key", context="dnsrecords.publisher.secret", null=True)
    #: The records that Quazzar added to the zone, as [[name, type, value], …]. It never removes any others.
    ours = models.JSONField("records that Quazzar added", default=list)
    #: Digest of the records that were wanted at the last success. If others are wanted, the worker publishes again.
    published_for = models.CharField("digest of the published records", max_length=64, blank=True, default="")
    tried_at = models.DateTimeField("last attempt", null=True, default=None)
    published_at = models.DateTimeField("published", null=True, default=None)
    #: {"code", "message", "hint"} of the last attempt, or null.
    last_error = models.JSONField(null=True, default=None)

    def __str__(self) -> str:
        return f"{self.kind} at {self.server} for {self.domain}"
