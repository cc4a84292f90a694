"""The same requests over real HTTP: a whole node as `manage.py up` starts it, and schemathesis at its port.

``reports`` runs this module as a process of its own, whose Django has the node's database: ``python -m
tests.fuzz.served SEED SECONDS [CALLER …]``. It lives in a network of its own, so that nothing leaves this machine,
whichever host a request saves. A line of JSON on standard output tells what each caller's requests came to.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.quazzar.nodes import ROOT
from tests.rig import Missing

#: Requests for each caller and operation, unless the time is over before.
_MOST = 1000


def reports(seed: int, *callers: str, seconds: float = 0.0) -> Iterator[dict[str, Any]]:
    """Send requests as each of these callers (all, if none is named), and yield what they came to.

    Args:
        seconds: when to stop; without it, once every operation had a request.

    Raises:
        Missing: this user may not make a network.
    """
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        raise Missing("the right to make a network")
    inside = 'ip link set lo up && exec "$@"'
    python = [sys.executable, "-m", "tests.fuzz.served", str(seed), str(seconds), *callers]
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", inside, "sh", *python], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise RuntimeError(f"tests.fuzz.served ended with exit code {process.returncode}")


def main(seed: str, seconds: str, *callers: str) -> None:
    """Start the node, and be every caller in turn."""
    from tests.live.console import Console

    with tempfile.TemporaryDirectory(prefix="quazzar-fuzz-") as folder:
        elsewhere = {
            "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
            "DOCKER_HOST": f"unix://{folder}/docker.sock",
            "QUAZZAR_API_RATE": "1000000/min",
            "QUAZZAR_DNS_RESOLVERS": "127.0.0.1:9",
            "QUAZZAR_OUTBOUND_PROBE": "off",
        }
        console = Console(Path(folder), static=True, **elsewhere)
        os.environ.update(console.env)
        import django

        django.setup()
        from tests.fuzz import world

        world.furnish()
        with console:
            for caller in callers or world.CALLERS:
                share = float(seconds) / len(callers or world.CALLERS)
                print(json.dumps(_report(caller, console.url(""), share, int(seed))), flush=True)


def _report(caller: str, url: str, seconds: float, seed: int) -> dict[str, Any]:
    from tests.fuzz import api, world

    world.furnish()
    examples = _MOST if seconds else 1
    outcome = api.attack(
        caller, seed=seed, examples=examples, seconds=seconds, thorough=bool(seconds), url=url
    )
    return {
        "caller": caller,
        "cases": dict(outcome.cases),
        "statuses": dict(sorted(outcome.statuses.items())),
        "failures": {" ".join(key): how for key, how in outcome.failures.items()},
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
