"""Images on the Docker Engine: whether it has one, whether a registry has one, and pulling one."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from mailboxes.engine.asking import Asking
from mailboxes.engine.failures import Refused, absent_is_fine, image_unavailable
from mailboxes.engine.pull import PullProgress
from quazzar.errors import EngineTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds that may pass between two messages of the Engine while it fetches an image.
_PULL_SILENCE = 120.0
#: Seconds in which a registry must say whether it has an image.
_REGISTRY = 8.0


class Images(Asking):
    """The part of the Docker edge that knows images."""

    def image_id(self, ref: str) -> str | None:
        """The id of an image that the Engine has, or None."""
        client = self._client()
        with absent_is_fine(), self._asking(f"show the image {ref}"):
            return str(client.inspect_image(ref)["Id"])
        return None

    def digests(self, ref: str) -> list[str]:
        """``name@sha256:…`` for each name under which a registry has this very image; none if it was built here."""
        client = self._client()
        with absent_is_fine(), self._asking(f"show the image {ref}"):
            return [str(digest) for digest in client.inspect_image(ref).get("RepoDigests") or ()]
        return []

    def registry_digest(self, ref: str) -> str:
        """``sha256:…`` of what the registry has under this name now.

        Raises:
            ImageUnavailable: it has none, does not let us see it, or does not answer within 8 seconds.
        """
        client = self._client(_REGISTRY)
        try:
            with self._asking(f"look for the image {ref}"):
                return str(client.inspect_distribution(ref)["Descriptor"]["digest"])
        except Refused as exc:
            raise image_unavailable(ref, exc.text) from exc
        except EngineTimeout as exc:
            raise image_unavailable(ref, "its registry does not answer") from exc

    def pullable(self, ref: str) -> bool:
        """Whether the image's registry answers within 8 seconds and lets us fetch the image."""
        client = self._client(_REGISTRY)
        try:
            with self._asking(f"look for the image {ref}"):
                client.inspect_distribution(ref)
        except (Refused, EngineTimeout):  # not there, or the Engine still waits for the registry
            return False
        return True

    def pull(self, ref: str, progress: Callable[[int, str], None]) -> None:
        """Fetches an image.

        Args:
            progress: called with a percentage (0 to 100, never falling) and a sentence.

        Raises:
            ImageUnavailable: the image does not exist, we may not fetch it, or its registry cannot be reached.
        """
        pull = PullProgress(ref, progress)
        pull.start()
        client = self._client(_PULL_SILENCE)
        with self._fetching(ref):
            events = client.pull(ref, stream=True, decode=True)
        with closing(events):  # an exception from ``progress`` ends the pull
            while (event := self._next(ref, events)) is not None:
                if "error" in event:
                    raise image_unavailable(ref, event["error"])
                pull.update(event)
        if self.image_id(ref) is None:
            raise image_unavailable(ref, "it is not on the Docker host after the pull")
        pull.done()

    @contextmanager
    def _fetching(self, ref: str) -> Iterator[None]:
        try:
            with self._asking(f"fetch {ref}"):
                yield
        except Refused as exc:
            raise image_unavailable(ref, exc.text) from exc

    def _next(self, ref: str, events: Any) -> dict[str, Any] | None:
        with self._fetching(ref):
            return next(events, None)
