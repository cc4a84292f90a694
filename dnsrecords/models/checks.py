"""What the checks found."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from dnsrecords.verdicts import Status
from mailboxes.models import Domain

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
