"""What `manage.py up` prints: each child's lines under its name, as text or as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from quazzar.monitoring.logs import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME_WIDTH = 7


class Output:
    """Prints lines to one stream, and continues even if nothing reads it any more.

    Attributes:
        form: text or json.
    """

    def __init__(self, form: str, stream: TextIO | None = None) -> None:
        self.form = form
        self._stream = stream or sys.stdout

    def state(self, name: str, sentence: str, level: str = "info") -> None:
        """Print a line about a child."""
        self._write(
            self._json(name, sentence, level) if self.form == "json" else self._text(name, f"» {sentence}")
        )

    def lines(self, name: str, lines: Iterable[str]) -> None:
        """Print lines that a child wrote. As JSON, consecutive lines that are not JSON, such as a traceback, become one
        object."""
        if self.form == "text":
            for line in lines:
                self._write(self._text(name, redact(line)))
            return
        for is_json, group in groupby(lines, key=lambda line: line.startswith("{")):
            if is_json:
                for line in group:
                    self._write(line)
            elif text := "\n".join(group).strip():
                self._write(self._json(name, redact(text), "info"))

    def _text(self, name: str, text: str) -> str:
        return f"{name:<{_NAME_WIDTH}} | {text}"

    def _json(self, name: str, message: str, level: str) -> str:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        fields = {"time": stamp, "level": level, "logger": "quazzar.up", "message": message, "process": name}
        return json.dumps(fields, ensure_ascii=False)

    def _write(self, line: str) -> None:
        try:
            print(line, file=self._stream, flush=True)
        except OSError:  # closed pipe or terminal: the children matter more
            self._stream = open(os.devnull, "w")  # noqa: PTH123, SIM115
