"""Targets under atheris, which changes inputs towards code that no input has reached yet.

Run by ``__main__`` as a process of its own, because atheris instruments the modules while they are imported, and ends
its process: ``python -m tests.fuzz.guided TARGET,TARGET CORPUS [option of libFuzzer …]``. To instrument them takes
seconds, so one process has many targets; the first byte of an input says which one it is for.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path


def main(names: str, corpus: str, *options: str) -> None:
    """Fuzz these targets until the options say that it is enough, or a property does not hold."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import atheris

    with atheris.instrument_imports(include=["quazzar", "mailrelay", "mailboxes", "dnsrecords"]):
        import django

        django.setup()
        from tests.fuzz import parsers
    logging.disable(logging.CRITICAL)
    targets = parsers.chosen(names.split(","))
    Path(corpus).mkdir(parents=True, exist_ok=True)
    for number, target in enumerate(targets):
        for seed in target.seeds:
            Path(corpus, f"{target.name}-{len(seed)}").write_bytes(bytes([number]) + seed)
    Path(corpus).with_suffix(".dict").write_text("".join(map(_entry, dict.fromkeys(parsers.TOKENS))))

    def one_of(data: bytes) -> None:
        if data:
            chosen = targets[data[0] % len(targets)]
            try:
                chosen(data[1:])
            except BaseException:
                print(f"target: {chosen.name}, input: {data[1:]!r}", flush=True)
                raise

    atheris.Setup(
        [
            "guided",
            *options,
            f"-dict={Path(corpus).with_suffix('.dict')}",
            "-max_len=4096",
            "-timeout=30",
            corpus,
        ],
        one_of,
    )
    atheris.Fuzz()


def _entry(token: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n'


if __name__ == "__main__":
    main(*sys.argv[1:])
