"""Frames on a byte stream: whole again however the bytes arrive, and bounded."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr.messages import Exit, Frame, Progress
from zmr.wire.codec import BadFrame
from zmr.wire.stream import FrameReader, FrameWriter, pack

frames = st.lists(
    st.one_of(
        st.builds(lambda n: Frame(0, (Progress(n, n, n),)), st.integers(0, 2**40)),
        st.builds(lambda n: Frame(0, (Exit("x" * n),)), st.integers(0, 300)),
    ),
    max_size=8,
)


@given(frames, st.lists(st.integers(0, 400), max_size=30))
def test_frames_arrive_whole_whatever_the_pieces(sent: list[Frame], sizes: list[int]) -> None:
    stream = b"".join(map(pack, sent))
    reader = FrameReader()
    received = []
    buffer = bytearray(400)
    for size in sizes:
        piece, stream = stream[:size], stream[size:]
        buffer[: len(piece)] = piece
        received += reader.feed(memoryview(buffer)[: len(piece)])
        buffer[:] = bytes(400)  # the reader must not rely on it any longer
    received += reader.feed(stream)

    assert received == sent


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_come() -> None:
    reader = FrameReader(limit_bytes=1000)
    reader.feed(b"\xe9\x03")
    with pytest.raises(BadFrame, match="1,001 bytes"):
        reader.feed(b"\x00\x00")


def test_bytes_that_are_no_frame_are_refused() -> None:
    with pytest.raises(BadFrame):
        FrameReader().feed(b"\x04\x00\x00\x00junk")


def test_a_writer_keeps_what_the_socket_does_not_take() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        writer, reader = FrameWriter(ours), FrameReader()
        large, small = Frame(0, (Exit("x" * 4_000_000),)), Frame(0, (Exit("end"),))

        assert not writer.write(large)
        assert not writer.write(small)

        received: list[Frame] = []
        while len(received) < 2:
            received += reader.feed(theirs.recv(65536))
            writer.flush()
        assert received == [large, small]
        assert writer.flush()
