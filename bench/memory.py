"""The memory of `manage.py up` after it has sent some mail."""

import time
from pathlib import Path

from tests.live.console import Console
from tests.quazzar.nodes import descendants
from tests.rig.postfix import SmtpSink


def memory(directory: Path) -> None:
    """Resident and proportional set size of every process, in MiB."""
    print("Memory of `manage.py up`")
    with SmtpSink() as sink, Console(directory) as console:
        relay = {"provider": "custom", "host": "127.0.0.1", "port": sink.port, "security": "none"}
        console.call("PUT", "/api/mail/relay", relay)
        for number in range(50):
            console.call("POST", "/api/mail/messages", {"to": ["ops@example.com"], "subject": str(number)})
        deadline = time.monotonic() + 60
        while console.statuses()["sent"] < 50 and time.monotonic() < deadline:
            time.sleep(0.2)
        top = console.node.process.pid
        rows = [(pid, *_sizes(pid)) for pid in sorted(descendants(top) | {top})]
    for pid, name, rss, pss in rows:
        print(f"  {name:28} {pid:7} {rss:8.1f} RSS {pss:8.1f} PSS")
    total = sum(row[2] for row in rows)
    print(
        f"  → all: {total:.0f} MiB RSS (goal ≤ 250) {'met' if total <= 250 else 'NOT MET'}; "
        f"{sum(row[3] for row in rows):.0f} MiB PSS"
    )


def _sizes(pid: int) -> tuple[str, float, float]:
    argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    words = (
        "processes.web",
        "celery",
        "processes.worker",
        "processes.beat",
        "processes.supervisor",
        "valkey",
        "redis",
    )
    name = next((word for word in words if any(word in part for part in argv[:6])), argv[0][-20:])
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )
    return name, int(fields["Rss"].split()[0]) / 1024, int(fields["Pss"].split()[0]) / 1024
