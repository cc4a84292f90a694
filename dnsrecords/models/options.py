"""What a domain publishes, and who publishes it."""

from __future__ import annotations

from django.db import models

from mailboxes.models import Domain
from quazzar.sealing.fields import SealedTextField


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
        verbose_name = "set of domain options"
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
