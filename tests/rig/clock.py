"""Another time for a process: what libfaketime makes it believe, since nobody can set a machine's clock for a test."""

from pathlib import Path

from tests.rig import Missing


def moved(minutes: int) -> dict[str, str]:
    """What to add to a process's environment so that its clock is so many minutes ahead, or behind; it still runs.

    Raises:
        Missing: libfaketime is not installed.
    """
    if not (found := [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]):
        raise Missing("libfaketime", "libfaketime")
    # Time that is only measured stays as it is: waiting threads would otherwise wait too long, or not at all.
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"{minutes:+d}m",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
