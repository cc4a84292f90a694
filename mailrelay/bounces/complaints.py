"""Complaints: reports of abuse in the Abuse Reporting Format (RFC 5965). Pure.

A report of failed authentication (RFC 6591, ``Feedback-Type: auth-failure``) is none: nobody has complained.
"""

from __future__ import annotations

from mailrelay.bounces import outcomes, parts
from mailrelay.bounces.outcomes import Outcome

#: RFC 5965 §3.1 and §7.3, and what providers made of it.
_COMPLAINTS = frozenset(
    {"abuse", "fraud", "virus", "other", "complaint", "opt-out", "opt-out-list", "miscategorized"}
)


def read(reports: list[str], original: str) -> list[Outcome]:
    """Who complained, as far as the report says; the address may be redacted.

    Args:
        reports: the parts ``message/feedback-report``.
        original: the header of the mail that is complained about.
    """
    found = []
    for text in reports:
        fields = {name: value for group in parts.groups(text) for name, value in group.items()}
        kind = fields.get("feedback-type", "").lower()
        if kind not in _COMPLAINTS:
            continue
        people = _people(fields, original)
        said = (
            f"reported as {kind} by {fields['user-agent']}"
            if "user-agent" in fields
            else f"reported as {kind}"
        )
        host = fields.get("reporting-mta", "").rpartition(";")[2].strip()
        found += [Outcome(person, outcomes.COMPLAINED, said=said, host=host) for person in people]
    return found


def _people(fields: parts.Fields, original: str) -> list[str]:
    for name in ("original-rcpt-to", "removal-recipient"):
        if person := outcomes.address(fields.get(name, "")):
            return [person]
    header = {name: value for group in parts.groups(original)[:1] for name, value in group.items()}
    return [outcomes.address(header.get("to", "") if header.get("to", "").count("@") == 1 else "")]
