"""Mail domains and their DKIM keys."""

from __future__ import annotations

from typing import Self, TypeVar

from django.db import models
from django.utils import timezone

from quazzar.sealing.fields import SealedTextField

_Row = TypeVar("_Row", bound=models.Model)


class SyncedQuerySet(models.QuerySet[_Row]):
    """Queries for rows that are pushed into the running stack."""

    def unsynced(self) -> Self:
        """Rows whose latest change the running stack has not confirmed yet."""
        return self.filter(applied_at=None)


class Synced(models.Model):
    """A row that is pushed into the running stack, and how far its latest change has got."""

    #: The stack's generation of the row's latest change.
    generation = models.PositiveBigIntegerField("latest change", default=0)
    #: When the running stack confirmed the latest change; null until then.
    applied_at = models.DateTimeField("latest change applied", null=True, default=None)
    #: When the running stack first had the row; null if it never did.
    live_at = models.DateTimeField("first live", null=True, default=None)
    created_at = models.DateTimeField("created", default=timezone.now)

    class Meta:
        abstract = True

    @property
    def synced(self) -> bool:
        """Whether the running stack has the row as it is now. False for all rows once the stack is disabled."""
        return self.applied_at is not None


class DomainQuerySet(SyncedQuerySet["Domain"]):
    """Queries for domains."""

    def unsigned(self) -> Self:
        """Domains whose mail is sent unsigned, because they have no RSA key that signs."""
        signing = DkimKey.objects.filter(
            domain=models.OuterRef("pk"), algorithm=DkimKey.Algorithm.RSA, state=DkimKey.State.SIGNING
        )
        return self.filter(~models.Exists(signing))


class Domain(Synced):
    """A mail domain of this node."""

    #: Lower case, as A-labels.
    name = models.CharField(max_length=253, unique=True)
    #: Address that gets mail for local parts that no mailbox and no alias has; empty: such mail is refused.
    catch_all = models.CharField("catch-all address", max_length=320, blank=True, default="")
    #: Address that gets mail for postmaster and abuse, unless a mailbox or an alias has those; empty: the operators.
    contact = models.CharField("contact for postmaster and abuse", max_length=320, blank=True, default="")

    objects = DomainQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def signing_key(self) -> DkimKey | None:
        """The RSA key that signs the domain's mail; None for a domain without a key, whose mail leaves unsigned.

        Uses prefetched ``dkim_keys`` if there are any.
        """
        signing = (DkimKey.Algorithm.RSA, DkimKey.State.SIGNING)
        return next((key for key in self.dkim_keys.all() if (key.algorithm, key.state) == signing), None)

    @property
    def dkim_selector(self) -> str:
        """The selector of ``signing_key``, or the one that the first key will get."""
        key = self.signing_key
        return key.selector if key else DkimKey.FIRST_SELECTOR

    @property
    def dkim_state(self) -> str:
        """none, ready, or unreadable (the key file lost the key that sealed the private half of ``signing_key``)."""
        key = self.signing_key
        if key is None:
            return "none"
        return "ready" if key.readable else "unreadable"


class DkimKeyQuerySet(models.QuerySet["DkimKey"]):
    """Queries for DKIM keys."""

    def without_secrets(self) -> Self:
        """Rows whose private half is neither read nor opened."""
        return self.defer("private_key")


class DkimKey(models.Model):
    """A DKIM key of a domain (RFC 6376). A domain signs with an RSA key and, if the operator wants, an Ed25519 key.

    A new key waits until its record is published, then it signs. The RSA key that it replaces retires: its record has
    to stay until the mail that it signed has arrived.
    """

    class Algorithm(models.TextChoices):
        """The kind of key, as in the record's ``k=``."""

        RSA = "rsa", "RSA"
        #: RFC 8463. Adds a second signature to that of the RSA key.
        ED25519 = "ed25519", "Ed25519"

    class State(models.TextChoices):
        """What the key is used for now."""

        WAITING = "waiting", "Waiting to be published"
        SIGNING = "signing", "Signing"
        RETIRED = "retired", "Retired"

    #: The selector of a domain's first key.
    FIRST_SELECTOR = "quazzar"

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="dkim_keys")
    algorithm = models.CharField(max_length=7, choices=Algorithm)
    selector = models.CharField(max_length=63)
    state = models.CharField(max_length=7, choices=State)
    #: When it entered its state; null for a domain's first key, which always signed, and if unknown (before 0.4).
    since = models.DateTimeField(null=True, default=None)
    #: PEM (PKCS#8). Null only for a key that was unreadable when it retired, before 0.4.
    private_key = SealedTextField(
        context="mailboxes.dkimkey.private_key",
        # The columns that held the keys before 0.4. Migration 0005 copied their blobs unchanged.
        former_contexts=[
            "mailboxes.domain.dkim_private_key",
            "mailboxes.domain.dkim_next_private_key",
            "mailboxes.domain.dkim_old_private_key",
            "mailboxes.domain.dkim_ed25519_private_key",
        ],
        null=True,
    )
    #: Base64, as in the record's ``p=``: of RSA the SubjectPublicKeyInfo, of Ed25519 the bare 32 bytes.
    public_key = models.TextField(blank=True, default="")

    objects = DkimKeyQuerySet.as_manager()

    class Meta:
        # The order in which a domain's records are listed: RSA first.
        ordering = ["domain_id", "-algorithm", "id"]
        verbose_name = "DKIM key"
        constraints = [
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_key_selector"),
            # At most one key signs, one waits to take over from it, and one has retired.
            models.UniqueConstraint(fields=["domain", "algorithm", "state"], name="dkim_key_state"),
            models.CheckConstraint(
                condition=models.Q(state="retired") | models.Q(private_key__isnull=False),
                name="dkim_key_private",
            ),
        ]

    def __str__(self) -> str:
        return self.selector

    @property
    def readable(self) -> bool:
        """Whether the private half is there and can be opened."""
        return self.private_key is not None and self.private_key.readable
