"""A real image registry on loopback, and images with layers of known size."""

from __future__ import annotations

import io
import shutil
import tarfile
from typing import TYPE_CHECKING

from tests.rig import LOOPBACK, Missing, Part, ProcessGroup, current_user, free_port, listening

if TYPE_CHECKING:
    import docker


class Registry(Part):
    """Debian's docker-registry. Docker takes one on loopback without TLS.

    Raises:
        Missing: it is not installed.
    """

    def __init__(self) -> None:
        self._program = shutil.which("docker-registry")
        if self._program is None:
            raise Missing("an image registry", "docker-registry")
        super().__init__(None, current_user())
        self.port = free_port()

    def start(self) -> None:
        configuration = self.dir / "registry.yml"
        configuration.write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.dir}/data}}}}\n"
            f"http: {{addr: '{LOOPBACK}:{self.port}'}}\n"
        )
        self._process = ProcessGroup([str(self._program), "serve", configuration], self.dir / "registry.log")
        self._process.wait_ready(lambda: listening(self.port))

    def publish(self, client: docker.DockerClient, name: str, layers: list[bytes]) -> str:
        """Makes an image with one file in each layer, pushes it, removes it from the Engine, and returns its name."""
        ref = f"{LOOPBACK}:{self.port}/{name}:1"
        repository, _, tag = ref.rpartition(":")
        client.api.import_image_from_data(_tar("0", layers[0]), repository=repository, tag=tag)
        for number, data in enumerate(layers[1:], 1):
            container = client.containers.create(ref, "true")
            container.put_archive("/", _tar(str(number), data))
            container.commit(repository, tag)
            container.remove()
        for line in client.api.push(repository, tag, stream=True, decode=True):
            assert "error" not in line, line
        forget(client, ref)
        return ref


def forget(client: docker.DockerClient, ref: str) -> None:
    """Removes an image from the Engine, with the layers that no other image uses."""
    client.images.remove(ref, force=True)


def _tar(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
