"""Name services whose zones can be changed automatically. Another one is a module here, and a line in `registry`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quazzar.errors import QuazzarError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from dnsrecords.answers import Question


class PublishFailed(QuazzarError):
    """The name service did not take the records; none of them was changed."""

    code = "publish_failed"
    status = 502


class ZoneChanged(Exception):
    """Somebody else changed the zone after it was read, so nothing was changed. Read it again."""


@dataclass(frozen=True, slots=True)
class Published:
    """A value that is published.

    Attributes:
        value: as `dnsrecords.answers` has it.
        raw: as the name service itself writes it, to name exactly this value.
        ttl: in seconds, of all values of its name and type (RFC 2181 §5.2).
        above: what takes the name out of the zone, as a clause such as "the DNAME record at a.example leads
            elsewhere"; then ``value`` is where it leads, and nothing can be published at the name.
    """

    value: str
    raw: str
    ttl: int = 0
    above: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the values of one name and type; values that are not named stay.

    Attributes:
        before: all values that were there when the change was planned, raw.
        remove: values to remove, raw.
        add: values to add, as a zone file has them.
    """

    name: str
    type: str
    ttl: int
    before: tuple[str, ...]
    remove: tuple[str, ...]
    add: tuple[str, ...]


class NameService(Protocol):
    """Reads and changes one zone. Values are texts, so that a plan is the same for every name service."""

    def read(self, questions: Iterable[Question]) -> dict[Question, tuple[Published, ...]]:
        """What the name service answers now, not what caches have. CNAMEs are not followed.

        What takes a name out of the zone (``Published.above``) is among the answers for its type CNAME.

        Raises:
            PublishFailed: the name service cannot be asked, or has no such zone.
        """

    def stored(self, questions: Collection[Question]) -> frozenset[Question]:
        """Of these names and types, those that the zone has. What a wildcard answers it does not have (RFC 4592).

        Raises:
            PublishFailed: the name service cannot be asked, or refuses.
        """

    def apply(self, changes: Sequence[Change]) -> None:
        """Makes all of the changes, or none.

        Raises:
            PublishFailed: the name service refuses, or cannot be reached.
            ZoneChanged: a value of ``Change.before`` is gone, or another one is there.
        """
