"""The time that an upload may take: that of every request, and more for what has come at a slowest rate."""

from __future__ import annotations

import time
from typing import Any

import eventlet
import pytest
from eventlet.green import socket

from chatsupport.realtime import http_requests
from chatsupport.realtime.http_requests import PatientUnreader

PATIENCE = 0.3


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client's end of a connection, and the server's reader of it."""
    monkeypatch.setattr(http_requests, "REQUEST_SECONDS", PATIENCE)
    client, server = socket.socketpair()
    reader = PatientUnreader(server)
    reader.begin(idle=False)
    yield client, reader
    client.close()
    server.close()


def read_all(reader: PatientUnreader) -> tuple[int, float]:
    """Return how many bytes came before the reader gave up, and after how many seconds it did."""
    started, size = time.monotonic(), 0
    while data := reader.chunk():
        size += len(data)
    return size, time.monotonic() - started


def send(client: Any, pieces: int, pause: float) -> None:
    try:
        for _ in range(pieces):
            client.sendall(b"x" * 1000)
            eventlet.sleep(pause)
    except OSError:
        return  # The reader has given up.


def test_a_request_has_little_time_however_steadily_it_comes(ends: Any) -> None:
    client, reader = ends
    eventlet.spawn(send, client, 40, 0.05)
    size, seconds = read_all(reader)
    assert size < 40_000
    assert seconds >= PATIENCE


def test_an_upload_has_the_time_that_its_bytes_take_at_the_slowest_rate(ends: Any) -> None:
    client, reader = ends
    reader.expect_upload(30.0, 4_000)
    eventlet.spawn(send, client, 20, 0.05)
    size, seconds = read_all(reader)
    assert size == 20_000, "20 KB/s are enough"
    assert seconds >= 1.0


def test_an_upload_that_is_too_slow_is_cut_off(ends: Any) -> None:
    client, reader = ends
    reader.expect_upload(30.0, 100_000)
    eventlet.spawn(send, client, 100, 0.05)
    size, seconds = read_all(reader)
    assert size < 20_000
    assert seconds >= PATIENCE


def test_an_upload_has_an_end(ends: Any) -> None:
    client, reader = ends
    reader.expect_upload(0.6, 1)
    eventlet.spawn(send, client, 100, 0.05)
    size, seconds = read_all(reader)
    assert size < 100_000
    assert seconds >= 0.6


def test_the_next_request_of_a_connection_has_the_usual_time(ends: Any) -> None:
    client, reader = ends
    reader.expect_upload(30.0, 1)
    client.sendall(b"x" * 1000)
    assert reader.chunk()
    reader.begin(idle=False)
    eventlet.spawn(send, client, 40, 0.05)
    assert read_all(reader)[1] < 3 * PATIENCE
