"""The four plans, their ranks, and the plan that a feature needs."""

from __future__ import annotations

from enum import IntEnum


class Plan(IntEnum):
    """A plan; a higher one includes everything of those below it."""

    COMMUNITY = 0
    PRO = 1
    BUSINESS = 2
    ENTERPRISE = 3

    @property
    def id(self) -> str:
        """The word that licences and the API use."""
        return self.name.lower()

    @property
    def title(self) -> str:
        """The name that people read."""
        return f"Orbit {self.name.capitalize()}"

    @property
    def features(self) -> list[str]:
        """Ids of the features that the plan includes."""
        return [feature for feature, lowest in FEATURES.items() if self >= lowest]

    @classmethod
    def by_id(cls, id_: str) -> Plan | None:
        """The plan with this id, or None."""
        return next((plan for plan in cls if plan.id == id_), None)


#: Feature → the lowest plan that includes it.
FEATURES: dict[str, Plan] = {"orbit_mail": Plan.PRO}
#: Feature → the name that people read.
FEATURE_NAMES: dict[str, str] = {"orbit_mail": "Mail Relay"}
#: Feature → what it adds to a node, in a few words each.
FEATURE_ADDS: dict[str, tuple[str, ...]] = {
    "orbit_mail": (
        "Alerts from Alertmanager, Grafana and Uptime Kuma, backup reports and cron mail, sent through "
        "your provider from a queue that survives crashes",
        "A relay test that names the stage at which mail fails and tells you what to do",
        "Your own mail server: domains, mailboxes and aliases on Docker",
        "DNS records to publish, checked every hour",
        "The API for all of it",
    )
}
#: Days that an evaluation runs, unless ``license trial --days`` says otherwise.
EVALUATION_DAYS = 30
