"""The staged path to a strong DMARC policy: none → quarantine → reject, and what each step needs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.dmarc.policy import POLICIES, with_policy, with_reports

if TYPE_CHECKING:
    from dnsrecords.dmarc.policy import Policy

_NEEDS = {
    "none": (
        "An address for the reports that somebody reads. Nothing happens to any mail yet: receivers only report once "
        "a day who sends in the name of this domain."
    ),
    "quarantine": (
        "About two weeks of reports in which all of your own mail, including that of newsletters, shops and printers, "
        "passes SPF or DKIM in the name of this domain. Forged mail then goes into spam."
    ),
    "reject": (
        "About four more weeks in which nothing of your own was put into spam, and DKIM passes for all of it, because "
        "SPF fails wherever mail is forwarded. Forged mail is then refused."
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


def path(published: Policy | None, reports: str) -> tuple[Step, ...]:
    """All three stages; the other tags of the published record stay.

    Args:
        published: None: there is no record yet, or none that receivers heed.
        reports: address for the reports, if the published record names none.
    """
    return tuple(_step(policy, published, reports) for policy in POLICIES)


def _step(policy: str, published: Policy | None, reports: str) -> Step:
    value = f"v=DMARC1; p={policy}"
    if published and not published.errors:
        value = with_policy(published, policy)
    if not (published and published.reports):
        value = with_reports(value, reports)
    return Step(policy, value, _NEEDS[policy], _is_reached(policy, published))


def _is_reached(policy: str, published: Policy | None) -> bool:
    if published is None or published.errors:
        return False
    # With pct= below 100 the stage before it holds for the rest of the mail (RFC 7489 §6.3).
    full = POLICIES.index(published.policy) - (1 if published.percent < 100 else 0)
    return POLICIES.index(policy) <= max(full, 0)
