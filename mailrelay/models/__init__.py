"""The tables of mailrelay: Django looks for models here."""

from __future__ import annotations

from mailrelay.models.expected import ExpectedReport, ExpectedSweep
from mailrelay.models.feedback import EventSource, Feedback, Inbox, Suppression
from mailrelay.models.messages import HourlyCount, Message, MessageAddress, envelope, searched
from mailrelay.models.notices import AlertState, LicenceWatch
from mailrelay.models.relay import RelaySettings

__all__ = [
    "AlertState",
    "EventSource",
    "ExpectedReport",
    "ExpectedSweep",
    "Feedback",
    "HourlyCount",
    "Inbox",
    "LicenceWatch",
    "Message",
    "MessageAddress",
    "RelaySettings",
    "Suppression",
    "envelope",
    "searched",
]
