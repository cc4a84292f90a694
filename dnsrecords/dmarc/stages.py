"""The staged path to a strong DMARC policy: none → quarantine → reject, and what each step needs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.dmarc.policy import POLICIES, with_policy, with_reports

if TYPE_CHECKING:
    from dnsrecords.dmarc.policy import Policy

_NEEDS = {
    "none": (
        "Have an address for reports that someone reads. No mail is affected yet: receivers only report "
        "once a day who sends mail as this domain."
    ),
    "quarantine": (
        "Wait for at least ten days of reports in which all your own mail, including newsletters, shops and "
        "printers, passes SPF or DKIM for this domain. Forged mail then goes into spam."
    ),
    "reject": (
        "Wait at least four more weeks in which none of your own mail was put into spam and all of it passes "
        "DKIM (SPF fails wherever mail is forwarded). Forged mail is then refused. To try it first, add "
        "t=y: receivers that follow RFC 9989 then still put forged mail into spam, while older ones "
        "refuse it."
    ),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A stage.

    Attributes:
        value: the record to publish for it.
        needs: what has to be true before you take it, and what it does.
        reached: whether this policy, or a stronger one, is published.
    """

    policy: str
    value: str
    needs: str
    reached: bool


def path(published: Policy | None, reports: str, holds: str = POLICIES[0]) -> tuple[Step, ...]:
    """All three stages; the other tags of the published record stay.

    Args:
        published: None: there is no record yet, or none that receivers heed.
        reports: address for the reports, if the published record names none.
        holds: the policy that is known to hold, whatever the record says of subdomains that it does not count for.
    """
    heeded = published if published and not published.fatal else None
    reached = 1 + max(map(POLICIES.index, (heeded.holds, holds))) if heeded else 0
    return tuple(
        Step(policy, _value(policy, heeded, reports), _NEEDS[policy], number < reached)
        for number, policy in enumerate(POLICIES)
    )


def _value(policy: str, published: Policy | None, reports: str) -> str:
    value = with_policy(published, policy) if published else f"v=DMARC1; p={policy}"
    if published and any(not address.error for address in published.reports):
        return value
    return with_reports(value, reports)
