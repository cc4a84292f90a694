"""A container's log as a stream: whole lines with Docker's times, in whatever pieces they arrive."""

from __future__ import annotations

import struct
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.engine.logstream import Chunks, LogEnded, LogFrames, LogLine, LogStream
from tests.mailboxes.engine.worlds import RealWorld
from tests.rig import wait_until

FIRST = 1_796_022_284_796_804_061


def frame(text: str, stream: int = 1) -> bytes:
    data = text.encode()
    return struct.pack(">BxxxL", stream, len(data)) + data


FRAMES = frame("2026-11-30T07:04:44.796804061Z postfix says ä\n") + frame(
    "2026-11-30T07:04:45Z and more\r\n", 2
)
LINES = [LogLine(FIRST, "postfix says ä"), LogLine(1_796_022_285 * 10**9, "and more")]


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, *(edge % (len(data) + 1) for edge in at), len(data)})
    return [data[start:end] for start, end in pairwise(edges)]


@given(at=st.lists(st.integers(0, 10_000), max_size=8))
def test_lines_are_whole_wherever_the_stream_is_cut(at: list[int]) -> None:
    frames = LogFrames()
    assert [line for part in cut(FRAMES, at) for line in frames.feed(part)] == LINES


@given(at=st.lists(st.integers(0, 10_000), max_size=8), sizes=st.lists(st.integers(1, 60), max_size=6))
def test_the_chunked_coding_is_taken_off(at: list[int], sizes: list[int]) -> None:
    body, coded, rest = FRAMES, b"", FRAMES
    for size in [*sizes, len(body)]:
        part, rest = rest[:size], rest[size:]
        coded += b"%x\r\n%s\r\n" % (len(part), part) if part else b""
    chunks = Chunks()
    assert b"".join(b"".join(chunks.feed(part)) for part in cut(coded, at)) == body
    assert not chunks.ended
    assert not b"".join(b"".join(chunks.feed(part)) for part in cut(b"0\r\n\r\n", at)) and chunks.ended


@pytest.mark.parametrize("data", [b"zz\r\n", b"\xff\n"])
def test_what_is_no_chunk_ends_the_stream(data: bytes) -> None:
    with pytest.raises(LogEnded):
        list(Chunks().feed(data))


def test_what_is_no_frame_ends_the_stream() -> None:
    with pytest.raises(LogEnded):
        list(LogFrames().feed(b"HTTP/1.1 500 Oh no\r\n"))


@pytest.mark.real
@pytest.mark.slow
def test_a_real_log_is_followed_from_a_line_on_and_ends_with_the_container(real_world: RealWorld) -> None:
    script = "echo one; echo two >&2; sleep 0.5; for i in 1 2 3; do echo more $i; sleep 0.2; done; exec sleep infinity"
    name = real_world.running(real_world.spec(command=("sh", "-c", script)))
    lines = followed(real_world.engine.follow(name, 0), 5)
    assert {line.text for line in lines} == {"one", "two", "more 1", "more 2", "more 3"}
    assert abs(lines[-1].at_ns - time.time_ns()) < 60 * 10**9
    # From the last but one line on: that line and those after it.
    stream = real_world.engine.follow(name, lines[-2].at_ns)
    assert followed(stream, 2) == lines[-2:]
    real_world.engine.stop(name, 0)
    with pytest.raises(LogEnded):
        wait_until(lambda: len(stream.read()) < 0, 30)
    stream.close()


def followed(stream: LogStream, count: int) -> list[LogLine]:
    lines: list[LogLine] = []

    def enough() -> bool:
        lines.extend(stream.read())
        return len(lines) >= count

    wait_until(enough)
    return lines
