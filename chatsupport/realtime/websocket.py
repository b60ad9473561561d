"""Websockets (RFC 6455) for very many connections, most of them idle.

It replaces eventlet's implementation, which keeps a greenlet and the request of each connection. In contrast, this one
- has no greenlet while nothing comes: the hub knows the descriptor, and a greenlet reads when there are bytes;
- takes no per-message deflate (two zlib contexts are 100 KB a connection, and short chat messages gain nothing);
- reads what is there with one call instead of four a frame, and unmasks it as one big number;
- counts all fragments of a message against the limit, while eventlet bounds each fragment alone;
- can write a frame at once, without a greenlet, if the peer reads as fast as we write.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any

from engineio.async_drivers import eventlet as driver
from eventlet import hubs
from eventlet.greenio import GreenSocket
from eventlet.support.greenlets import getcurrent, greenlet

from chatsupport.realtime.connections import connections

logger = logging.getLogger(__name__)

READ_BYTES = 4096
FINAL, MASKED = 0x80, 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL_CLOSURE, PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG = 1000, 1002, 1007, 1009
_VERSION = "13"
_SOCKET = "chatsupport.socket"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def install() -> None:
    """Let python-engineio upgrade requests by this handshake."""
    driver._async["websocket"] = Handshake


class _Upgraded(tuple[bytes, ...]):
    """The answer to a request that has become a websocket."""


UPGRADED = _Upgraded()


def is_upgraded(_: Any, answer: Iterable[bytes]) -> bool:
    """Keep gunicorn from answering a request that has become a websocket, and from reading another one."""
    if answer is UPGRADED:
        raise StopIteration
    return False


class HiddenSocket:
    """WSGI middleware: keeps the connection's socket for `Handshake` under a name that python-engineio does not know.

    Otherwise python-engineio would define a class for each request, also of REST, to hand the socket to eventlet.
    """

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass the request on."""
        environ[_SOCKET] = environ.pop("gunicorn.socket", None)
        return self._wsgi_app(environ, start_response)


class Handshake:
    """Upgrades a request, and hands the websocket to `handler`, which need not wait for its end."""

    def __init__(self, handler: Callable[[ChatWebSocket], object], server: Any) -> None:
        self._handler = handler
        self._max_bytes = int(server.max_http_buffer_size)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer the request. The body is a tuple: python-engineio would take a list for packets."""
        version, key = environ.get("HTTP_SEC_WEBSOCKET_VERSION"), environ.get("HTTP_SEC_WEBSOCKET_KEY")
        if version is not None and version != _VERSION:
            start_response("426 Upgrade Required", [("Connection", "close"), ("Sec-WebSocket-Version", _VERSION)])
            return (b"",)
        if version is None or key is None:
            start_response("400 Bad Request", [("Connection", "close")])
            return (b"",)
        client = environ[_SOCKET]
        proof = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
        client.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % proof
        )
        self._handler(ChatWebSocket(client, self._max_bytes))
        return UPGRADED


class _Readers:
    """The greenlets that read. Those that are done wait for the next bytes, because a new one costs 8 µs more.

    Each read begins as in a new greenlet: without context variables.
    """

    MOST = 8

    def __init__(self) -> None:
        self._done: list[Any] = []

    def read(self, read: Callable[[], object]) -> bool:
        """Call the function in a greenlet. False if it is waiting for something. Only the hub may call this."""
        hub = hubs.get_hub().greenlet
        reader = self._done.pop() if self._done and self._done[-1].parent is hub else greenlet(self._run, hub)
        reader.gr_context = None
        reader.switch(read)
        return reader.dead or (bool(self._done) and self._done[-1] is reader)

    def _run(self, read: Callable[[], object]) -> None:
        reader = getcurrent()
        while True:
            read()
            del read  # It would keep the websocket.
            if len(self._done) >= self.MOST:
                return
            self._done.append(reader)
            read = reader.parent.switch()


_readers = _Readers()


class _OverError(Exception):
    """The websocket ends, for this reason."""

    def __init__(self, status: int, reason: str = "") -> None:
        self.closing = struct.pack("!H", status) + reason.encode()


class ChatWebSocket:
    """One websocket."""

    __slots__ = (
        "_buffer",
        "_descriptor",
        "_fragments",
        "_gone",
        "_is_closing",
        "_is_over",
        "_is_writing",
        "_kind",
        "_listener",
        "_max_bytes",
        "_take",
        "on_odd_frame",
        "pong",
        "socket",
    )

    def __init__(self, client: Any, max_bytes: int) -> None:
        self.socket = client
        self.on_odd_frame: Callable[[], object] = bool
        """Called for each frame that is not a whole message."""
        self.pong: Callable[[bytes], object] | None = None
        """Sends a frame in turn; None while nobody else writes."""
        self._max_bytes = max_bytes
        self._buffer = b""
        self._kind, self._fragments = CONTINUATION, b""
        self._is_closing = self._is_over = self._is_writing = False
        self._listener: Any = None
        # TLS has its own buffers: its socket may be readable although its descriptor is not.
        self._descriptor: Any = client.fd if isinstance(client, GreenSocket) else None

    def wait(self) -> str | bytes | None:
        """Wait for the next message; None when the connection is closed, by whichever side. Raises `OSError`."""
        try:
            while (message := self._next_message()) is None:
                data = self.socket.recv(READ_BYTES)
                if not data:
                    return None
                self._buffer += data
        except _OverError as error:
            self.say_goodbye(error.closing)
            return None
        return message

    def listen(self, take: Callable[[str | bytes], bool], gone: Callable[[], object]) -> None:
        """Hand each message to `take` until it returns False or the connection is over; then call `gone`, once.

        Both may wait. By TLS this returns at the end only, else when nothing more is there.
        """
        self._take, self._gone = take, gone
        if self._descriptor is None:
            with contextlib.suppress(OSError, ValueError):  # The latter if the connection was cut here.
                while (message := self.wait()) is not None and take(message):
                    pass
            self._end()
            return
        try:
            self.socket = connections.keep(self.socket)
        except OSError as error:
            logger.error("A websocket could not be kept: %s", error.strerror or error)
            self._end()
            return
        self._descriptor = self.socket.fd
        self._go_on()

    def send(self, message: str | bytes) -> None:
        """Write a message, and wait until the peer's side has received it."""
        self.write(encode_frame(message))

    def write(self, frame: bytes) -> None:
        """Write a frame, or the rest of one, and wait until the peer's side has received it. Raises `OSError`."""
        if self._is_closing:
            raise BrokenPipeError("Nothing may follow the closing frame.")
        self._send_all(frame)

    def _send_all(self, frame: bytes) -> None:
        self._is_writing = True
        try:
            self.socket.sendall(frame)
        finally:
            self._is_writing = False
            if self._is_over:
                self._let_go()

    def try_send(self, frame: bytes) -> int:
        """Write as much of a frame as possible without waiting, and return the number of bytes. Raises `OSError`."""
        if self._is_closing:
            raise BrokenPipeError("Nothing may follow the closing frame.")
        return self._send_now(frame)

    def _send_now(self, frame: bytes) -> int:
        if self._descriptor is None:
            return 0
        try:
            return int(self._descriptor.send(frame))
        except BlockingIOError:
            return 0

    def say_goodbye(self, closing: bytes = b"") -> None:
        """Send the closing frame, if it was not sent yet and nothing else is being written."""
        if self._is_closing or self._is_writing:
            return
        self._is_closing = True  # Before it is sent: by TLS that may take a while.
        frame = encode_frame(closing, CLOSE)
        with contextlib.suppress(OSError):
            self._send_all(frame) if self._descriptor is None else self._send_now(frame)

    def hang_up(self) -> None:
        """Send the closing frame, and end the connection."""
        self.say_goodbye()
        self.abort()

    def abort(self) -> None:
        """Cut the connection without a closing frame. Readers and writers stop at once."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _readable(self, _: int) -> None:
        """Have a greenlet read. The hub calls this, and in the hub nothing may wait."""
        if not _readers.read(self._read):
            # It waits for something else, so new bytes have to wait too.
            self._stop_listening()

    def _read(self) -> None:
        try:
            data = self._descriptor.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._buffer += data
        if data:
            self._go_on()
        else:
            self._end()

    def _go_on(self) -> None:
        """Hand over the messages that are whole. Then have the hub call when there is more, or end."""
        try:
            while (message := self._next_message()) is not None:
                if not self._take(message):
                    break
            else:
                if self._listener is None:
                    # The second function would be called if other code closed the descriptor.
                    hub = hubs.get_hub()
                    self._listener = hub.add(hub.READ, self.socket.fileno(), self._readable, _ignore, _ignore)
                return
        except _OverError as error:
            self.say_goodbye(error.closing)
        except Exception:
            logger.exception("A websocket could not be read")
        self._end()

    def _end(self) -> None:
        self._stop_listening()
        try:
            self._gone()
        finally:
            self.say_goodbye()
            self._is_over = True
            if self._is_writing:
                self.abort()  # The writer stops, and releases the socket.
            else:
                self._let_go()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            hubs.get_hub().remove(self._listener)
            self._listener = None

    def _let_go(self) -> None:
        self.socket.close()
        connections.discard(self.socket)

    def _next_message(self) -> str | bytes | None:
        """Return the next message of what has come; None if it is not whole yet. Raises `_OverError`."""
        while (frame := self._next_frame()) is not None:
            final, opcode, data = frame
            if not final or opcode & 8:
                self.on_odd_frame()
            if opcode & 8:
                if not final:
                    raise _OverError(PROTOCOL_ERROR, "Control frames must not be fragmented.")
                self._take_control(opcode, data)
                continue
            if (opcode == CONTINUATION) != (self._kind != CONTINUATION):
                raise _OverError(PROTOCOL_ERROR, "A message began inside another, or went on before it began.")
            kind, data = self._kind or opcode, self._fragments + data
            if len(data) > self._max_bytes:
                raise _OverError(TOO_BIG, f"A message may have {self._max_bytes} bytes.")
            if final:
                self._kind, self._fragments = CONTINUATION, b""
                return data if kind == BINARY else _decode(data)
            self._kind, self._fragments = kind, data
        return None

    def _next_frame(self) -> tuple[bool, int, bytes] | None:
        """Take the next frame: whether it is final, its opcode, its unmasked data. None if it is not whole yet."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        opcode, length, start = first & 15, second & 127, 2
        if first & 0x70:
            raise _OverError(PROTOCOL_ERROR, "No extension was agreed on.")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise _OverError(PROTOCOL_ERROR, "Unknown opcode.")
        if not second & MASKED:
            raise _OverError(PROTOCOL_ERROR, "A client must mask its frames.")
        if opcode & 8 and length > 125:
            raise _OverError(PROTOCOL_ERROR, "Control frames have 125 bytes at most.")
        if length > 125:
            layout, start = ("!H", 4) if length == 126 else ("!Q", 10)
            if len(buffer) < start:
                return None
            (length,) = struct.unpack_from(layout, buffer, 2)
        if length > self._max_bytes:
            raise _OverError(TOO_BIG, f"A message may have {self._max_bytes} bytes.")
        begin = start + 4
        end = begin + length
        if len(buffer) < end:
            return None
        self._buffer = buffer[end:]
        return bool(first & FINAL), opcode, unmask(buffer[begin:end], buffer[start:begin])

    def _take_control(self, opcode: int, data: bytes) -> None:
        if opcode == PING:
            (self.pong or self.write)(encode_frame(data, PONG))
        elif opcode == CLOSE:
            raise _OverError(*_closing_status(data))


def _ignore(*_: object) -> None:
    """Do nothing."""


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _OverError(INVALID_TEXT, "Text data must be valid UTF-8.") from None


def _closing_status(data: bytes) -> tuple[int, str]:
    """Return the answer to a closing frame: its own status, if clients may send that one (RFC 6455, section 7.4)."""
    if not data:
        return NORMAL_CLOSURE, ""
    status = int.from_bytes(data[:2], "big")
    if len(data) < 2 or not (status in range(3000, 5000) or status in {*range(1000, 1004), *range(1007, 1015)}):
        return PROTOCOL_ERROR, "Unexpected close status code."
    try:
        data[2:].decode()
    except UnicodeDecodeError:
        return PROTOCOL_ERROR, "Close message data should be valid UTF-8."
    return status, ""


def unmask(data: bytes, key: bytes) -> bytes:
    """Undo a client's masking: every byte is combined with one of the key's four in turn."""
    length = len(data)
    if not length:
        return data
    repeated = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(length, "little")


def encode_frame(message: str | bytes, opcode: int | None = None) -> bytes:
    """Return a message as one unmasked frame; with the opcode of its type, if none is given."""
    data, opcode = (message.encode(), opcode or TEXT) if isinstance(message, str) else (message, opcode or BINARY)
    length = len(data)
    if length < 126:
        return struct.pack("!BB", FINAL | opcode, length) + data
    if length < 65536:
        return struct.pack("!BBH", FINAL | opcode, 126, length) + data
    return struct.pack("!BBQ", FINAL | opcode, 127, length) + data
