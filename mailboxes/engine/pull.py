"""Turns the Engine's many messages about the layers of an image into one percentage and one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Share of a layer's progress that is its download; the rest is unpacking.
_DOWNLOAD = 0.8
_MEGABYTE = 1_000_000


@dataclass
class _Layer:
    """Progress of one layer.

    Attributes:
        size: bytes; 0 until the Engine reports it.
        downloaded: bytes.
        unpacked: 0 to 1.
        complete: the download is complete.
    """

    size: int = 0
    downloaded: int = 0
    unpacked: float = 0.0
    complete: bool = False

    @property
    def fraction(self) -> float:
        """How much of the layer is done, from 0 to 1."""
        downloaded = 1.0 if self.complete else self.downloaded / self.size if self.size else 0.0
        return _DOWNLOAD * downloaded + (1 - _DOWNLOAD) * self.unpacked


class PullProgress:
    """Calls ``report`` whenever the percentage, which never falls, or the sentence changes.

    Args:
        ref: reference of the image.
        report: called with a percentage (0 to 100) and a sentence.
    """

    def __init__(self, ref: str, report: Callable[[int, str], None]) -> None:
        self.name = short_name(ref)
        self._report = report
        self._layers: dict[str, _Layer] = {}
        self._reported = (-1, "")

    def start(self) -> None:
        """Reports 0 %; call it before the first message."""
        self._report_change(0, f"Fetching {self.name}")

    def done(self) -> None:
        """Reports 100 %: the Engine has the image."""
        self._report_change(100, f"Fetched {self.name}")

    def update(self, event: Mapping[str, Any]) -> None:
        """Takes in one message of the Engine's pull stream."""
        status, identity = event.get("status", ""), event.get("id", "")
        if status.startswith("Pulling fs layer"):
            self._layers.setdefault(identity, _Layer())
        elif identity in self._layers:
            _advance(self._layers[identity], status, event.get("progressDetail") or {})
        else:
            return  # about the tag or the digest, or about a layer that the Engine already has
        self._report_change(min(99, self._percent()), self._sentence())

    def _percent(self) -> int:
        # A layer whose size is not reported yet counts as an average one.
        sizes = [layer.size for layer in self._layers.values() if layer.size]
        average = sum(sizes) / len(sizes) if sizes else 1.0
        weights = [layer.size or average for layer in self._layers.values()]
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
        downloaded = sum(layer.size if layer.complete else layer.downloaded for layer in layers)
        incomplete = any(not layer.size and not layer.complete for layer in layers)
        return f"Fetching {self.name}: {_mb(downloaded, total, at_least=incomplete)}"

    def _report_change(self, percent: int, sentence: str) -> None:
        now = (max(percent, self._reported[0]), sentence)
        if now != self._reported:
            self._reported = now
            self._report(*now)


def _advance(layer: _Layer, status: str, detail: Mapping[str, Any]) -> None:
    current, total = detail.get("current") or 0, detail.get("total") or 0
    if status == "Downloading" and total > 0:
        layer.size, layer.downloaded = total, min(current, total)
    elif status in {"Verifying Checksum", "Download complete"}:
        layer.complete = True
    elif status == "Extracting":
        layer.complete = True
        # With the containerd image store the total is missing, and current counts seconds.
        layer.unpacked = max(layer.unpacked, min(1.0, current / total) if total else 0.0)
        layer.size = layer.size or total
    elif status in {"Pull complete", "Already exists"}:
        layer.complete, layer.unpacked = True, 1.0


def _mb(done: float, total: int, *, at_least: bool = False) -> str:
    whole = max(1, round(total / _MEGABYTE))
    return f"{min(whole, int(done / _MEGABYTE))} of {'at least ' if at_least else ''}{whole} MB"


def short_name(ref: str) -> str:
    """The image reference without its tag and digest."""
    name = ref.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name
