"""Whether a domain that passed SPF or DKIM agrees with the one in From (RFC 9989 §4.4). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.dmarc import walk as treewalk
from dnsrecords.names import within

if TYPE_CHECKING:
    from dnsrecords.answers import Lookup
    from dnsrecords.dmarc.policy import Policy
    from dnsrecords.dmarc.walk import Walk


@dataclass(slots=True)
class Alignment:
    """Judges domains for one mail.

    Attributes:
        domain: of the address in From.
    """

    domain: str
    lookup: Lookup
    _walks: dict[str, Walk]

    @classmethod
    def of(cls, domain: str, lookup: Lookup) -> Alignment:
        """For mail from this domain."""
        return cls(domain, lookup, {})

    def walk(self, domain: str) -> Walk:
        """The walk up from a domain, made once."""
        if domain not in self._walks:
            self._walks[domain] = treewalk.walk(domain, self.lookup)
        return self._walks[domain]

    @property
    def applying(self) -> tuple[str, Policy] | None:
        """Where the policy for this mail stands, and what it says."""
        return self.walk(self.domain).applying

    def holds(self, other: str, tag: str) -> bool:
        """Whether a domain agrees with the one in From.

        Args:
            tag: ``adkim`` or ``aspf``, which may ask for the very same domain.
        """
        if other == self.domain:
            return True
        if not other:
            return False
        found = self.applying
        if found is not None and found[1].tags.get(tag).lower() == "s":
            return False
        if found is None:
            # Nobody has a policy, so no walk finds an organisation: what is above or below counts as the same.
            return within(other, self.domain) or ("." in other and within(self.domain, other))
        return self.walk(other).organisation == self.walk(self.domain).organisation
