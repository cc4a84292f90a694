"""The tables of quazzar: Django looks for models here."""

from __future__ import annotations

from quazzar.models.audit import AppendOnly, AuditEntry
from quazzar.models.findings import Finding, FindingChange, Heartbeat
from quazzar.models.keys import ApiKey, IdempotentRequest
from quazzar.models.machines import Process, SealingKey
from quazzar.models.operators import (
    FirstStep,
    OneTimeLink,
    Operator,
    Passkey,
    RecoveryCode,
    Session,
    SignInPolicy,
)

__all__ = [
    "ApiKey",
    "AppendOnly",
    "AuditEntry",
    "Finding",
    "FindingChange",
    "FirstStep",
    "Heartbeat",
    "IdempotentRequest",
    "OneTimeLink",
    "Operator",
    "Passkey",
    "Process",
    "RecoveryCode",
    "SealingKey",
    "Session",
    "SignInPolicy",
]
