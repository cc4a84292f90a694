"""Rows by which machines that share a PostgreSQL know each other: which key seals, and the state of each."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class SealingKey(models.Model):
    """A key that has sealed: a text sealed under it, by which other machines know whether they hold it.

    Written by ``sealing/agreement.py``, on PostgreSQL only. The highest number is in force.
    """

    number = models.PositiveIntegerField(unique=True)
    proof = models.BinaryField()
    at = models.DateTimeField("in force since", default=timezone.now)

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"key {self.number}"


class Process(models.Model):
    """A web or worker process that shares this PostgreSQL with others, and what it last reported about its machine.

    Written by ``machines/reporting.py``.
    """

    #: The machine's host name, and which data dir on it: two containers may have the same host name.
    machine = models.CharField(max_length=100)
    #: web or worker.
    role = models.CharField("process", max_length=20)
    version = models.CharField(max_length=40)
    #: A digest that tells whether two machines have the same SECRET_KEY, and not which.
    secret_key = models.CharField(max_length=64)
    #: What the licence file grants there, in words.
    licence = models.CharField(max_length=300)
    #: What is wrong with the machine's own parts, such as its disk: level, sentence and advice of each.
    problems = models.JSONField("problems of the machine", default=list)
    started_at = models.DateTimeField("started", default=timezone.now)
    at = models.DateTimeField("last reported", default=timezone.now)

    class Meta:
        verbose_name_plural = "processes"
        ordering = ["machine", "role"]
        constraints = [models.UniqueConstraint(fields=["machine", "role"], name="process_once")]

    def __str__(self) -> str:
        return f"{self.role} on {self.machine}"
