"""A websocket that waits without a greenlet, on real sockets and eventlet's hub."""

from __future__ import annotations

import gc
import os
import resource
import socket
import struct
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import eventlet
import pytest
from eventlet.greenio import GreenSocket
from eventlet.support.greenlets import getcurrent, greenlet

from chatsupport.realtime import websocket
from chatsupport.realtime.connections import Connections
from chatsupport.realtime.websocket import ChatWebSocket
from tests.unit.realtime.test_websocket import CLOSE, CONTINUATION, LIMIT, PING, PONG, client_frame, close_code

SECONDS = 5.0


class Line:
    """A connection: the client's end, and the websocket at the server's."""

    def __init__(self) -> None:
        self.client, server = socket.socketpair()
        self.client.settimeout(SECONDS)
        self.ws = ChatWebSocket(GreenSocket(server), LIMIT)
        self.taken: list[str | bytes] = []
        self.ends = 0
        self.sent = b""

    def listen(self, take: Callable[[str | bytes], bool] = lambda message: True) -> None:
        def note(message: str | bytes) -> bool:
            self.taken.append(message)
            return take(message)

        def gone() -> None:
            self.ends += 1

        # As gunicorn does: the request is over at once, and its socket closed.
        eventlet.spawn(self.ws.listen, note, gone).wait()

    def until(self, true: Callable[[], object]) -> None:
        """Let the hub work until this is true."""
        with eventlet.Timeout(SECONDS):
            while not true():
                eventlet.sleep(0)

    def read_all(self) -> None:
        """Read until the server's end is closed."""
        while data := self.client.recv(65536):
            self.sent += data


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.client.close()
    line.until(lambda: line.ends)
    eventlet.sleep(0)


@pytest.fixture
def no_file_left() -> Iterator[Callable[[], None]]:
    """Have this process open no other file from the call on."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def no_file_left() -> None:
        free = os.open(os.devnull, os.O_RDONLY)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))

    yield no_file_left
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def greenlets() -> int:
    return sum(
        type(each) in (greenlet, eventlet.greenthread.GreenThread) and not each.dead for each in gc.get_objects()
    )


@pytest.fixture
def other_line(line: Line) -> Iterator[Line]:
    """Another one. Its reader is done, and free for others."""
    other = Line()
    other.listen()
    other.client.sendall(client_frame(b"hello"))
    other.until(lambda: other.taken)
    yield other
    other.client.close()
    other.until(lambda: other.ends)


def test_messages_come_byte_by_byte_and_no_greenlet_waits_for_them(line: Line, other_line: Line) -> None:
    eventlet.sleep(0)
    before = greenlets()
    line.listen()
    frames = client_frame(b"one"), client_frame(b"tw", final=False), client_frame(b"o" * 200, CONTINUATION)
    *first, last = b"".join(frames)
    for byte in first:
        line.client.sendall(bytes([byte]))
        eventlet.sleep(0)
    assert greenlets() == before

    line.client.sendall(bytes([last]))
    line.until(lambda: len(line.taken) == 2)

    assert line.taken == ["one", "tw" + "o" * 200]


def test_what_came_with_the_request_is_taken_first(line: Line) -> None:
    line.client.sendall(client_frame(b"probe") + client_frame(b"one") + client_frame(b"two")[:5])
    assert eventlet.spawn(line.ws.wait).wait() == "probe"
    line.listen()
    line.client.sendall(client_frame(b"two")[5:] + client_frame(b"three"))

    line.until(lambda: len(line.taken) == 3)

    assert line.taken == ["one", "two", "three"]


def test_the_next_message_waits_until_the_last_is_handled(line: Line) -> None:
    handling, most = 0, 0

    def take(message: str | bytes) -> bool:
        nonlocal handling, most
        handling += 1
        most = max(most, handling)
        eventlet.sleep(0.001)
        handling -= 1
        return True

    line.listen(take)
    for number in range(20):
        line.client.sendall(client_frame(b"%d" % number))
        eventlet.sleep(0)

    line.until(lambda: len(line.taken) == 20)

    assert line.taken == [str(number) for number in range(20)]
    assert most == 1


def test_one_greenlet_reads_for_all_each_time_without_context_variables(line: Line, other_line: Line) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="nothing")
    readers: list[object] = []
    found: list[str] = []

    def take(message: str | bytes) -> bool:
        readers.append(getcurrent())
        found.append(variable.get())
        variable.set(str(message))
        return True

    line.listen(take)
    for count in range(1, 4):
        line.client.sendall(client_frame(b"one"))
        other_line.client.sendall(client_frame(b"two"))
        line.until(lambda count=count: (len(line.taken), len(other_line.taken)) == (count, count + 1))

    assert (len(set(readers)), found) == (1, ["nothing"] * 3)


def test_readers_that_wait_hold_up_no_other_and_few_are_kept(line: Line) -> None:
    waiting = [Line() for _ in range(20)]
    released = eventlet.Event()
    for each in waiting:
        each.listen(lambda message: bool(released.wait() or True))
        each.client.sendall(client_frame(b"wait"))
    line.until(lambda: all(each.taken for each in waiting))
    line.listen()
    line.client.sendall(client_frame(b"one"))
    line.until(lambda: line.taken)

    before = greenlets()
    released.send()
    line.until(lambda: greenlets() <= before - len(waiting) + websocket._readers.MOST)

    for each in waiting:
        each.client.sendall(client_frame(b"again"))
        line.until(lambda each=each: each.taken == ["wait", "again"])
        each.client.close()
        line.until(lambda each=each: each.ends)


@pytest.mark.parametrize("waits", [False, True])
def test_the_end_is_told_once_when_the_client_closes(line: Line, waits: bool) -> None:
    def take(message: str | bytes) -> bool:
        eventlet.sleep(0.01 if waits else 0)
        return True

    line.listen(take)
    line.client.sendall(client_frame(b"bye") + client_frame(struct.pack("!H", 1000), CLOSE))
    line.client.shutdown(socket.SHUT_WR)
    line.until(lambda: line.ends)
    line.read_all()
    eventlet.sleep(0)

    assert (line.taken, line.ends, close_code(line)) == (["bye"], 1, 1000)


def test_the_end_is_told_once_when_the_client_vanishes(line: Line) -> None:
    line.listen()
    line.client.sendall(client_frame(b"half")[:5])
    line.client.close()
    line.until(lambda: line.ends)
    eventlet.sleep(0)

    assert (line.taken, line.ends) == ([], 1)


def test_the_one_who_takes_may_end_it(line: Line) -> None:
    line.listen(lambda message: False)
    line.client.sendall(client_frame(b"one") + client_frame(b"two"))
    line.until(lambda: line.ends)
    line.read_all()

    assert (line.taken, line.ends, line.sent[:1]) == (["one"], 1, b"\x88")


def test_a_failure_of_the_one_who_takes_ends_it(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    def take(message: str | bytes) -> bool:
        raise RuntimeError("a defect")

    line.listen(take)
    line.client.sendall(client_frame(b"one"))
    line.until(lambda: line.ends)
    line.read_all()

    assert (line.ends, [record.message for record in caplog.records]) == (1, ["A websocket could not be read"])


def test_broken_frames_end_it_with_the_reason(line: Line) -> None:
    line.listen()
    line.client.sendall(client_frame(b"one") + b"\x81\x05hello")
    line.until(lambda: line.ends)
    line.read_all()

    assert (line.taken, close_code(line)) == (["one"], 1002)


def test_a_ping_is_answered_in_its_turn(line: Line) -> None:
    frames: list[bytes] = []
    line.ws.pong = frames.append
    line.listen()
    line.client.sendall(client_frame(b"there?", PING) + client_frame(b"one"))
    line.until(lambda: line.taken)

    assert frames == [bytes([0x80 | PONG, 6]) + b"there?"]


def test_the_descriptor_stays_the_writers_until_it_has_stopped(line: Line) -> None:
    line.listen()
    kept = line.ws.socket
    failures: list[OSError] = []

    def write() -> None:
        try:
            line.ws.write(b"x" * 10_000_000)
        except OSError as error:
            failures.append(error)

    eventlet.spawn(write)
    eventlet.sleep(0)
    line.client.shutdown(socket.SHUT_WR)
    line.until(lambda: line.ends)
    assert (kept.fileno() >= 0, failures) == (True, [])

    line.until(lambda: failures)

    assert kept.fileno() < 0


def test_it_ends_where_no_file_is_left_to_keep_it(line: Line, no_file_left: Callable[[], None]) -> None:
    no_file_left()
    line.listen()
    line.read_all()

    assert (line.ends, line.sent) == (1, b"\x88\x00")


def test_connections_are_counted_until_they_are_discarded() -> None:
    """A request's socket is exchanged for the websocket's, which counts until it is discarded."""
    connections, limit = Connections(), 2
    handled: list[GreenSocket] = []
    listener = eventlet.listen(("127.0.0.1", 0))

    def handle(client: GreenSocket, address: object) -> None:
        handled.append(connections.keep(client))

    acceptor = eventlet.spawn(connections.serve, listener, handle, limit)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(limit + 1)]
    for _ in range(100):
        eventlet.sleep(0)
    assert len(handled) == limit

    handled[0].close()
    connections.discard(handled[0])
    connections.discard(handled[0])
    for _ in range(100):
        eventlet.sleep(0)
    assert len(handled) == limit + 1

    acceptor.kill(eventlet.StopServe())
    assert not acceptor.dead
    connections.stop_reading()
    assert [each.recv(1) for each in handled[1:]] == [b"", b""]
    for each in handled[1:]:
        connections.discard(each)
        each.close()
    with eventlet.Timeout(SECONDS):
        acceptor.wait()
    for client in clients:
        client.close()


def test_connections_are_accepted_again_once_there_are_files(
    monkeypatch: pytest.MonkeyPatch, no_file_left: Callable[[], None]
) -> None:
    monkeypatch.setattr("chatsupport.realtime.connections.RETRY_SECONDS", 0.01)
    listener, handled = eventlet.listen(("127.0.0.1", 0)), []
    client, before = socket.create_connection(listener.getsockname()), resource.getrlimit(resource.RLIMIT_NOFILE)
    acceptor = eventlet.spawn(Connections().serve, listener, lambda *connection: handled.append(connection), 1)

    no_file_left()
    eventlet.sleep(0.05)
    assert (handled, acceptor.dead) == ([], False)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with eventlet.Timeout(SECONDS):
        while not handled:
            eventlet.sleep(0)

    acceptor.kill(eventlet.StopServe())
    client.close()
