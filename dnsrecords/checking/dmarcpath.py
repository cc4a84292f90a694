"""Where a domain stands on the path to a strong DMARC policy, by what was found published last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.dmarc import judge as dmarcrecords
from dnsrecords.dmarc import stages as dmarcstages
from dnsrecords.records.build import reports_to

if TYPE_CHECKING:
    from dnsrecords.checking.report import Report
    from dnsrecords.dmarc.judge import Policy
    from dnsrecords.dmarc.stages import Step


def of(found: Report) -> tuple[Step, ...]:
    """All three stages, the weakest first."""
    return dmarcstages.path(_published(found), reports_to(found.facts.domain))


def _published(found: Report) -> Policy | None:
    """The policy that receivers heed: of several, none."""
    row = next(each for each in found.required if each.record.id == "dmarc")
    policies = [dmarcrecords.parse(value) for value in row.found if dmarcrecords.is_policy(value)]
    return policies[0] if len(policies) == 1 and not policies[0].errors else None
