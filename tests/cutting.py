"""The real Docker edge with a connection that breaks while a command gets its input."""

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
        made = super()._stream(client, command)
        return _CutStream.of(made, self)


class _CutStream(Stream):
    """A stream that breaks."""

    _engine: CuttingEngine

    @classmethod
    def of(cls, made: Stream, engine: CuttingEngine) -> Stream:
        """The same stream, with scissors."""
        made.__class__ = cls
        assert isinstance(made, _CutStream)
        made._engine = engine
        return made

    def exchange(self, data: bytes, deadline: float) -> None:
        if not data or not self._engine.cuts:
            super().exchange(data, deadline)
            return
        self._engine.cuts -= 1
        self._socket.setblocking(True)
        self._socket.sendall(data[: self._engine.after])
        raise StreamBroken
