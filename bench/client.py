"""The clients that make the load: websockets and keep-alive HTTP on asyncio, with little work for each message.

They use no Socket.IO library, so that the driver is not what limits: frames are parsed where they arrive, and the
masking key is zero, which the protocol allows and which leaves the payload unchanged.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import orjson

TIMEOUT_SECONDS = 60.0
Message = dict[str, Any]


class ChatSocket(asyncio.Protocol):
    """One websocket of one person. `on_message` gets every `new_message`."""

    def __init__(self, token: str) -> None:
        loop = asyncio.get_running_loop()
        self.on_message: Callable[[ChatSocket, Message], None] | None = None
        self.on_acknowledged: Callable[[ChatSocket, bytes], None] | None = None
        self.joined: Message = {}
        self.errors = 0
        self._credentials = b"40" + orjson.dumps({"token": token})
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._upgraded = False
        self._waiting: asyncio.Future[None] | None = loop.create_future()
        self._opened = self._waiting

    @classmethod
    async def open(cls, port: int, token: str) -> ChatSocket:
        """Connect, upgrade, present the token."""
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(lambda: cls(token), "127.0.0.1", port)
        await asyncio.wait_for(socket._opened, TIMEOUT_SECONDS)
        return socket

    async def join(self, session_id: str, **fields: Any) -> None:
        """Join a session and wait for its history."""
        self._waiting = asyncio.get_running_loop().create_future()
        self.emit("join_session", {"sessionId": session_id, "lean": True, **fields})
        await asyncio.wait_for(self._waiting, TIMEOUT_SECONDS)

    def emit(self, event: str, payload: Message, acknowledgement: str = "") -> None:
        """Send an event, with the number of an acknowledgement if one is wanted."""
        self._send(b"42" + acknowledgement.encode() + orjson.dumps([event, payload]))

    def close(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        host, port = transport.get_extra_info("peername")[:2]
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
            f"Host: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self._transport.write(request.encode())  # type: ignore[union-attr]

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError(f"the connection is lost: {self._buffer[:200]!r}"))

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        start, available = 0, len(data)
        if not self._upgraded:
            start = data.find(b"\r\n\r\n") + 4
            if start == 3 or b" 101 " not in data[:20]:
                self._buffer = data
                return
            self._upgraded = True
        while available - start >= 2:
            length, begin = data[start + 1], start + 2
            if length == 126:
                length, begin = int.from_bytes(data[start + 2 : start + 4], "big"), start + 4
            elif length == 127:
                length, begin = int.from_bytes(data[start + 2 : start + 10], "big"), start + 10
            end = begin + length
            if end > available:
                break
            if data[start] == 0x81:
                self._take(data[begin:end])
            start = end
        self._buffer = data[start:]

    def _take(self, text: bytes) -> None:
        kind = text[:2]
        if kind == b"42":
            if self.on_message is not None and text.startswith(b'42["new_message"'):
                self.on_message(self, orjson.loads(text[2:])[1])
            elif text.startswith(b'42["session_joined"'):
                self.joined = orjson.loads(text[2:])[1]
                self._done()
            elif text.startswith(b'42["error"'):
                self.errors += 1
        elif kind == b"43":
            if self.on_acknowledged is not None:
                self.on_acknowledged(self, text)
        elif text == b"2":
            self._send(b"3")
        elif text[:1] == b"0":
            self._send(self._credentials)
        elif kind == b"40":
            self._done()
        elif kind == b"44" and self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionRefusedError(text.decode()))

    def _done(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _send(self, payload: bytes) -> None:
        length = len(payload)
        size = bytes((0x80 | length,)) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
        if self._transport is not None:
            self._transport.write(b"\x81" + size + b"\0\0\0\0" + payload)


class Http:
    """One keep-alive connection; one call at a time."""

    def __init__(self, port: int, **headers: str) -> None:
        self._port = port
        self._fields = {"Host": f"127.0.0.1:{port}", "Content-Type": "application/json"}
        self._headers = ""
        self._show(headers)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    def authorize(self, token: str) -> None:
        """Show this token from now on."""
        self._show({"Authorization": f"Bearer {token}"})

    def _show(self, headers: dict[str, str]) -> None:
        self._fields |= headers
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in self._fields.items())

    async def post(self, path: str, body: Message | None = None) -> Message:
        """Write; return the envelope's data. Raises `RuntimeError` for a failure."""
        return await self._call("POST", path, orjson.dumps(body or {}))

    async def get(self, path: str, **query: Any) -> Message:
        """Read; return the envelope's data."""
        return await self._call("GET", f"{path}?{urlencode(query)}" if query else path, b"")

    async def patch(self, path: str, body: Message) -> Message:
        """Change; return the envelope's data."""
        return await self._call("PATCH", path, orjson.dumps(body))

    async def put(self, path: str, body: Message) -> Message:
        """Replace; return the envelope's data."""
        return await self._call("PUT", path, orjson.dumps(body))

    async def delete(self, path: str) -> Message:
        """Delete; return the envelope's data."""
        return await self._call("DELETE", path, b"")

    def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _call(self, method: str, path: str, body: bytes) -> Message:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None
        head = f"{method} {path} HTTP/1.1\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
        lowered = answer.lower()
        at = lowered.index(b"content-length:") + 15
        content = await self._reader.readexactly(int(lowered[at : lowered.index(b"\r", at)]))
        if b"connection: close" in lowered:
            self.close()
        envelope = orjson.loads(content)
        if not envelope["success"]:
            raise RuntimeError(f"{method} {path}: {content[:300].decode()}")
        return envelope.get("data") or {}


async def in_turns(count: int, at_once: int, one: Callable[[int], Any]) -> list[Any]:
    """Run `one(number)` for each number below `count`, several at a time. Returns the results in order."""
    results: list[Any] = [None] * count
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            results[number] = await one(number)

    await asyncio.gather(*(work() for _ in range(min(at_once, count))))
    return results
