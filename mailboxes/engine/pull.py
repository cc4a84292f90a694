"""The engine's many small messages about the layers of an image → one percent and one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Of the percent of a layer, what its download is worth; the rest is unpacking.
_DOWNLOAD = 0.8
_MEGABYTE = 1_000_000


@dataclass
class _Layer:
    """A layer: bytes, once they are known, and how far it is."""

    size: int = 0
    downloaded: int = 0
    unpacked: float = 0.0
    complete: bool = False

    @property
    def fraction(self) -> float:
        """0 to 1."""
        arrived = 1.0 if self.complete else self.downloaded / self.size if self.size else 0.0
        return _DOWNLOAD * arrived + (1 - _DOWNLOAD) * self.unpacked


class PullProgress:
    """Tells ``report`` whenever the percent (which never falls) or the sentence is another.

    Args:
        report: called with 0…100 and a sentence.
    """

    def __init__(self, ref: str, report: Callable[[int, str], None]) -> None:
        self.name = short_name(ref)
        self._report = report
        self._layers: dict[str, _Layer] = {}
        self._told = (-1, "")

    def start(self) -> None:
        """Before the first message."""
        self._tell(0, f"Fetching {self.name}")

    def done(self) -> None:
        """The image is here."""
        self._tell(100, f"Fetched {self.name}")

    def take(self, event: Mapping[str, Any]) -> None:
        """One message of the engine."""
        status, identity = event.get("status", ""), event.get("id", "")
        if status.startswith("Pulling fs layer"):
            self._layers.setdefault(identity, _Layer())
        elif identity in self._layers:
            _advance(self._layers[identity], status, event.get("progressDetail") or {})
        else:
            return  # the tag, the digest, or a layer that is here already
        self._tell(min(99, self._percent()), self._sentence())

    def _percent(self) -> int:
        # A layer whose size nobody told yet counts as an average one.
        known = [layer.size for layer in self._layers.values() if layer.size]
        usual = sum(known) / len(known) if known else 1.0
        weights = [layer.size or usual for layer in self._layers.values()]
        done = sum(
            weight * layer.fraction for weight, layer in zip(weights, self._layers.values(), strict=True)
        )
        return int(100 * done / sum(weights))

    def _sentence(self) -> str:
        layers = self._layers.values()
        total = sum(layer.size for layer in layers)
        if not total:
            return f"Fetching {self.name}"
        if all(layer.complete for layer in layers):
            return (
                f"Unpacking {self.name}: {_mb(sum(layer.size * layer.unpacked for layer in layers), total)}"
            )
        here = sum(layer.size if layer.complete else layer.downloaded for layer in layers)
        least = any(not layer.size and not layer.complete for layer in layers)
        return f"Fetching {self.name}: {_mb(here, total, least=least)}"

    def _tell(self, percent: int, sentence: str) -> None:
        now = (max(percent, self._told[0]), sentence)
        if now != self._told:
            self._told = now
            self._report(*now)


def _advance(layer: _Layer, status: str, detail: Mapping[str, Any]) -> None:
    current, total = detail.get("current") or 0, detail.get("total") or 0
    if status == "Downloading" and total > 0:
        layer.size, layer.downloaded = total, min(current, total)
    elif status in {"Verifying Checksum", "Download complete"}:
        layer.complete = True
    elif status == "Extracting":
        layer.complete = True
        # With another kind of image store the total is missing, and current counts seconds.
        layer.unpacked = max(layer.unpacked, min(1.0, current / total) if total else 0.0)
        layer.size = layer.size or total
    elif status in {"Pull complete", "Already exists"}:
        layer.complete, layer.unpacked = True, 1.0


def _mb(done: float, total: int, *, least: bool = False) -> str:
    whole = max(1, round(total / _MEGABYTE))
    return f"{min(whole, int(done / _MEGABYTE))} of {'at least ' if least else ''}{whole} MB"


def short_name(ref: str) -> str:
    """A reference without tag and digest."""
    name = ref.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name
