"""Debian's nginx as a proxy with TLS, as operators put it before a service."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.rig import ProcessGroup, free_port, listening
from tests.rig.ca import CertificateAuthority
from tests.rig.daemon import program

_FRAME = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


class Nginx:
    """Use as a context.

    Args:
        folder: for its files.
        server: a ``server`` block of our documentation. Port, certificate and the service behind it become ours.
        upstream: the port of the service behind it.

    Attributes:
        ca_file: whom to trust to trust it.

    Raises:
        Missing: it is not installed.
    """

    def __init__(self, folder: Path, server: str, *, upstream: int) -> None:
        self._program = program("nginx", "nginx")
        self.port = free_port()
        authority = CertificateAuthority(folder)
        self.ca_file, certificate = authority.ca_file, authority.issue()
        for pattern, ours in (
            (r"listen \[::\]:443 ssl;", ""),
            (r"listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            (r"ssl_certificate .*;", f"ssl_certificate {certificate.cert_file};"),
            (r"ssl_certificate_key .*;", f"ssl_certificate_key {certificate.key_file};"),
            (r"proxy_pass .*;", f"proxy_pass http://127.0.0.1:{upstream};"),
        ):
            server, found = re.subn(pattern, ours, server)
            assert found == 1, pattern
        self._folder = folder
        (folder / "nginx.conf").write_text(_FRAME.format(folder=folder, server=server))

    def __enter__(self) -> Self:
        argv = [self._program, "-e", "stderr", "-c", str(self._folder / "nginx.conf")]
        self._running = ProcessGroup(argv, self._folder / "nginx.log")
        self._running.wait_ready(lambda: listening(self.port))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._running.stop()

    @property
    def url(self) -> str:
        """Its address, under another name than that of the service behind it."""
        return f"https://localhost:{self.port}/"
