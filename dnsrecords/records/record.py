"""A record to publish. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dnsrecords.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dnsrecords.answers import Question

#: Seconds: an hour is short enough to correct a mistake soon, and long enough for caches to carry the mail's look-ups.
TTL = 3600
#: What the id of a further DKIM key's record begins with; the key's selector follows.
FURTHER_KEY = "dkim_"


@dataclass(frozen=True, slots=True)
class Record:
    """A record to publish.

    Attributes:
        id: unique among a domain's records; of several alike, the second ends in ``_2``.
        kind: key of its class in `dnsrecords.kinds`.
        name: absolute, lower case, without a final dot.
        value: to paste. Names in it end in a dot; TXT is one unquoted string. Empty: not known yet.
        ttl: in seconds.
        purpose: one sentence for the operator.
        required: whether mail depends on it; the others are recommended.
    """

    id: str
    kind: str
    type: str
    name: str
    value: str
    purpose: str
    required: bool = False
    ttl: int = TTL

    @property
    def question(self) -> Question:
        """What to ask DNS for this record."""
        return self.name, self.type


def to_publish(record: Record, status: Status, found: Sequence[str], advice: str) -> Record:
    """A record with the value that is to be published, wherever that is shown, given out or published.

    Advice keeps what others have put into a record, such as senders in SPF. Without any, a text that is right stays
    as it is: the record's own value would take away what it says besides.
    """
    right = found[0] if status is Status.OK and record.type == "TXT" and len(found) == 1 else ""
    return replace(record, value=advice or right or record.value)


def digest(records: Iterable[Record]) -> str:
    """The same for the same records, to notice when others are wanted."""
    content = json.dumps([[record.name, record.type, record.value, record.ttl] for record in records])
    return hashlib.sha256(content.encode()).hexdigest()
