"""`make torture`: rounds of random faults against real parts.

usage: python -m tests.torture [--seed N] [--rounds N] [--from N] [--modes relay-sqlite,…] [--log FILE]
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.rig import Missing
from tests.torture import rounds
from tests.torture.modes import MODES
from tests.torture.rounds import Round


def main() -> int:
    """Play the rounds; 1 if any broke an invariant."""
    options = _options()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell lets what it puts into the background ignore it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = options.seed or random.SystemRandom().randrange(1, 10**6)
    played: list[Round] = []
    print(f"SEED={seed}", flush=True)
    try:
        for mode in options.modes.split(","):
            numbers = range(options.first, options.first + options.rounds)
            with closing(rounds.run(MODES[mode], seed, numbers)) as those:
                for this in those:
                    played.append(this)
                    _tell(this, options.log)
    except Missing as missing:
        print(missing)
        return 2
    except KeyboardInterrupt:
        print("stopped")
    return _sum_up(played)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make torture")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=10, help="in each mode")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first round's number")
    parser.add_argument("--modes", default=",".join(MODES), help=", ".join(MODES))
    parser.add_argument("--log", type=Path, help="a file to which a line for each round is added")
    return parser.parse_args()


def _tell(this: Round, log: Path | None) -> None:
    print(this, flush=True)
    if this.broken:
        print(f"{this.output}\n*** {this}\n*** repeat it with: {this.again}", flush=True)
    if log:
        with log.open("a") as file:
            print(this, file=file)


def _sum_up(played: list[Round]) -> int:
    for mode in dict.fromkeys(this.mode for this in played):
        those = [this for this in played if this.mode == mode]
        faults = Counter(fault for this in those for fault in this.faults)
        print(
            f"\n{mode}: {len(those)} rounds, {sum(faults.values())} faults, "
            f"{sum(this.accepted.total() for this in those)} messages accepted, "
            f"{sum(this.doubles.total() for this in those)} sent twice as the rule allows, "
            f"{sum(bool(this.broken) for this in those)} rounds broke an invariant"
        )
        print("  " + ", ".join(f"{name} {number}" for name, number in faults.most_common()))
    for this in played:
        if this.broken:
            print(f"BROKEN: {this.again}: {this.broken[0]}")
    return int(any(this.broken for this in played))


if __name__ == "__main__":
    sys.exit(main())
