"""Rows about reports of other mail servers: what they counted, per day, and who sends from which network.

The files are not kept. Written by ``reports/intake.py`` and ``reports/networks.py``.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from mailboxes.models import Domain


class ReceivedReport(models.Model):
    """A report that was read and counted, so that the same one counts once."""

    class Kind(models.TextChoices):
        """What the report is about."""

        DMARC = "dmarc", "DMARC"
        TLS = "tls", "TLS"

    class Way(models.TextChoices):
        """How it came here."""

        MAIL = "mail", "by mail"
        UPLOAD = "upload", "uploaded"
        API = "api", "through the API"
        COMMAND = "command", "imported by command"

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="received_reports")
    kind = models.CharField(max_length=5, choices=Kind)
    #: Digest of organisation, report id and domain.
    key = models.CharField("digest", max_length=64, unique=True)
    organisation = models.CharField("reporter", max_length=255)
    report_id = models.CharField("id of the report", max_length=255, blank=True, default="")
    begins = models.DateTimeField("begins")
    ends = models.DateTimeField("ends")
    #: The DMARC policy that the reporter saw; empty: none, or the report is about TLS.
    policy = models.CharField("policy", max_length=10, blank=True, default="")
    #: Mails of a DMARC report, sessions of a TLS report; and how many of them failed.
    total = models.BigIntegerField("mails or sessions", default=0)
    failed = models.BigIntegerField("failed", default=0)
    way = models.CharField("how it came", max_length=8, choices=Way)
    #: The address in From of the mail that brought it; empty: no mail did.
    sender = models.CharField("sender", max_length=320, blank=True, default="")
    #: Our own mail server found that DMARC passes for that address.
    is_authenticated = models.BooleanField("sender is authenticated", default=False)
    received_at = models.DateTimeField("received", default=timezone.now, db_index=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["domain", "kind", "-ends"], name="received_report")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} report of {self.organisation} on {self.domain}"


class ReportedMail(models.Model):
    """Mails that claimed to be from a domain: one day, one address and one result, counted over all DMARC reports."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="reported_mail")
    day = models.DateField()
    #: Digest of all that follows but the count.
    key = models.CharField("digest", max_length=32)
    #: Where the mails came from; empty: one of many addresses, of a day with too many to keep each.
    address = models.CharField(max_length=45, blank=True, default="")
    header_from = models.CharField("domain in From", max_length=253, blank=True, default="")
    dkim = models.BooleanField("DKIM passed")
    spf = models.BooleanField("SPF passed")
    disposition = models.CharField("what the receiver did", max_length=10)
    reason = models.CharField("why it did not follow the policy", max_length=40, blank=True, default="")
    #: A domain whose DKIM or SPF passed, aligned or not; empty: none.
    signer = models.CharField("authenticated domain", max_length=253, blank=True, default="")
    count = models.BigIntegerField("mails")

    class Meta:
        ordering = ["-day", "-count"]
        verbose_name_plural = "reported mail"
        constraints = [models.UniqueConstraint(fields=["domain", "day", "key"], name="reported_mail")]
        indexes = [models.Index(fields=["day"], name="reported_mail_day")]

    def __str__(self) -> str:
        return f"{self.count} from {self.address or 'other addresses'} on {self.day}"


class ReportedTls(models.Model):
    """SMTP sessions to a domain: one day, one policy, one result, counted over all TLS reports."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="reported_tls")
    day = models.DateField()
    key = models.CharField("digest", max_length=32)
    #: sts, tlsa, no-policy-found or other.
    policy = models.CharField("kind of policy", max_length=20)
    #: ok, or the type of the failure (RFC 8460 §4.3).
    result = models.CharField(max_length=40)
    host = models.CharField("receiving server", max_length=253, blank=True, default="")
    count = models.BigIntegerField("sessions")

    class Meta:
        ordering = ["-day", "-count"]
        verbose_name_plural = "reported TLS sessions"
        constraints = [models.UniqueConstraint(fields=["domain", "day", "key"], name="reported_tls")]
        indexes = [models.Index(fields=["day"], name="reported_tls_day")]

    def __str__(self) -> str:
        return f"{self.count} {self.result} on {self.day}"


class Network(models.Model):
    """Whose an address is that reports name, as DNS says."""

    address = models.CharField(max_length=45, unique=True)
    #: Its name in the reverse zone, if that name leads back to the address; empty: none.
    name = models.CharField("confirmed name", max_length=253, blank=True, default="")
    asn = models.PositiveBigIntegerField("number of the network", null=True, default=None)
    operator = models.CharField("network", max_length=255, blank=True, default="")
    #: Two letters: where the network is registered.
    country = models.CharField(max_length=2, blank=True, default="")
    #: Null: not looked up yet.
    looked_up_at = models.DateTimeField("looked up", null=True, default=None)
    #: The last day on which a report named it.
    reported_on = models.DateField("last reported", db_index=True)

    class Meta:
        ordering = ["address"]
        indexes = [
            models.Index(fields=["id"], name="network_unknown", condition=models.Q(looked_up_at=None)),
        ]

    def __str__(self) -> str:
        return self.name or self.address


class RefusedReport(models.Model):
    """How many reports were refused on a day, and why."""

    day = models.DateField()
    why = models.CharField("reason", max_length=12)
    count = models.PositiveBigIntegerField("reports", default=0)

    class Meta:
        ordering = ["-day", "why"]
        constraints = [models.UniqueConstraint(fields=["day", "why"], name="refused_report")]

    def __str__(self) -> str:
        return f"{self.count} refused on {self.day}: {self.why}"
