"""Mail with the null sender (``MAIL FROM:<>``, RFC 5321 §4.5.5) at a relay that does not take it. Pure.

cronie asks for the null sender, so that nothing bounces; Amazon SES and others answer it with 501. The content matters
more than that, so the mail is sent again, from the from address.
"""

from __future__ import annotations

import re
from dataclasses import replace

from mailrelay.smtp.dialogue import Envelope, Outcome
from quazzar.errors import DeliveryError

# Servers that judge the sender later (Postfix: smtpd_delay_reject) name it in their answer.
_SENDER = re.compile(r"sender|mail from|return[- ]path|<>", re.IGNORECASE)


def once_more(envelope: Envelope, outcome: Outcome, from_address: str) -> Envelope | None:
    """The envelope with a sender, if the server refused it for good because it has none."""
    if envelope.sender or outcome.reply is None:
        return None
    if outcome.error is not None:
        refusals = [outcome.error]
    elif len(outcome.refused) == len(envelope.recipients):
        refusals = list(outcome.refused.values())
    else:
        return None
    if not all(map(_names_the_sender, refusals)):
        return None
    return replace(envelope, sender=from_address, utf8=envelope.utf8 or not from_address.isascii())


def _names_the_sender(error: DeliveryError) -> bool:
    if not error.permanent or error.stage not in ("sender", "recipient", "data"):
        return False
    return error.stage == "sender" or _SENDER.search(error.message) is not None
