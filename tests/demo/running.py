"""The demo as `make demo` starts it, in a folder of its own."""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.quazzar.nodes import Node, wait_until
from tests.rig import free_port

_PASSWORD = re.compile(r"^ +Password +(\S+)$", re.MULTILINE)
_MAILBOX = re.compile(r"^ +Mailbox +(\S+)\n +with the password (\S+)$", re.MULTILINE)
#: Long, because other work may have the machine's cores.
_PATIENCE = 600.0


class Demo:
    """Use as a context; leaving it stops everything that it started.

    Args:
        mail_server: run one too, with these variables of the environment.
    """

    def __init__(
        self, folder: Path, *, keep: bool = False, mail_server: Mapping[str, str] | None = None
    ) -> None:
        self.folder, self.port, self._env = folder, free_port(), dict(mail_server or {})
        self._argv = [sys.executable, "-m", "demo", "--port", str(self.port), "--folder", str(folder)]
        self._argv += ["--keep"] * keep + ["--mail-server"] * (mail_server is not None)

    def __enter__(self) -> Self:
        self.node = Node(self._argv, self._env)
        try:
            wait_until(self._answers, "the demo answers", _PATIENCE)
        except AssertionError as exc:
            text = self.node.text
            self.node.__exit__()
            raise AssertionError(f"{exc}\n{text}") from exc
        return self

    def __exit__(self, *error: object) -> None:
        self.node.__exit__(*error)

    @property
    def password(self) -> str:
        """Of the operator, as it was printed."""
        found = _PASSWORD.search(self.node.text)
        assert found, self.node.text
        return found[1]

    @property
    def mailbox(self) -> tuple[str, str]:
        """The address of the mailbox whose password was printed, and the password."""
        found = _MAILBOX.search(self.node.text)
        assert found, self.node.text
        return found[1], found[2]

    def url(self, path: str = "") -> str:
        """Where the demo's console has the path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def _answers(self) -> bool:
        assert self.node.process.poll() is None, self.node.text
        try:
            with urllib.request.urlopen(self.url("/readyz"), timeout=20) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False
