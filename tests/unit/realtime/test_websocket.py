"""Our websocket: frames compared with a plain implementation, and the rules of the protocol."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsupport.realtime.websocket import ChatWebSocket, encode_frame, unmask

KEY = b"\x01\x80\xff\x37"
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
LIMIT = 1000


class Wire:
    """A socket that returns the client's bytes in pieces of any size, and records the bytes sent to it."""

    def __init__(self, incoming: bytes, piece: int = 65536) -> None:
        self._incoming = incoming
        self._piece = piece
        self.sent = b""

    def recv(self, count: int) -> bytes:
        piece = self._incoming[: min(count, self._piece)]
        self._incoming = self._incoming[len(piece) :]
        return piece

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        pass


def client_frame(payload: bytes, opcode: int = TEXT, *, final: bool = True, key: bytes = KEY) -> bytes:
    """Return a frame as a client sends it, built byte by byte."""
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += bytes([0x80 | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([0x80 | 127]) + struct.pack("!Q", len(payload))
    return head + key + naive_mask(payload, key)


def naive_mask(data: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[place % 4] for place, byte in enumerate(data))


def open_socket(*frames: bytes, piece: int = 65536) -> tuple[ChatWebSocket, Wire]:
    wire = Wire(b"".join(frames), piece)
    return ChatWebSocket(wire, LIMIT), wire


def close_code(wire: Wire) -> int:
    """Return the status of the close frame at the end of the server's bytes."""
    at = wire.sent.index(0x88)
    code: int = struct.unpack("!H", wire.sent[at + 2 : at + 4])[0]
    return code


@given(st.binary(max_size=5000), st.binary(min_size=4, max_size=4))
def test_unmasking_follows_the_protocol(data: bytes, key: bytes) -> None:
    assert unmask(naive_mask(data, key), key) == data


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300), st.integers(0, 70_000).map(os.urandom)))
def test_frames_are_read_as_by_eventlets_own_parser(message: str | bytes) -> None:
    frame = encode_frame(message)
    data = message.encode() if isinstance(message, str) else message

    assert frame[0] == 0x80 | (TEXT if isinstance(message, str) else BINARY)
    length, start = frame[1], 2
    if length == 126:
        length, start = struct.unpack("!H", frame[2:4])[0], 4
        assert length > 125
    elif length == 127:
        length, start = struct.unpack("!Q", frame[2:10])[0], 10
        assert length > 65535
    assert (length, frame[start:]) == (len(data), data)


@given(st.lists(st.text(max_size=200), max_size=5), st.integers(1, 50))
def test_messages_arrive_whole_however_the_network_splits_them(messages: list[str], piece: int) -> None:
    frames = [client_frame(message.encode()) for message in messages if len(message.encode()) <= LIMIT]
    ws, _ = open_socket(*frames, piece=piece)

    assert [ws.wait() for _ in frames] == [message for message in messages if len(message.encode()) <= LIMIT]
    assert ws.wait() is None


def test_fragments_are_one_message_with_control_frames_between_them() -> None:
    ws, wire = open_socket(
        client_frame(b"42[", final=False),
        client_frame(b"are you there?", PING),
        client_frame('"Grü'.encode()[:-1], CONTINUATION, final=False),
        client_frame(b"", PONG),
        client_frame('"Grü'.encode()[-1:] + b'"]', CONTINUATION),
    )

    assert ws.wait() == '42["Grü"]'
    assert wire.sent == bytes([0x80 | PONG, 14]) + b"are you there?"


def test_all_fragments_together_are_bounded() -> None:
    half = b"x" * (LIMIT // 2 + 1)
    ws, wire = open_socket(client_frame(half, final=False), client_frame(half, CONTINUATION, final=False))

    assert ws.wait() is None
    assert close_code(wire) == 1009


def test_a_frame_beyond_the_limit_is_refused_before_its_data_comes() -> None:
    ws, wire = open_socket(bytes([0x81, 0xFF]) + struct.pack("!Q", 2**40))

    assert ws.wait() is None
    assert close_code(wire) == 1009


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b"\x81\x05hello"], 1002),  # Not masked.
        ([client_frame(b"x", 3)], 1002),  # No such opcode.
        ([client_frame(b"x", 11)], 1002),  # No such control frame.
        ([b"\xc1" + client_frame(b"x")[1:]], 1002),  # Compressed, which was not negotiated.
        ([client_frame(b"x", PING, final=False)], 1002),
        ([client_frame(b"x" * 126, PING)], 1002),
        ([client_frame(b"x", CONTINUATION)], 1002),  # A continuation without a beginning.
        ([client_frame(b"x", final=False), client_frame(b"y")], 1002),  # A new message inside another.
        ([client_frame(b"\xff")], 1007),
        ([client_frame(b"\xc3", final=False), client_frame(b"x", CONTINUATION)], 1007),
    ],
)
def test_a_connection_that_breaks_the_protocol_is_closed_with_the_reason(frames: list[bytes], code: int) -> None:
    ws, wire = open_socket(*frames)

    assert ws.wait() is None
    assert close_code(wire) == code


def test_a_close_from_the_client_ends_the_connection() -> None:
    ws, wire = open_socket(client_frame(struct.pack("!H", 1000), CLOSE), client_frame(b"too late"))

    assert ws.wait() is None
    assert close_code(wire) == 1000


def test_nothing_follows_the_closing_frame() -> None:
    chat, wire = open_socket(client_frame(b"", CLOSE))
    assert chat.wait() is None
    sent = wire.sent

    for late in (lambda: chat.send("late"), lambda: chat.try_send(encode_frame("late"))):
        with pytest.raises(OSError, match="closing frame"):
            late()

    assert wire.sent == sent


def test_nothing_follows_a_closing_frame_that_takes_a_while() -> None:
    chat, wire = open_socket(b"")
    refused: list[OSError] = []

    def send_slowly(frame: bytes) -> None:
        wire.sent += frame
        try:
            chat.send("meanwhile")
        except OSError as error:
            refused.append(error)

    wire.sendall = send_slowly  # type: ignore[method-assign]
    chat.say_goodbye()

    assert len(refused) == 1
    assert wire.sent == encode_frame(b"", CLOSE)
