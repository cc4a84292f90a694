"""Rows about the images of the three containers: what runs, what is newer, and upgrades from one to the other."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.utils import timezone


class StackImage(models.Model):
    """The image of a service that runs, pinned by its id, and whether there is a newer one.

    Containers are created from the id, so that a tag that moves changes nothing. Written by ``stack/pins.py`` and
    ``upgrades/newer.py``.
    """

    #: postfix, dovecot or rspamd.
    service = models.CharField(max_length=10, unique=True)
    #: The name by which the image was chosen, such as ``rspamd/rspamd:4.1.5``.
    ref = models.CharField("image", max_length=300)
    #: ``sha256:…``, by which the Engine knows it.
    image_id = models.CharField("image's id", max_length=80)
    #: ``name@sha256:…``, by which a registry knows it; empty for an image that was built on the spot.
    digest = models.CharField("digest in the registry", max_length=400, blank=True, default="")
    #: ``{"ref", "id", "digest", "version", "where"}`` of a newer image; null if there is none. See upgrades/newer.py.
    newer = models.JSONField("newer image", null=True, default=None)
    #: When it was last looked for; null if never.
    looked_at = models.DateTimeField("looked for newer ones", null=True, default=None)
    #: Why the registry could not be asked; empty if it answered.
    problem = models.CharField("why the registry does not answer", max_length=300, blank=True, default="")

    class Meta:
        ordering = ["service"]

    def __str__(self) -> str:
        return f"{self.service.capitalize()}: {self.ref}"

    @property
    def value(self) -> dict[str, str]:
        """As it is stored in an upgrade."""
        return {"ref": self.ref, "id": self.image_id, "digest": self.digest}


class ImageUpgradeQuerySet(models.QuerySet["ImageUpgrade"]):
    """Queries for upgrades."""

    def open(self) -> Self:
        """Those that have not ended; there is one at most."""
        return self.filter(finished_at=None)


class ImageUpgrade(models.Model):
    """An upgrade of the images: from begin to end, or back. Written by ``upgrades/``; a killed worker continues it."""

    class State(models.TextChoices):
        """The step that is being taken, or how it ended."""

        FETCHING = "fetching", "Fetching the images"
        SAVING = "saving", "Saving the volumes"
        SWITCHING = "switching", "Switching the containers"
        PROVING = "proving", "Proving that mail works"
        OPENING = "opening", "Opening the ports"
        RETURNING = "returning", "Rolling back"
        DONE = "done", "Done"
        ROLLED_BACK = "rolled_back", "Rolled back"
        #: It ended before anything had changed.
        FAILED = "failed", "Failed"

    state = models.CharField(max_length=12, choices=State, default=State.FETCHING)
    #: Service → ``{"ref", "id", "digest", "version"}`` of what ran before.
    before = models.JSONField("images before", default=dict)
    #: The same of what is to run; filled in when the images have been fetched.
    after = models.JSONField("images after", default=dict)
    #: Who asked for it, as in the audit log.
    actor = models.CharField("asked for by", max_length=200, blank=True, default="")
    #: What is being done at this moment.
    message = models.CharField(max_length=300, blank=True, default="")
    #: ``[{"state", "at"}]``: when each step began.
    steps = models.JSONField(default=list)
    #: ``[{"id", "ok", "message"}]``: what was tried with the new containers.
    proofs = models.JSONField(default=list)
    #: The step that failed; empty if none did.
    failed_at = models.CharField("failed while", max_length=12, blank=True, default="")
    #: ``{"code", "message", "hint"}`` of why it did not succeed, or of what holds it up.
    error = models.JSONField(null=True, default=None)
    #: How often a worker has taken it up.
    attempts = models.PositiveSmallIntegerField("workers that took it up", default=0)
    started_at = models.DateTimeField("started", default=timezone.now)
    finished_at = models.DateTimeField("finished", null=True, default=None)

    objects = ImageUpgradeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"upgrade {self.pk}"

    def save_values(self, **values: Any) -> None:
        """Stores these columns, and takes them over."""
        for name, value in values.items():
            setattr(self, name, value)
        ImageUpgrade.objects.filter(pk=self.pk).update(**values)
