"""One round after the other: faults are picked from the seed, the world is healed, and the checks must hold."""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.torture.world import Fault, World

#: In one of so many rounds the doctor is asked.
THOROUGH = 6


@dataclass
class Round:
    """What happened in one round.

    Attributes:
        broken: the invariants that do not hold; sentences.
    """

    mode: str
    seed: int
    number: int
    faults: list[str]
    seconds: float = 0.0
    accepted: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    refused: int = 0
    arrived: int = 0
    doubles: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    output: str = ""

    def __str__(self) -> str:
        taken = ", ".join(f"{number} by {way}" for way, number in sorted(self.accepted.items()))
        twice = "; ".join(f"{number} twice: {why}" for why, number in sorted(self.doubles.items()))
        end = "ok" if not self.broken else "BROKEN: " + " | ".join(self.broken[:5])
        return (
            f"{self.mode} seed {self.seed} round {self.number}: {' + '.join(self.faults)}: accepted "
            f"{self.accepted.total()} ({taken}), {self.unknown} without an answer, {self.refused} refused, "
            f"{self.arrived} arrived{'; ' + twice if twice else ''}; {self.seconds:.1f} s; {end}"
        )

    @property
    def again(self) -> str:
        """How to repeat it."""
        return f"make torture SEED={self.seed} MODES={self.mode} FROM={self.number} ROUNDS=1"


def play(world: World, seed: int, number: int) -> Round:
    """One round. What goes wrong in it is told, not raised."""
    chance = random.Random(f"{seed}/{world.name}/{number}")
    chosen = list(_choose(world, chance))
    patient, thorough = chance.random() < world.unaided, chance.randrange(THOROUGH) == 0
    this = Round(world.name, seed, number, [name for name, _, _ in chosen] + ["nobody helps"] * patient)
    began = time.monotonic()
    try:
        world.begin(f"{number}", chance)
        for _, fault, pause in chosen:
            time.sleep(pause * world.lasts)
            fault(chance)
        time.sleep(chance.uniform(0.1, 1) * world.lasts)
        world.heal(patient=patient)
        this.broken = world.check(thorough=thorough)
    except Exception as exc:  # noqa: BLE001  (whatever it is, it is the round's result)
        this.broken = [f"{type(exc).__name__}: {exc}"[:2000]]
        this.output = traceback.format_exc()
    _account(this, world)
    if this.broken:
        this.output += world.output()[-12_000:]
    this.seconds = time.monotonic() - began
    return this


def _choose(world: World, chance: random.Random) -> Iterator[tuple[str, Fault, float]]:
    kinds = world.faults()
    for kind in chance.sample(sorted(kinds), min(len(kinds), chance.choice([1, 1, 2, 2, 3]))):
        name = chance.choice(sorted(kinds[kind]))
        yield name, kinds[kind][name], chance.uniform(0, 0.3)


def _account(this: Round, world: World) -> None:
    ledger = world.ledger
    this.accepted = Counter(ledger.accepted.values())
    this.unknown, this.refused = len(ledger.unknown), len(ledger.refused)
    this.arrived = sum(map(len, ledger.arrivals.values()))
    this.doubles, _ = ledger.doubles()
    ledger.close()


def run(make: Callable[[], World], seed: int, numbers: Iterable[int]) -> Generator[Round, None, None]:
    """The rounds; a world in which something broke is replaced, and at its end everything is stopped."""
    waiting = list(numbers)
    while waiting:
        with make() as world:
            while waiting:
                this = play(world, seed, waiting.pop(0))
                yield this
                if this.broken:
                    break
