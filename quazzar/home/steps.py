"""The first run as a checklist that fills itself from facts, and remembers what was done once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from quazzar.home import registry
from quazzar.home.registry import Step
from quazzar.models import FirstStep, Operator

#: The order of the steps; others come last.
ORDER = ("password", "licence", "second factor", "way out", "test mail", "alert", "domain", "dns")
#: What an operator has chosen to see: the checklist until it is done, never, or always.
AUTO, HIDDEN, SHOWN = Operator.Checklist.values


@dataclass(frozen=True, slots=True)
class Taken:
    """A step, and whether it is done."""

    step: Step
    is_done: bool
    is_needed: bool


@dataclass(frozen=True, slots=True)
class Checklist:
    """The steps that concern an operator."""

    steps: tuple[Taken, ...]

    @property
    def done(self) -> int:
        """How many are done, of ``needed``."""
        return sum(taken.is_done for taken in self.steps if taken.is_needed)

    @property
    def needed(self) -> int:
        """How many there are, without those that a node can do without."""
        return sum(taken.is_needed for taken in self.steps)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left that the node needs."""
        return self.done == self.needed

    @property
    def next(self) -> Step | None:
        """The first step that is left."""
        left = [taken.step for taken in self.steps if not taken.is_done and taken.is_needed]
        return next(iter(left), None)


def is_shown(checklist: Checklist, choice: str) -> bool:
    """Whether to show it to an operator who has chosen this. Pure."""
    if not checklist.steps or choice == HIDDEN:
        return False
    return choice == SHOWN or not checklist.is_complete


def choice_of(user: Any) -> str:
    """What the operator has chosen."""
    return Operator.objects.filter(user=user).values_list("checklist", flat=True).first() or AUTO


def choose(user: Any, choice: str) -> None:
    """Keep what the operator has chosen: HIDDEN or SHOWN."""
    Operator.objects.update_or_create(user=user, defaults={"checklist": choice})


def read(user: Any) -> Checklist:
    """The checklist of an operator, without the steps that they cannot take."""
    remembered = set(FirstStep.objects.values_list("key", flat=True))
    mine = [step for step in in_order(registry.all_steps().values()) if step.right(user)]
    taken = [_taken(step, user, remembered) for step in mine]
    return Checklist(tuple(each for each in taken if not (each.is_done and each.step.is_passing)))


def _taken(step: Step, user: Any, remembered: Collection[str]) -> Taken:
    is_done = step.key in remembered or step.is_done(user)
    return Taken(step, is_done, is_done or step.is_needed())


def in_order(steps: Iterable[Step]) -> list[Step]:
    """The steps in the order in which they are shown. Pure."""
    return sorted(steps, key=lambda step: ORDER.index(step.key) if step.key in ORDER else len(ORDER))


def remember() -> list[str]:
    """Remember the steps of the node that are done now: the rows that show it may be deleted later.

    Returns their keys.
    """
    known = set(FirstStep.objects.values_list("key", flat=True))
    new = [
        step.key
        for step in registry.all_steps().values()
        if not (step.is_personal or step.is_passing) and step.key not in known and step.is_done(None)
    ]
    FirstStep.objects.bulk_create(
        [FirstStep(key=key, done_at=timezone.now()) for key in new], ignore_conflicts=True
    )
    return new
