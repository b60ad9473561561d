"""A client's socket, on real sockets and eventlet's hub."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import eventlet
import pytest
from eventlet import hubs

from chatsupport.realtime.client_socket import ClientSocket
from chatsupport.realtime.connections import Connections

SECONDS = 5.0


class Line:
    """A connection: the client's end, and the server's, whose reader answers each `?` by itself."""

    def __init__(self) -> None:
        self.client, server = socket.socketpair()
        self.client.setblocking(False)
        self.server = ClientSocket(server)
        self.read: list[bytes] = []

    def answer(self, *, slowly: bool = False) -> None:
        while data := self.server.recv(100):
            self.read.append(data)
            if slowly:
                eventlet.sleep(0.05)
            self.server.sendall(b"!")

    def ask(self, data: bytes = b"?") -> bytes:
        self.client.sendall(data)
        with eventlet.Timeout(SECONDS):
            eventlet.sleep(0)
            while True:
                try:
                    return self.client.recv(100)
                except BlockingIOError:
                    eventlet.sleep(0)


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.client.close()
    line.server.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the kernel is told to watch, and to watch no more."""
    hub, told = hubs.get_hub(), []

    def register(descriptor: int, **options: Any) -> None:
        told.append(descriptor)
        type(hub).register(hub, descriptor, **options)

    monkeypatch.setattr(hub, "register", register)
    return told


def test_it_is_watched_once_for_all_requests(line: Line, told: list[Any]) -> None:
    eventlet.spawn(line.answer)
    assert [line.ask() for _ in range(5)] == [b"!"] * 5
    assert told == [line.server.fileno()]


def test_it_is_watched_no_more_when_it_is_closed(line: Line, told: list[Any]) -> None:
    reader = eventlet.spawn(line.answer)
    line.ask()
    descriptor, hub = line.server.fileno(), hubs.get_hub()
    reader.kill()
    line.server.close()
    assert (told, descriptor in hub.listeners[hub.READ]) == ([descriptor] * 2, False)


def test_bytes_that_come_too_early_are_read_and_keep_nobody_busy(line: Line, told: list[Any]) -> None:
    """The hub would be called for them without end while the answer is made."""
    eventlet.spawn(line.answer, slowly=True)
    line.ask()
    calls, poll = [], hubs.get_hub().do_poll
    hubs.get_hub().do_poll = lambda seconds: calls.append(seconds) or poll(seconds)
    try:
        line.client.sendall(b"1")
        eventlet.sleep(0)
        line.client.sendall(b"2")
        eventlet.sleep(0.04)
    finally:
        del hubs.get_hub().do_poll
    assert len(calls) < 10
    with eventlet.Timeout(SECONDS):
        while b"".join(line.read) != b"?12":
            eventlet.sleep(0.01)
    assert line.ask() == b"!"


def test_the_end_of_the_client_is_noticed(line: Line) -> None:
    reader = eventlet.spawn(line.answer)
    line.ask()
    line.client.close()
    with eventlet.Timeout(SECONDS):
        reader.wait()


def test_a_time_out_ends_the_wait_and_another_may_follow(line: Line) -> None:
    for _ in range(2):
        with eventlet.Timeout(0.01, False):
            line.server.recv(1)
            pytest.fail("nothing was sent")
    line.client.sendall(b"?")
    with eventlet.Timeout(SECONDS):
        assert line.server.recv(1) == b"?"


def test_its_own_time_out_is_kept_whether_or_not_it_is_watched(line: Line) -> None:
    """The reader of an upgrade's probe sets one."""
    with eventlet.Timeout(SECONDS):
        for _ in range(2):
            line.server.settimeout(0.01)
            with pytest.raises(TimeoutError):
                line.server.recv(1)
            line.server.settimeout(None)
            reader = eventlet.spawn(line.server.recv, 1)
            eventlet.sleep(0)
            line.client.sendall(b"?")
            assert reader.wait() == b"?"


def test_a_reader_is_told_if_other_code_closed_the_descriptor(line: Line) -> None:
    reader = eventlet.spawn(line.answer)
    eventlet.sleep(0)
    descriptor = line.server.fileno()
    os.close(descriptor)
    hubs.notify_opened(descriptor)
    with eventlet.Timeout(SECONDS), pytest.raises(EOFError):
        reader.wait()
    line.server.fd.detach()


def test_idle_connections_end_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatsupport.realtime.connections.LOOK_SECONDS", 0.01)
    connections, idle, busy = Connections(), Line(), Line()
    looking = eventlet.spawn(connections.end_idle, 1.0)
    first = eventlet.spawn(connections.read_next, idle.server, 100)
    for _ in range(8):
        second = eventlet.spawn(connections.read_next, busy.server, 100)
        eventlet.sleep(0.15)
        busy.client.sendall(b"?")
        with eventlet.Timeout(SECONDS):
            assert second.wait() == b"?"
    with eventlet.Timeout(SECONDS):
        assert first.wait() == b""
    looking.kill()
    for each in (idle, busy):
        each.client.close()
        each.server.close()
