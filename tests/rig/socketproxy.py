"""The proxy before a Docker socket that we ship: Debian's nginx, with Lua."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.rig import Missing, ProcessGroup
from tests.rig.daemon import program

SHIPPED = Path(__file__).parents[2] / "deploy/socketproxy"
_LUA = Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")
_LINE = re.compile(r"^(\d{3}) ([A-Z]+) (\S+)$", re.MULTILINE)
_CALL = re.compile(r'^    \{ "([A-Z]+)", (.+?)(?:, (?:query|body) = \w+)? \},$', re.MULTILINE)


class SocketProxy:
    """Use as a context.

    Args:
        folder: for its socket and log.
        project: prefix of the names that may be used.
        docker: the Engine's socket.

    Attributes:
        url: for DOCKER_HOST.

    Raises:
        Missing: it is not installed.
    """

    def __init__(self, folder: Path, project: str, docker: str) -> None:
        self._program = program("nginx", "nginx", "libnginx-mod-http-lua")
        if not _LUA.exists():
            raise Missing("nginx's Lua module", "libnginx-mod-http-lua")
        self._log, self._socket, self._project = folder / "proxy.log", folder / "proxy.sock", project
        shutil.copytree(SHIPPED, folder / "conf", dirs_exist_ok=True)
        text = (SHIPPED / "nginx.conf").read_text()
        for theirs, ours in (
            ("/tmp/quazzar-socketproxy", f"{folder}/nginx"),
            ("unix:/run/quazzar/docker.sock", f"unix:{self._socket}"),
            ("unix:/var/run/docker.sock", f"unix:{docker}"),
        ):
            assert theirs in text, theirs
            text = text.replace(theirs, ours)
        # The user of the tests may open the Engine's socket.
        text = f"user {'root' if os.geteuid() == 0 else os.environ.get('USER', 'nobody')};\n{text}"
        (folder / "conf/nginx.conf").write_text(text)
        self._folder = folder
        self.url = f"unix://{self._socket}"

    def __enter__(self) -> Self:
        argv = ["env", f"PROJECT={self._project}", self._program, "-p", str(self._folder / "conf")]
        self._running = ProcessGroup([*argv, "-e", "stderr", "-c", "nginx.conf"], self._log)
        self._running.wait_ready(self._socket.exists)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._running.stop()

    def calls(self) -> list[tuple[int, str, str]]:
        """(status, method, path with query) of each call so far."""
        text = self._log.read_text(errors="replace")
        return [(int(status), method, path) for status, method, path in _LINE.findall(text)]


def allowed(project: str) -> list[tuple[str, re.Pattern[str]]]:
    """(method, path) of each call that calls.lua lets through."""
    text = (SHIPPED / "calls.lua").read_text()
    values = {"P": re.escape(project)}
    for name, written in re.findall(r"^local (NAME|V|IMAGE) = (.+)$", text, re.MULTILINE):
        values[name] = _joined(written, values)
    return [(method, re.compile(f"(?:{_joined(path, values)})$")) for method, path in _CALL.findall(text)]


def _joined(written: str, values: dict[str, str]) -> str:
    """What Lua makes of names and quoted texts between dots."""
    parts = [part.strip() for part in written.split(" .. ")]
    return "".join(part[1:-1].replace("\\\\", "\\") if part[0] == '"' else values[part] for part in parts)
