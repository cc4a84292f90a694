"""A mail to more people than the server takes at once goes out in parts (RFC 5321 §4.5.3.1.8, §4.5.3.1.10). Pure."""

from __future__ import annotations

from dataclasses import replace

from mailrelay.smtp.dialogue import TOO_MANY, Envelope, Job, Outcome
from quazzar.errors import DeliveryError


def job(key: int, envelope: Envelope, most: int) -> Job:
    """The job for a mail, or for its first part if the server takes ``most`` recipients at once (0: any number)."""
    people = envelope.recipients
    if not most or len(people) <= most:
        return Job(key, envelope)
    return Job(key, replace(envelope, recipients=people[:most]), part=True, rest=people[most:])


def after(job: Job, outcome: Outcome) -> tuple[dict[str, DeliveryError | None], Job | None]:
    """What this outcome of a part settles, and the part to send next.

    Returns:
        Recipient → why they did not get the mail, or None if they have it, for those of whom that is known now; and the
        next part, or None when nothing more can be sent for now.
    """
    asked, error, most = job.envelope.recipients, outcome.error, outcome.most
    settled: dict[str, DeliveryError | None]
    if error is not None and not most and not _about_the_mail(error):
        return {person: error for person in (*asked, *job.rest)}, None
    if error is not None:
        settled = {} if most else {person: error for person in asked}
        waiting = (*(asked if most else ()), *job.rest)
    else:
        late = [person for person in asked if most and _late(outcome.refused.get(person))]
        settled = {person: outcome.refused.get(person) for person in asked if person not in late}
        waiting = (*late, *job.rest)
    if not waiting:
        return settled, None
    size = most or len(asked)
    envelope = replace(job.envelope, recipients=waiting[:size])
    return settled, Job(job.key, envelope, part=True, rest=waiting[size:])


def _about_the_mail(error: DeliveryError) -> bool:
    return error.permanent and error.stage in ("sender", "recipient", "data")


def _late(error: DeliveryError | None) -> bool:
    return error is not None and error.kind == TOO_MANY
