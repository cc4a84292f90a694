"""The staged path to a strong DMARC policy: none → quarantine → reject, and what each step needs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.dmarc.policy import POLICIES, reporting, strengthened

if TYPE_CHECKING:
    from dnsrecords.dmarc.policy import Policy

_NEEDS = {
    "none": (
        "An address for the reports that somebody reads. Nothing happens to any mail yet: receivers only report once "
        "a day who sends in the name of this domain."
    ),
    "quarantine": (
        "About two weeks of reports in which all of your own mail, also from newsletters, shops and printers, passes "
        "SPF or DKIM in the name of this domain. Forged mail then goes into spam."
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
        needs: what has to be so before it is taken, and what it does.
        reached: whether it, or a stronger one, is published.
    """

    policy: str
    value: str
    needs: str
    reached: bool


def path(found: Policy | None, reports: str) -> tuple[Step, ...]:
    """All three stages; what the published record says besides its policy stays.

    Args:
        found: None: there is none yet, or none that receivers heed.
        reports: address for the reports, if none is named yet.
    """
    return tuple(_step(policy, found, reports) for policy in POLICIES)


def next_step(found: Policy | None, reports: str) -> Step | None:
    """The stage to take next; None at the end of the path."""
    return next((step for step in path(found, reports) if not step.reached), None)


def _step(policy: str, found: Policy | None, reports: str) -> Step:
    value = f"v=DMARC1; p={policy}"
    if found and not found.errors:
        value = strengthened(found, policy)
    if not (found and found.reports):
        value = reporting(value, reports)
    return Step(policy, value, _NEEDS[policy], _reached(policy, found))


def _reached(policy: str, found: Policy | None) -> bool:
    if found is None or found.errors:
        return False
    # With pct= below 100 the stage before it holds for the rest of the mail (RFC 7489 §6.3).
    full = POLICIES.index(found.policy) - (1 if found.percent < 100 else 0)
    return POLICIES.index(policy) <= max(full, 0)
