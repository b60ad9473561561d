"""A proxy that speaks MongoDB's wire protocol: it loses the reply of a command, or delays a command."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import bson

from tests.e2e.proxy import Link, Proxy, Target

HEADER_BYTES = 16
OP_MSG = 2013
OPTIONS: bson.CodecOptions[dict[str, Any]] = bson.CodecOptions(document_class=dict, tz_aware=True)

Match = Callable[[str, dict[str, Any]], bool]
"""Tells whether a command matches. Gets its name and its body, in which `body[name]` is the collection."""


def command(name: str, collection: str) -> Match:
    """Match one command on one collection."""
    return lambda found, body: found == name and body.get(name) == collection


class Trouble:
    """A fault of the next `times` matching commands."""

    def __init__(self, match: Match, times: int) -> None:
        self._match = match
        self._mutex = threading.Lock()
        self.left = times

    def takes(self, name: str, body: dict[str, Any]) -> bool:
        """Tell whether this command is one of them, and count it."""
        with self._mutex:
            if self.left <= 0 or not self._match(name, body):
                return False
            self.left -= 1
            return True


class LostReply(Trouble):
    """The server does it, and the connection breaks before its reply comes through; with `every_time`, also when the
    driver repeats it.
    """

    def __init__(self, match: Match, times: int, *, every_time: bool = False) -> None:
        super().__init__(match, times)
        self._every_time = every_time
        self._lost: set[tuple[bytes, int]] = set()

    def takes(self, name: str, body: dict[str, Any]) -> bool:
        """Tell whether this command is one of them, or a repetition of one."""
        write = (bytes(body["lsid"]["id"]), body.get("txnNumber", 0)) if "lsid" in body else (b"", 0)
        if self._every_time and write in self._lost:
            return True
        if not super().takes(name, body):
            return False
        self._lost.add(write)
        return True


class Delay(Trouble):
    """The command reaches the server late, even if the client has given up by then."""

    def __init__(self, match: Match, times: int, seconds: float) -> None:
        super().__init__(match, times)
        self.seconds = seconds


class WireProxy(Proxy):
    """In front of one mongod. `troubles` may change at any moment."""

    def __init__(self, target: Target) -> None:
        self.troubles: list[Trouble] = []
        super().__init__(target)

    def make_link(self, client: socket.socket, server: socket.socket) -> Link:
        """Return the object that carries one connection."""
        return WireLink(client, server, self)


class WireLink(Link):
    """One connection, message by message."""

    def __init__(self, client: socket.socket, server: socket.socket, proxy: WireProxy) -> None:
        super().__init__(client, server, proxy.is_open)
        self._proxy = proxy
        self._lost: set[int] = set()

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        """Carry messages until the end."""
        while message := _read(source):
            if not self.wait_until_open():
                return
            if sink is self.server:
                self._look_at(message)
            elif struct.unpack_from("<i", message, 8)[0] in self._lost:
                return
            if self.cut_next:
                sink.sendall(message[: len(message) // 2])
                return
            sink.sendall(message)

    def _look_at(self, message: bytes) -> None:
        if not self._proxy.troubles or struct.unpack_from("<i", message, 12)[0] != OP_MSG:
            return
        name, body = _command_of(message)
        for trouble in self._proxy.troubles:
            if trouble.takes(name, body):
                if isinstance(trouble, Delay):
                    time.sleep(trouble.seconds)
                else:
                    self._lost.add(struct.unpack_from("<i", message, 4)[0])


def _read(source: socket.socket) -> bytes:
    """Return a whole message, or nothing at the end."""
    header = _read_exactly(source, HEADER_BYTES)
    if not header:
        return b""
    rest = _read_exactly(source, struct.unpack_from("<i", header)[0] - HEADER_BYTES)
    return header + rest if rest else b""


def _read_exactly(source: socket.socket, count: int) -> bytes:
    chunks = []
    while count and (chunk := source.recv(count)):
        chunks.append(chunk)
        count -= len(chunk)
    return b"" if count else b"".join(chunks)


def _command_of(message: bytes) -> tuple[str, dict[str, Any]]:
    """Return the name and the body of a command. The body is the section of kind 0, wherever it is."""
    at = HEADER_BYTES + 4
    while message[at]:
        at += 1 + struct.unpack_from("<i", message, at + 1)[0]
    size = struct.unpack_from("<i", message, at + 1)[0]
    body = bson.decode(message[at + 1 : at + 1 + size], OPTIONS)
    return next(iter(body)), body
