"""Made-up inputs for every target: by hypothesis, and long ones to see how the time grows."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.fuzz import dnstargets, mailtargets, nodetargets, reporttargets, stacktargets
from tests.fuzz.target import TARGETS, Target

MODULES = (mailtargets, dnstargets, stacktargets, nodetargets, reporttargets)
#: What begins, ends or escapes something in one of the formats, or looks like it.
TOKENS = [
    *(
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b";",
        b"#",
        b",",
        b"@",
        b"%",
        b'"',
        b"'",
        b"\\",
        b"|",
        b"/",
    ),
    *(
        b"..",
        b"=",
        b"=?",
        b"?=",
        b"<",
        b">",
        b"(",
        b")",
        b"[",
        b"]",
        b"{",
        b"}",
        b"\x7f",
        b"\xff",
        b"\xc2\x85",
    ),
    *(
        b"\xe2\x80\xa8",
        b"\xed\xa0\x80",
        b"\xc4\xb0",
        b"0",
        b"-1",
        b"1e999",
        b"9" * 30,
        b"a",
        b"A",
        b"xn--",
        b"\x1b[",
    ),
    *(
        b"%{s}",
        b"=0D=0A",
        b"\r\n.\r\n",
        b"\n\n",
        b"--b",
        b"null",
        b"\\u0000",
        b"NaN",
        b"\xef\xbb\xbf",
        b"\xe2\x85\xa8",
    ),
]


@dataclass
class Tried:
    """What a run came to."""

    cases: int = 0
    taken: int = 0
    #: Target → the input that breaks it, and how.
    failures: dict[str, str] = field(default_factory=dict)


@st.composite
def inputs(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A valid input with some changes, or any bytes."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.binary(max_size=200) | st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join))
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.sampled_from([0, 0, 1, 2, 8]))
        other = draw(st.sampled_from(TOKENS) | st.sampled_from(seeds) | st.binary(max_size=4))
        data = data[:at] + other + data[at + length :]
    return data


def attack(target: Target, *, examples: int, seed: int, tried: Tried) -> None:
    """Try made-up inputs; the first failure, made as small as possible, is noted."""

    @hypothesis.seed(seed)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @hypothesis.given(inputs(target.seeds))
    def holds(data: bytes) -> None:
        tried.cases += 1
        last[0] = data
        tried.taken += target(data)

    last = [b""]
    for data in target.seeds:
        tried.cases += 1
        try:
            tried.taken += target(data)
        except Exception:  # noqa: BLE001  # whatever it is, it is the finding
            tried.failures[target.name] = f"{data!r}\n{traceback.format_exc()}"
            return
    try:
        holds()
    except Exception:  # noqa: BLE001
        tried.failures[target.name] = f"{last[0]!r}\n{traceback.format_exc()}"


# --- growth ------------------------------------------------------------------------------------------------
#: Bytes of the shorter of two inputs, and how many times longer the other is.
LENGTH, TIMES = 2_000, 4
#: A run as long as this, in seconds, says something about growth; linear growth is ``TIMES``, quadratic its square.
MEASURABLE, MOST = 0.05, 9.0


def long_inputs(seeds: tuple[bytes, ...], length: int) -> Iterator[bytes]:
    """What a parser may take too long for: a seed, a token or two again and again, with and without an end."""
    for seed in seeds:
        for token in (seed, *TOKENS):
            repeated = (token * (length // len(token) + 1))[:length] if token else b""
            yield seed + repeated
            yield seed[: len(seed) // 2] + repeated + seed[len(seed) // 2 :]


def growth(target: Target, tried: Tried) -> None:
    """Note an input for which the time grows faster than the input, by processor time of several runs."""
    if not target.grows:
        return
    with suppress(_Broken):
        _compare(target, tried)


class _Broken(Exception):
    """It failed otherwise, which is noted."""


def _compare(target: Target, tried: Tried) -> None:
    pairs = zip(long_inputs(target.seeds, LENGTH), long_inputs(target.seeds, LENGTH * TIMES), strict=True)
    for short, long in pairs:
        tried.cases += 1
        if (taken := _seconds(target, long, tried)) < MEASURABLE:
            continue
        ratio = min(
            _seconds(target, long, tried) / max(_seconds(target, short, tried), 1e-4) for _ in range(3)
        )
        if ratio > MOST:
            tried.failures[target.name] = (
                f"{ratio:.0f} times as long ({taken:.2f} s) for {long[:60]!r}…{long[-20:]!r}"
            )
            return


def _seconds(target: Target, data: bytes, tried: Tried) -> float:
    began = time.thread_time()
    try:
        target(data)
    except Exception as exc:
        tried.failures[target.name] = f"{data[:60]!r}…{data[-20:]!r}\n{traceback.format_exc()[-2000:]}"
        raise _Broken from exc
    return time.thread_time() - began


def chosen(names: list[str]) -> list[Target]:
    """These targets, or all."""
    return [TARGETS[name] for name in names or TARGETS]
