"""`make demo`: empties the demo's folder, starts relay and DNS, tells a week's story, and runs the product on it.

    python -m demo [--port 8010] [--folder .demo] [--keep] [--mail-server]

It neither needs nor changes anything on your machine: folder, port, cookies and environment are the demo's own. Only
with --mail-server does it use your Docker Engine.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from demo import certificate, environment, nameserver, relay
from quazzar.errors import QuazzarError
from quazzar.processes import kernel, ports

_PORT = 8010


def main(argv: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C; returns the exit code."""
    options = _options(argv)
    folder = options.folder.absolute()
    try:
        # Before the folder is emptied, so that a running demo keeps its folder.
        with kernel.exclusive(environment.lock_file(folder)):
            ports.listen("127.0.0.1", options.port).close()
            fresh = environment.prepare(folder, keep=options.keep)
            if options.mail_server:
                return _run_with_mail_server(folder, options.port, fresh=fresh)
            return _run(folder, options.port, {}, fresh=fresh)
    except (QuazzarError, environment.NotADemo) as exc:
        hint = " ".join(filter(None, [str(exc), getattr(exc, "hint", "")]))
        print(hint.replace("make run", "make demo"), file=sys.stderr)
        return 1


def _run_with_mail_server(folder: Path, port: int, *, fresh: bool) -> int:
    # Docker's library costs memory and time that a demo without it does not need.
    from demo import mailserver

    mailserver.remove(folder)  # what a demo that was killed left behind
    more = mailserver.settings(os.environ, folder)
    mailserver.deliver_letters(folder, int(more["QUAZZAR_STACK_PORT_OFFSET"]))
    try:
        return _run(folder, port, more, fresh=fresh)
    finally:
        print("Removing the demo's mail server …", flush=True)
        mailserver.remove(folder)


def _run(folder: Path, port: int, more: dict[str, str], *, fresh: bool) -> int:
    files = folder / environment.CERTIFICATE, folder / environment.KEY
    certificate.make(*files)
    env = environment.of(
        folder,
        os.environ,
        port=port,
        relay_port=relay.serve(folder / environment.CAPTURED, *files),
        nameserver=nameserver.serve(folder / environment.ZONES),
    )
    env |= more
    if fresh and (code := _follow([sys.executable, "-m", "demo.seed", str(port)], env)):
        return code
    return _follow([sys.executable, "manage.py", "up", "--port", str(port)], env)


def _follow(argv: list[str], env: dict[str, str]) -> int:
    """Run a program in the demo's environment, and forward to it the signals that ask us to stop."""
    # Tied to us by an intermediate program: code between fork and exec may hang if there are threads.
    tied = [sys.executable, "-m", "demo.tied", str(os.getpid()), *argv]
    process = subprocess.Popen(
        tied, cwd=environment.ROOT, env=env, stdin=subprocess.DEVNULL, start_new_session=True
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: process.send_signal(number))
    return process.wait()


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=_PORT)
    parser.add_argument("--folder", type=Path, default=environment.FOLDER)
    parser.add_argument("--keep", action="store_true", help="go on with the demo as you left it")
    parser.add_argument(
        "--mail-server", action="store_true", help="also run its mail server, on your Docker Engine"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
