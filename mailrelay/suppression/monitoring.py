"""The doctor's check that nobody who gets alerts or backup reports is suppressed.

The node's own mails follow from it: when the check fails, the other alert recipients get one.
"""

from __future__ import annotations

from mailrelay.mail import addresses
from mailrelay.models import RelaySettings, Suppression
from mailrelay.suppression import listing
from quazzar.monitoring import doctor

CHECK = "suppressed recipients"


def examine() -> doctor.Finding:
    """Whether alerts and reports are sent to everybody who should get them."""
    row = RelaySettings.objects.filter(pk=1).values_list("alert_recipients", "backup_recipients").first()
    alerts, backups = row or ([], [])
    people = {
        _plain(person): what
        for what, people in (("backup reports", backups), ("alerts", alerts))
        for person in people
    }
    rows = list(Suppression.objects.filter(address__in=people).order_by("address"))
    if not rows:
        return doctor.ok("No recipient of alerts or backup reports is on the suppression list.")
    first = rows[0]
    why = listing.sentence(first).partition("because ")[2]
    more = f" So do {len(rows) - 1} more." if len(rows) > 1 else ""
    said = f" The server said: {first.said}" if first.said else ""
    return doctor.failed(
        f"{first.address} gets no more {people[first.address]}, because {why}{said}{more}",
        "Repair the mailbox and remove the address from the suppression list, or choose another recipient in the "
        "Relay settings.",
        since=first.created_at,
    )


def _plain(person: str) -> str:
    try:
        return addresses.split(person)[1].lower()
    except ValueError:
        return person.lower()
