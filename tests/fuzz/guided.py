"""One target under atheris, which changes inputs towards code that no input has reached yet.

Run by ``__main__`` as a process of its own, because atheris instruments the modules while they are imported, and ends
its process: ``python -m tests.fuzz.guided TARGET CORPUS [option of libFuzzer …]``.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path


def main(name: str, corpus: str, *options: str) -> None:
    """Fuzz this target until the options say that it is enough, or a property does not hold."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import atheris

    with atheris.instrument_imports(include=["quazzar", "mailrelay", "mailboxes", "dnsrecords"]):
        import django

        django.setup()
        from tests.fuzz import parsers
    logging.disable(logging.CRITICAL)
    (target,) = parsers.chosen([name])
    Path(corpus).mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        Path(corpus, f"seed-{number}").write_bytes(seed)
    Path(corpus).with_suffix(".dict").write_text("".join(map(_entry, dict.fromkeys(parsers.TOKENS))))
    atheris.Setup(
        [
            "guided",
            *options,
            f"-dict={Path(corpus).with_suffix('.dict')}",
            "-max_len=4096",
            "-timeout=30",
            corpus,
        ],
        target,
    )
    atheris.Fuzz()


def _entry(token: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n'


if __name__ == "__main__":
    main(*sys.argv[1:])
