"""Eventlet's websocket, with what a chat server needs: bounded, cheap to read, cheap to write.

Compared with eventlet's own class this one
- takes no per-message deflate (two zlib contexts are 100 KB a connection, and short chat messages gain nothing);
- reads what is there with one call instead of four a frame, and unmasks it as one big number;
- counts all fragments of a message against the limit, where eventlet bounds each fragment alone;
- can write a frame at once, without a greenlet, where the peer reads as fast as we write;
- lets go of the request it came with, a fifth of what an idle connection would hold.

Frames are those of RFC 6455, section 5.2.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any

from engineio.async_drivers import eventlet as driver
from eventlet import websocket
from eventlet.greenio import GreenSocket
from eventlet.websocket import ConnectionClosedError, FailedConnectionError, RFC6455WebSocket

READ_BYTES = 4096
FINAL, MASKED = 0x80, 0x80
CONTINUATION, TEXT, BINARY = 0, 1, 2
NORMAL_CLOSURE, PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG, INTERNAL_ERROR = 1000, 1002, 1007, 1009, 1011

_OUTER_ENVIRON = "chatsupport.outer_environ"
_CONNECT_KEEPS = ("REMOTE_ADDR", "HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "flask.app")
# What a CONNECT, which may come late or again, and the answer to an upgrade from long-polling look at.
_KEPT = (
    "REMOTE_ADDR REQUEST_METHOD HTTP_AUTHORIZATION HTTP_HOST HTTP_ORIGIN HTTP_X_API_KEY HTTP_X_FORWARDED_HOST "
    "HTTP_X_FORWARDED_PROTO flask.app wsgi.url_scheme"
).split()


def install() -> None:
    """Have eventlet make sockets of this class, and python-engineio accept connections through it."""
    websocket.RFC6455WebSocket = ChatWebSocket
    driver._async["websocket"] = WithoutExtensions


class Handover:
    """WSGI middleware: hands the connection's socket to eventlet, and has what it began with be forgotten.

    python-engineio would define a class for each request to do the first, and each layer keeps its own environment.
    """

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass the request on."""
        if "gunicorn.socket" in environ and environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            environ["eventlet.input"] = _Input(environ.pop("gunicorn.socket"))
            environ[_OUTER_ENVIRON] = environ
        return self._wsgi_app(environ, start_response)


class _Input:
    """Where eventlet's handshake looks for the socket."""

    __slots__ = ("_socket",)

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def get_socket(self) -> Any:
        return self._socket


def forget_request(environ: dict[str, Any]) -> None:
    """Drop all of a request, in whatever layer it is kept, but what is still asked for once it is a websocket."""
    outer = environ.get(_OUTER_ENVIRON)
    kept = {name: environ[name] for name in _KEPT if name in environ}
    if outer is not None:
        outer.clear()
    environ.clear()
    environ.update(kept)


def needed_later(environ: dict[str, Any]) -> dict[str, Any]:
    """Return what a CONNECT, which may come late or again, looks at; of a websocket the rest is forgotten anyway."""
    if _OUTER_ENVIRON in environ:
        return environ
    return {name: environ[name] for name in _CONNECT_KEEPS if name in environ}


class WithoutExtensions(driver.WebSocketWSGI):
    """The handshake, in which no extension is agreed on."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Upgrade the request."""
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        self.support_legacy_versions = False  # They are older than RFC 6455, and raise where a header is missing.
        answer = super().__call__(environ, start_response)
        # A list would be taken for packets to be encoded; this is the body of a refusal.
        return tuple(answer) if answer else answer


class ChatWebSocket(RFC6455WebSocket):
    """One websocket."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        forget_request(self.environ)
        self.iterator = None
        self._msgs = ()
        self.on_odd_frame: Callable[[], object] = bool
        """Is called for each frame that is no whole message."""
        self._buffer = b""
        # Only a plain socket can be written to directly; TLS has its own buffers.
        self._descriptor = self.socket.fd if type(self.socket) is GreenSocket else None

    def wait(self) -> str | bytes | None:
        """Return the next message; None when the connection is closed, by whichever side."""
        try:
            return self._read_message()
        except FailedConnectionError as error:
            self.close(close_data=(error.status, error.message))
        except ConnectionClosedError:
            pass
        except OSError:
            raise
        except Exception:
            self.close(close_data=(INTERNAL_ERROR, "Internal Server Error"))
            raise
        return None

    def send(self, message: str | bytes, **options: Any) -> None:
        """Write a message and wait until the peer's side has taken it."""
        if options:
            super().send(message, **options)
        else:
            self._send(encode_frame(message))

    def try_send(self, frame: bytes) -> int:
        """Write as much of a frame as goes without waiting; return how many bytes went. Raises `OSError`."""
        if self._descriptor is None:
            return 0
        try:
            return int(self._descriptor.send(frame))
        except BlockingIOError:
            return 0

    def send_raw(self, data: bytes) -> None:
        """Write the rest of a frame and wait until the peer's side has taken it."""
        self._send(data)

    def hang_up(self) -> None:
        """Say goodbye and end the connection, from another greenlet than the one that reads.

        Eventlet's `close` would take the descriptor away under the reader, which then waits for ever.
        """
        self._send_closing_frame(ignore_send_errors=True)
        self.abort()

    def abort(self) -> None:
        """Cut the connection without a word: whoever reads or writes here stops at once."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _read_message(self) -> str | bytes:
        kind = CONTINUATION
        collected = bytearray()
        while True:
            final, opcode, data = self._read_frame()
            if not final or opcode & 8:
                self.on_odd_frame()
            if opcode & 8:
                if not final:
                    raise FailedConnectionError(PROTOCOL_ERROR, "Control frames must not be fragmented.")
                self._handle_control_frame(opcode, data)
                continue
            if (opcode == CONTINUATION) != (kind != CONTINUATION):
                raise FailedConnectionError(
                    PROTOCOL_ERROR, "A message began inside another, or went on before it began."
                )
            kind = kind or opcode
            if final and not collected:
                return self._decode(kind, data)
            collected += data
            if len(collected) > self.max_frame_length:
                raise FailedConnectionError(TOO_BIG, f"A message may have {self.max_frame_length} bytes.")
            if final:
                return self._decode(kind, bytes(collected))

    @staticmethod
    def _decode(kind: int, data: bytes) -> str | bytes:
        if kind == BINARY:
            return data
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise FailedConnectionError(INVALID_TEXT, "Text data must be valid UTF-8.") from None

    def _read_frame(self) -> tuple[bool, int, bytes]:
        """Return the next frame: whether it is final, its opcode, its unmasked data."""
        first, second = self._take(2)
        opcode, length = first & 15, second & 127
        if first & 0x70:
            raise FailedConnectionError(PROTOCOL_ERROR, "No extension was agreed on.")
        if opcode not in (CONTINUATION, TEXT, BINARY, 8, 9, 10):
            raise FailedConnectionError(PROTOCOL_ERROR, "Unknown opcode.")
        if not second & MASKED:
            raise FailedConnectionError(PROTOCOL_ERROR, "A client must mask its frames.")
        if opcode & 8 and length > 125:
            raise FailedConnectionError(PROTOCOL_ERROR, "Control frames have 125 bytes at most.")
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._take(8))
        if length > self.max_frame_length:
            raise FailedConnectionError(TOO_BIG, f"A message may have {self.max_frame_length} bytes.")
        masked = self._take(4 + length)
        return bool(first & FINAL), opcode, unmask(masked[4:], masked[:4])

    def _take(self, count: int) -> bytes:
        buffer = self._buffer
        if len(buffer) < count:
            parts, available = [buffer], len(buffer)
            while available < count:
                part = self.socket.recv(max(READ_BYTES, count - available))
                if not part:
                    raise ConnectionClosedError
                parts.append(part)
                available += len(part)
            buffer = b"".join(parts)
        self._buffer = buffer[count:]
        return buffer[:count]


def unmask(data: bytes, key: bytes) -> bytes:
    """Undo a client's masking: every byte is combined with one of the key's four in turn."""
    length = len(data)
    if not length:
        return data
    repeated = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(length, "little")


def encode_frame(message: str | bytes) -> bytes:
    """Return a message as one unmasked frame."""
    data, opcode = (message.encode(), TEXT) if isinstance(message, str) else (bytes(message), BINARY)
    length = len(data)
    if length < 126:
        return struct.pack("!BB", FINAL | opcode, length) + data
    if length < 65536:
        return struct.pack("!BBH", FINAL | opcode, 126, length) + data
    return struct.pack("!BBQ", FINAL | opcode, 127, length) + data
