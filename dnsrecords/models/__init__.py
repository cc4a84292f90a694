"""The tables of dnsrecords: Django looks for models here."""

from __future__ import annotations

from dnsrecords.models.blocklists import BlocklistChange, BlocklistEntry, BlocklistRound
from dnsrecords.models.checks import DomainCheck, RecordChange, RecordCheck
from dnsrecords.models.options import DomainOptions, Publisher
from dnsrecords.models.proofs import Proof, ProofSchedule, Way
from dnsrecords.models.reports import Network, ReceivedReport, RefusedReport, ReportedMail, ReportedTls

__all__ = [
    "BlocklistChange",
    "BlocklistEntry",
    "BlocklistRound",
    "DomainCheck",
    "DomainOptions",
    "Network",
    "Proof",
    "ProofSchedule",
    "Publisher",
    "ReceivedReport",
    "RecordChange",
    "RecordCheck",
    "RefusedReport",
    "ReportedMail",
    "ReportedTls",
    "Way",
]
