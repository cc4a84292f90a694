"""``make fuzz``: a long run, in which every part gets its share of the time.

usage: python -m tests.fuzz [--seconds N] [--seed N] [--corpus FOLDER] [PART or TARGET …]

Parts: ``api`` (schemathesis, every kind of caller), ``served`` (the same over HTTP against a running node), ``parsers``
(hypothesis), ``growth`` (long inputs), ``guided`` (atheris, if it is installed). A target is the name of a parser, such
as ``spf``. Exit code 1: something was found.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTS = ("parsers", "growth", "guided", "api", "served")
_FAILED = re.compile(r"^target: (\w+), input: ", re.MULTILINE)
_COUNT = re.compile(r"^#(\d+)\s", re.MULTILINE)


def main() -> int:
    """Run what was asked for, and say what it came to."""
    options = _options()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    from tests.fuzz import parsers
    from tests.fuzz.target import TARGETS

    unknown = set(options.what) - set(PARTS) - set(TARGETS)
    if unknown:
        sys.exit(f"There is no part or target {', '.join(sorted(unknown))}.")
    names = [name for name in options.what if name in TARGETS]
    parts = [part for part in PARTS if part in options.what] or [*PARTS[: 3 if names else 5]]
    share = options.seconds / len(parts)
    failures: dict[str, str] = {}
    for part in parts:
        if part == "api":
            failures |= _api(share, options.seed)
        elif part == "served":
            failures |= _served(share, options.seed)
        elif part == "guided":
            failures |= _guided(names or [*TARGETS], share, options.seed, options.corpus)
        else:
            tried = parsers.Tried()
            failures |= _tried(part, parsers.chosen(names), share, options.seed, tried)
    for name, how in failures.items():
        print(f"\n===== {name}\n{how}")
    print(f"\n{len(failures)} found, with seed {options.seed}." if failures else "\nNothing was found.")
    return bool(failures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=600, help="for everything together (default: 600)")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="the same seed tries the same again"
    )
    parser.add_argument(
        "--corpus", type=Path, help="folder in which atheris keeps what it found, for the next run"
    )
    parser.add_argument("what", nargs="*", help=f"parts ({', '.join(PARTS)}) or targets; all without")
    return parser.parse_args()


def _tried(part: str, targets: list, share: float, seed: int, tried) -> dict[str, str]:  # type: ignore[no-untyped-def, type-arg]
    """Rounds over all targets until the time is over: the seed grows with each."""
    from tests.fuzz import parsers

    began, examples = time.monotonic(), 30
    while True:
        for target in targets:
            if target.name not in tried.failures:
                if part == "growth":
                    parsers.growth(target, tried)
                else:
                    parsers.attack(target, examples=examples, seed=seed, tried=tried)
            if time.monotonic() - began > share:
                break
        seed += 1
        if part == "growth" or time.monotonic() - began > share:
            print(
                f"{part}: {tried.cases} cases, {tried.taken} taken, {time.monotonic() - began:.0f} s",
                flush=True,
            )
            return {f"{part} {name}": how for name, how in tried.failures.items()}


def _guided(names: list[str], share: float, seed: int, corpus: Path | None) -> dict[str, str]:
    """One process with all of them; after a failure one more, without the target that failed."""
    if importlib.util.find_spec("atheris") is None:
        print(
            "guided: left out, because atheris is not installed (.venv/bin/python -m uv pip install atheris)."
        )
        return {}
    failures: dict[str, str] = {}
    runs, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        while names and (left := share - (time.monotonic() - began)) > 1:
            folder = corpus or Path(scratch)
            command = [
                sys.executable,
                "-m",
                "tests.fuzz.guided",
                ",".join(names),
                str(folder / str(len(names))),
            ]
            limits = [f"-max_total_time={int(left)}", f"-artifact_prefix={scratch}/", "-print_final_stats=1"]
            ran = subprocess.run(
                [*command, f"-seed={seed % 2**31}", *limits],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            counts = [int(number) for number in _COUNT.findall(ran.stderr)]
            runs += max(counts, default=0)
            failed = _FAILED.search(ran.stdout)
            if ran.returncode == 0 or failed is None:
                if ran.returncode:
                    failures["guided"] = (ran.stdout + ran.stderr)[-3000:] + _artifacts(Path(scratch))
                break
            failures[f"guided {failed[1]}"] = ran.stdout[failed.start() :][:6000]
            names = [name for name in names if name != failed[1]]
    print(f"guided: {runs} cases, {time.monotonic() - began:.0f} s", flush=True)
    return failures


def _artifacts(folder: Path) -> str:
    found = [file for file in folder.iterdir() if file.name.startswith(("crash-", "timeout-", "oom-"))]
    text = "".join(f"\n{file.name}: {file.read_bytes()[:2000]!r}" for file in found)
    for file in found:
        file.unlink()
    return text


def _api(share: float, seed: int) -> dict[str, str]:
    """Every caller in turn, on a database of this run's own."""
    from tests.fuzz import api
    from tests.fuzz.world import CALLERS, furnish, nowhere

    failures: dict[str, str] = {}
    with _database(), nowhere():
        for caller in CALLERS:
            furnish()
            began = time.monotonic()
            outcome = api.attack(caller, seed=seed, examples=1000, seconds=share / len(CALLERS))
            print(
                f"api: {caller}: {sum(outcome.cases.values())} cases ({dict(outcome.cases)}), "
                f"answers {dict(sorted(outcome.statuses.items()))}, {time.monotonic() - began:.0f} s",
                flush=True,
            )
            failures |= {f"api {caller} {' '.join(key)}": how for key, how in outcome.failures.items()}
    return failures


def _served(share: float, seed: int) -> dict[str, str]:
    """Every caller in turn, over HTTP."""
    from tests.fuzz import served
    from tests.rig import Missing

    failures: dict[str, str] = {}
    try:
        for report in served.reports(seed, seconds=share):
            caller = report["caller"]
            print(
                f"served: {caller}: {sum(report['cases'].values())} cases ({report['cases']}), "
                f"answers {report['statuses']}",
                flush=True,
            )
            failures |= {f"served {caller} {key}": how for key, how in report["failures"].items()}
    except Missing as missing:
        print(f"served: left out, because {missing}.")
    return failures


@contextmanager
def _database() -> Iterator[None]:
    from django.conf import settings
    from django.test.runner import DiscoverRunner

    from tests.conftest import signed

    runner = DiscoverRunner(verbosity=0, interactive=False)
    made = runner.setup_databases()
    with tempfile.TemporaryDirectory() as folder:
        settings.QUAZZAR_LICENSE_FILE = Path(folder, "license.jwt")
        settings.QUAZZAR_LICENSE_FILE.write_text(signed("pro"))
        try:
            yield
        finally:
            runner.teardown_databases(made)


if __name__ == "__main__":
    sys.exit(main())
