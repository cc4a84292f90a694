"""What tests do with containers: run a stand-in by itself, and play the world outside the stack."""

import contextlib
import io
import json
import re
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import PurePosixPath
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container

from tests.rig import Running, wait_until
from tests.rig.ca import Certificate


@contextlib.contextmanager
def running(client: docker.DockerClient, image: str, **options: Any) -> Iterator[Container]:
    """A container for the length of a `with`; it and its anonymous volumes are gone after."""
    container = client.containers.create(image, **options)
    try:
        container.start()
        yield container
    finally:
        container.remove(v=True, force=True)


def said(container: Container, *argv: str) -> tuple[int, str]:
    """Exit code and output (both streams) of a command in the container."""
    result = container.exec_run(list(argv))
    assert isinstance(result.output, bytes)
    return int(result.exit_code or 0), result.output.decode(errors="replace")


def logs(container: Container) -> str:
    return container.logs().decode(errors="replace")


def health(container: Container) -> str:
    """`healthy`, `unhealthy`, `starting`, or "" where there is no health check."""
    container.reload()
    return str(container.attrs["State"].get("Health", {}).get("Status", ""))


def address(container: Container) -> str:
    """Its address on the only network it is on."""
    container.reload()
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def put(container: Container, directory: str, files: Mapping[str, bytes], mode: int = 0o644) -> None:
    """Write files below a directory of a container, which need not run; missing directories are made."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(data), mode, int(time.time())
            tar.addfile(member, io.BytesIO(data))
    container.put_archive(directory, archive.getvalue())


def fetch(container: Container, path: str) -> dict[str, bytes]:
    """The files under a path of a container, by their names; empty where the path is missing."""
    try:
        stream, _ = container.get_archive(path)
    except docker.errors.NotFound:
        return {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        files = [member for member in tar.getmembers() if member.isfile()]
        return {PurePosixPath(each.name).name: tar.extractfile(each).read() for each in files}  # type: ignore[union-attr]


@dataclass(frozen=True)
class Received:
    """A mail that reached the outside, with its envelope."""

    sender: str
    recipients: list[str]
    parameters: str
    user: str | None
    encrypted: bool
    helo: str
    peer: str
    port: int
    at: float
    content: bytes

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)


class Sink(Running):
    """A container that plays every host named in `names`, on the stack's network.

    Takes mail on 25, and on 587 (STARTTLS) and 465 when it has a certificate; those two want `login`
    ("name:password") when one is given. What it was told and what it got outlives `stop()`.
    """

    def __init__(
        self,
        client: docker.DockerClient,
        image: str,
        *,
        project: str,
        network: str,
        names: Sequence[str],
        login: str = "",
        certificate: Certificate | None = None,
    ) -> None:
        self._answers: dict[str, str] = {}
        aliases = {network: client.api.create_endpoint_config(aliases=list(names))}
        self.container = client.containers.create(
            image,
            name=f"{project}-outside-{re.sub('[^a-z0-9]', '-', names[0])}",
            network=network,
            networking_config=aliases,
            environment={"SINK_LOGIN": login} if login else {},
        )
        if certificate is not None:
            pair = {"tls.crt": certificate.cert_file, "tls.key": certificate.key_file}
            put(self.container, "/sink", {name: file.read_bytes() for name, file in pair.items()})

    def start(self) -> None:
        self.container.start()
        wait_until(lambda: said(self.container, "python3", "-c", _GREETED)[0] == 0, 20, "the sink's greeting")

    def stop(self) -> None:
        """Stop answering; connections are refused until the next `start()`."""
        self.container.stop(timeout=2)

    def close(self) -> None:
        self.container.remove(v=True, force=True)

    def answer(self, command: str, reply: str | None) -> None:
        """Answer a command from now on: `MAIL`, `RCPT somebody@outside.test`, `.`; None is the ordinary reply."""
        if reply is None:
            self._answers.pop(command.lower(), None)
        else:
            self._answers[command.lower()] = reply
        put(self.container, "/sink", {"answers.json": json.dumps(self._answers).encode()})

    def mails(self) -> list[Received]:
        """What has arrived, oldest first."""
        files = fetch(self.container, "/sink/mails")
        envelopes = sorted(name for name in files if name.endswith(".json"))
        contents = [files.get(name.replace(".json", ".eml")) for name in envelopes]
        pairs = zip(envelopes, contents, strict=True)
        return [Received(**json.loads(files[name]), content=data) for name, data in pairs if data is not None]

    def wait_for(self, count: int = 1, timeout: float = 30.0) -> list[Received]:
        """The mails, as soon as there are `count`."""
        wait_until(lambda: len(self.mails()) >= count, timeout, f"arrival of {count} mails outside")
        return self.mails()

    def clear(self) -> None:
        """Forget mails and answers."""
        self._answers = {}
        said(self.container, "sh", "-c", "rm -f /sink/answers.json /sink/mails/*")


_GREETED = "import socket; assert socket.create_connection(('127.0.0.1', 25), 2).recv(3) == b'220'"
