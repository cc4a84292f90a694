"""What must hold after a round, wherever it is looked for. Each check returns sentences on what is wrong."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.live.searching import Search, files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.torture.ledger import Ledger
    from tests.torture.rows import Rows

#: Files in which a secret lies on purpose.
OWN_FILES = ("django-secret.key", "evaluation.key", "secrets.key", "database.url", "static")
#: Seconds until what must come has come, and what must go has gone, however busy the machine is: a defect is what never
#: happens, not what happens late.
PATIENCE = 600.0
#: A lock is held for moments; one that is held by nobody who lives would stay.
_ROLES = ("supervisor", "broker", "web", "worker", "beat")


def lasting(look: Callable[[], list[str]]) -> list[str]:
    """What is wrong and stays wrong: a process that ends, or a file that goes, may need a while."""
    deadline = time.monotonic() + PATIENCE
    while (wrong := look()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return wrong


def mail(ledger: Ledger, rows: Rows, buried: set[str]) -> list[str]:
    """Nothing that was accepted is lost, nothing arrived twice without a reason, and the rows say so."""
    wrong = [f"{token} ({ledger.accepted[token]}) was accepted and is lost" for token in ledger.lost(buried)]
    wrong += ledger.doubles()[1]
    found = rows.messages([*ledger.accepted, *ledger.refused])
    for token in ledger.accepted:
        statuses = [status for status, _ in found.get(token, [])]
        # One that arrived in doubt, was sent again and then refused, has failed as far as anybody can know.
        possible = (
            {"sent"}
            if token not in buried
            else {"sent", "failed"}
            if token in ledger.arrivals
            else {"failed"}
        )
        if len(statuses) != 1 or statuses[0] not in possible:
            wrong.append(
                f"{token} has the rows {statuses}, and not one that is {' or '.join(sorted(possible))}"
            )
    return wrong


def counters(rows: Rows) -> list[str]:
    """The counters agree with the messages: those of the stock always, those of the hours as nothing was deleted."""
    return lasting(lambda: _miscounted(rows))  # cron's mail may come between two questions


def _miscounted(rows: Rows) -> list[str]:
    counted = rows.statuses()
    wrong = []
    for status in ("sent", "failed"):
        stock, hours = rows.counted(status)
        if stock != counted[status]:
            wrong.append(f"{stock} messages are counted as {status}, and {counted[status]} rows are")
        if status == "sent" and hours != counted[status]:
            wrong.append(f"the hours count {hours} messages as sent, and {counted[status]} rows are")
    return wrong


def processes(folders: Iterable[Path]) -> list[str]:
    """Each machine has one process of each kind at most, and nothing else of ours stays: cron's may just run."""
    folders = [*folders]
    return lasting(lambda: _strangers(folders))


def _strangers(folders: Iterable[Path]) -> list[str]:
    wrong = []
    for folder in folders:
        found = Counter(role for _, role in of_folder(folder))
        wrong += [
            f"{number} processes {role} of {folder.name}" for role, number in found.items() if number > 1
        ]
        wrong += [f"a process {role} of {folder.name} is left" for role in found if role not in _ROLES]
    return wrong


def of_folder(folder: Path) -> list[tuple[int, str]]:
    """Process id and kind of everything that runs on this data dir."""
    needle = b"QUAZZAR_DATA_DIR=" + os.fsencode(folder) + b"\0"
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environ = (entry / "environ").read_bytes()
            if needle in environ:
                found.append((int(entry.name), _role(entry, environ)))
    return found


def _role(entry: Path, environ: bytes) -> str:
    for word in environ.split(b"\0"):
        if word.startswith(b"QUAZZAR_PROCESS="):
            return word.partition(b"=")[2].decode()
    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return "supervisor" if "supervisor" in command else command.strip()[-200:]


def leftovers(folder: Path, temporary: Path, known: set[str]) -> list[str]:
    """No temporary file is left, and no lock that nobody living holds."""
    wrong = lasting(lambda: _left(folder, temporary, known))
    for path in folder.rglob("*.lock"):
        # The node and the follower of the mail log hold theirs as long as they run.
        if not path.name.startswith(("up", "maillog")) and not _free_soon(path):
            wrong.append(f"{path.relative_to(folder)} stays locked")
    return wrong


def _left(folder: Path, temporary: Path, known: set[str]) -> list[str]:
    wrong = [f"the temporary file {path.name} is left" for path in temporary.iterdir()]
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if (
            name not in known
            and not name.endswith(("-wal", "-shm", ".lock", "-journal"))
            and "appendonly" not in name
        ):
            wrong.append(f"the file {name} is left in the data dir")
    return wrong


def _free_soon(path: Path) -> bool:
    # The worker holds them for moments, again and again: to wait for one is to ask whether it is ever given back.
    for _ in range(int(PATIENCE / 0.05)):
        with path.open("rb") as file, contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.05)
    return False


def secrets(search: Search, folders: Iterable[Path], said: Mapping[str, bytes]) -> list[str]:
    """No secret is in a file, in what was logged, or in a process's command line or environment."""
    places = {**files(*folders, without=OWN_FILES), **said, **_shown(folders)}
    return [f"{sorted(found)} in {place}" for place, found in search.everywhere(places).items()]


def _shown(folders: Iterable[Path]) -> dict[str, bytes]:
    found = {}
    for folder in folders:
        for pid, role in of_folder(folder):
            for part in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    found[f"{part} of {role}"] = Path(f"/proc/{pid}/{part}").read_bytes()
    return found
