"""A proof as it is shown at any moment: what was found, or how far it is and what is still to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.models import Proof, Way
from dnsrecords.proof import evidence, ways
from dnsrecords.proof.judging import before
from dnsrecords.proof.judging.verdict import At, Check, Mark, Station, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

State = Proof.State
_SENTENCES = {
    State.SENDING: "The mail is being handed to the mail server.",
    State.UNDERWAY: "The mail is on its way.",
    State.ARRIVED: "The mail arrived and is being judged.",
}
_AHEAD = (
    (At.DOOR, "Receiving server", "Not reached yet."),
    (At.IDENTITY, "Sender's identity", "Judged once the mail has arrived."),
    (At.MAILBOX, "Mailbox", "Waiting for the mail."),
)


def verdict_of(row: Proof) -> Verdict:
    """The stations of a proof, with those that are still ahead if it goes on."""
    if row.verdict is not None:
        return Verdict.from_json(row.verdict)
    if row.state == State.SENDING:
        waits = "The mail waits for a worker."
        stations: Sequence[Station] = (before.node(row.created_at, waits, Mark.PENDING),)
    else:
        stations = evidence.left(row).stations
    ahead = [
        Station(key, title, checks=(Check("ahead", Mark.PENDING, sentence),))
        for key, title, sentence in _AHEAD
        if key is not At.DOOR or row.way == Way.RELAY or not ways.is_ours(row.to)
    ]
    return Verdict((*stations, *ahead), _SENTENCES.get(State(row.state), ""))
