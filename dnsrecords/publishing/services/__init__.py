"""Name services whose zones can be changed by machine. Another one is one more module, and a line in `services`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quazzar.errors import QuazzarError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dnsrecords.answers import Question


class PublishFailed(QuazzarError):
    """The name service did not take the records; none of them was changed."""

    code = "publish_failed"
    status = 502


class ZoneChanged(Exception):
    """Somebody else changed what a change rests on, between the look and the change; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Published:
    """A value that is published.

    Attributes:
        value: as `dnsrecords.answers` has it.
        raw: as the service itself writes it, to name exactly this one.
    """

    value: str
    raw: str


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of the values of one name and type; those that are not named stay.

    Attributes:
        before: raw, all that were there when the change was planned.
        remove: raw, those to take away.
        add: to put there, as a zone file has them.
    """

    name: str
    type: str
    ttl: int
    before: tuple[str, ...]
    remove: tuple[str, ...]
    add: tuple[str, ...]


class NameService(Protocol):
    """Reads and changes one zone. Values are texts, so that whoever plans a change need not know whose zone it is."""

    def read(self, questions: Iterable[Question]) -> dict[Question, tuple[Published, ...]]:
        """What the zone itself has now, not what caches have; a CNAME at the name is found under its own type.

        Raises:
            PublishFailed: it cannot be asked, or has no such zone.
        """

    def apply(self, changes: Sequence[Change]) -> None:
        """All of them, or none.

        Raises:
            PublishFailed: it refuses, or cannot be reached.
            ZoneChanged: what is there is not what it was.
        """
