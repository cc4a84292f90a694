"""The real Docker edge with a connection that breaks while a command receives its input."""

from __future__ import annotations

from typing import Any

from mailboxes.engine.client import Engine
from mailboxes.engine.stream import Stream, StreamBroken


class CuttingEngine(Engine):
    """The real edge, whose connection breaks after ``after`` bytes of a command's input, ``cuts`` times."""

    def __init__(self, after: int, cuts: int = 1) -> None:
        super().__init__()
        self.after, self.cuts = after, cuts

    def _stream(self, client: Any, command: str) -> Stream:
        return _CutStream.from_stream(super()._stream(client, command), self)


class _CutStream(Stream):
    """A stream that breaks in the middle of the input."""

    _engine: CuttingEngine

    @classmethod
    def from_stream(cls, stream: Stream, engine: CuttingEngine) -> Stream:
        """The same stream, which breaks as the engine says."""
        stream.__class__ = cls
        assert isinstance(stream, _CutStream)
        stream._engine = engine
        return stream

    def exchange(self, data: bytes, deadline: float) -> None:
        if not data or not self._engine.cuts:
            super().exchange(data, deadline)
            return
        self._engine.cuts -= 1
        self._socket.setblocking(True)
        self._socket.sendall(data[: self._engine.after])
        raise StreamBroken
