"""Folders of containers as tar streams: read and written in portions, whatever their size."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mailboxes.engine.asking import Asking
from mailboxes.engine.failures import absent_is_an_error, must_run
from quazzar.errors import NotRunning, NotThere

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds that the Engine may be silent: it reads a folder with many files before it sends the first.
_SILENCE = 300.0
_PORTION = 1024 * 1024


class Archives(Asking):
    """The part of the Docker edge that copies folders; ``Engine`` adds the client and its error handling."""

    def read_folder(self, name: str, path: str) -> Iterator[bytes]:
        """The folder as a tar stream, from a container that need not run. Paths begin with the folder's own name.

        Raises:
            NotThere: there is no such container, or no such folder in it.
        """
        client = self._client(_SILENCE)
        self._check_container(name)
        with absent_is_an_error(name), self._asking(f"read {path} in {name}"):
            portions, _ = client.get_archive(name, path, chunk_size=_PORTION)
        return self._portions(portions, name, path)

    def _portions(self, portions: Any, name: str, path: str) -> Iterator[bytes]:
        while True:
            with self._asking(f"read {path} in {name}"):
                portion = next(portions, None)
            if portion is None:
                return
            yield portion

    def write_folder(self, name: str, path: str, tar: Iterator[bytes]) -> None:
        """Unpacks a tar stream in the folder of a container that need not run. Owners, modes and times are kept.

        Raises:
            NotThere: there is no such container, or no such folder in it.
        """
        client = self._client(_SILENCE)
        self._check_container(name)
        with absent_is_an_error(name), self._asking(f"write {path} in {name}"):
            client.put_archive(name, path, tar)

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Nothing in the container moves during the block; a container that does not run is left as it is."""
        client = self._client()
        self._check_container(name)
        runs = False
        pausing = f"pause {name}"
        with suppress(NotRunning, NotThere), absent_is_an_error(name), must_run(name), self._asking(pausing):
            client.pause(name)
            runs = True
        try:
            yield
        finally:
            if runs:
                with self._asking(f"unpause {name}"):
                    client.unpause(name)
