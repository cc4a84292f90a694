"""What a fuzzer throws bytes at: a parser or renderer of the product, with what must hold of whatever comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: Every target, by its name.
TARGETS: dict[str, Target] = {}


@dataclass(frozen=True)
class Target:
    """A parser or renderer.

    Attributes:
        run: takes any bytes; raises AssertionError where a property does not hold.
        refuses: what it may raise instead of an answer; anything else is a fault.
        seeds: inputs to start from, valid ones first. They are also what gets longer when the growth is measured.
        grows: whether its time is measured on long inputs.
    """

    name: str
    run: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    grows: bool

    def __call__(self, data: bytes) -> bool:
        """Try one input; whether it was taken, not refused."""
        try:
            self.run(data)
        except self.refuses:
            return False
        return True


Run = Callable[[bytes], object]


def target(
    *seeds: bytes | str, refuses: tuple[type[Exception], ...] = (), grows: bool = True
) -> Callable[[Run], Run]:
    """Make a target of a function, under the function's name."""

    def register(run: Run) -> Run:
        name = run.__name__
        assert name not in TARGETS, name
        # In a text the letter ÿ stands for the byte 0xFF, which divides it; see ``parts``.
        given = tuple(
            seed.encode().replace(b"\xc3\xbf", b"\xff") if isinstance(seed, str) else seed for seed in seeds
        )
        TARGETS[name] = Target(name, run, refuses, given, grows)
        return run

    return register


def text(data: bytes) -> str:
    """The bytes as text that may come from JSON or a form: whole characters."""
    return data.decode("utf-8", "replace")


def parts(data: bytes, count: int) -> list[str]:
    """The bytes as that many texts, divided at 0xFF, which UTF-8 does not contain."""
    found = [text(part) for part in data.split(b"\xff")]
    return [*found, *[""] * count][:count]
