"""Changes to how gunicorn reads requests and writes answers.

The server does not wait for a client that sends half a request, which gets an envelope at most, nor for one that does
not read its answer. All code that depends on the inside of gunicorn's HTTP is here. The clock of a connection runs only
while the server waits for the client: from the first byte of a request (on a new connection, from the start) to the
last byte of its body. `keepalive` limits how long a connection may be idle between two requests.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

import eventlet
from eventlet.greenio import GreenSocket
from gunicorn import util
from gunicorn.http import parser, wsgi
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import (
    InvalidChunkExtension,
    InvalidHeader,
    InvalidRequestLine,
    LimitRequestHeaders,
    NoMoreData,
    ParseException,
)
from gunicorn.http.unreader import SocketUnreader
from gunicorn.http.wsgi import Response
from werkzeug.exceptions import ClientDisconnected

from chatsupport.observability import metrics
from chatsupport.realtime import Answer
from chatsupport.realtime.connections import connections

REQUEST_SECONDS = 10.0
"""The longest time a client may take to send one request, including its body."""
SEND_BYTES_PER_SECOND = 16 * 1024
"""The slowest rate at which a client may read, in addition to the time for any answer."""
UPLOAD_READ_BYTES = 64 * 1024
MAX_DISCARDED_BYTES = 1024 * 1024
"""How much of an unread body is read to keep the connection; if there is more, the connection is closed."""

MAX_HEADERS_BYTES = 32 * 1024
"""The largest total length of a request's headers, as in nginx: long-polling keeps them while it waits."""
MAX_KNOWN, MAX_KNOWN_BYTES = 1024, 2048
"""How many requests' headers are remembered, and how long they may be."""
MAX_CHUNK_LINE_BYTES = 4096
"""The longest line before a chunk: its size and its extensions."""

_HOST = re.compile(r"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{0,5})?")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def install(
    settings: Any,
    send_timeout: float,
    refuse: Callable[[int, str], Answer],
    known_headers: Iterable[tuple[str, str]] = (),
) -> None:
    """Let gunicorn's workers in this process read, refuse and answer requests in this way.

    `settings` is gunicorn's configuration, which does not change any more. `refuse` makes the answer to what cannot be
    read as a request, of gunicorn's status and its reason. `known_headers` are in nearly all answers, and are valid.
    """
    # Gunicorn looks 24 settings up for each request, by `__getattr__`, which is not asked for what is there already.
    vars(settings).update({name: setting.get() for name, setting in settings.settings.items()})
    parser.SocketUnreader = PatientUnreader
    parser.RequestParser.__next__ = _next_request
    parser.RequestParser.next = _next_request
    parser.RequestParser.finish_body = _finish_body
    ChunkedReader.parse_chunk_size = _in_whole_lines(ChunkedReader.parse_chunk_size)
    util.write_error = functools.partial(_write_error, refuse)
    util.write = _at_once(_in_time(util.write, send_timeout))
    util.write_chunk = _in_time(util.write_chunk, send_timeout)
    util.http_date = _date
    Response.default_headers = _default_headers
    parser.RequestParser.mesg_class.parse_headers = _once(parser.RequestParser.mesg_class.parse_headers)
    Response.write = _together(Response.write)
    Response.process_headers = _without_known(Response.process_headers, frozenset(known_headers))
    wsgi.WSGIErrorsWrapper = functools.cache(wsgi.WSGIErrorsWrapper)
    # Gunicorn asks for it for each request, and a missing variable costs as much as five that are there.
    os.environ.setdefault("SCRIPT_NAME", "")


class PatientUnreader(SocketUnreader):
    """Reads from a client's socket while there is time left for its request; afterwards it is as if the client had
    closed the connection.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._left = REQUEST_SECONDS
        self._idle = False
        self._is_over = False
        # Of an upload only: the time that is left for all of it, and the slowest rate.
        self._left_in_all = 0.0
        self._bytes_per_second = 0

    def begin(self, *, idle: bool) -> None:
        """Expect a request: now or, with `idle`, from its first byte on."""
        self._left = REQUEST_SECONDS
        self._bytes_per_second = 0
        self._idle = idle and not self.buf.getbuffer().nbytes

    def expect_upload(self, seconds: float, bytes_per_second: int) -> None:
        """Give the body `seconds` in all. After the usual time, it must have come at this rate on the average."""
        self._left = REQUEST_SECONDS
        self._left_in_all = seconds
        self._bytes_per_second = bytes_per_second
        self.mxchunk = UPLOAD_READ_BYTES

    def chunk(self) -> bytes:
        """Return the arrived bytes; none at the end or after the time is over."""
        if self._is_over:
            return b""
        if self._idle:
            first = connections.read_next(self.sock, self.mxchunk)
            self._idle = False
            return first
        started = time.monotonic()
        data: bytes = b""
        # Without an exception: it would leave this block where the socket waits.
        with eventlet.Timeout(max(self._left, 0.001), False):
            data = self.sock.recv(self.mxchunk)
        waited = time.monotonic() - started
        self._left -= waited
        if self._bytes_per_second:
            self._left_in_all -= waited
            self._left = min(self._left + len(data) / self._bytes_per_second, self._left_in_all)
        self._is_over = not data or self._left <= 0
        return data


class Body:
    """A request's body as the application reads it. A broken body is the client's error, not the server's.

    It is then unknown where the next request begins, so the connection ends with the answer.
    """

    def __init__(self, request: Any) -> None:
        self._request = request
        self._body = request.body
        self._read: Callable[[int | None], bytes] = self._body.read
        self._missing: int = getattr(self._body.reader, "length", 0)

    def read(self, size: int | None = None) -> bytes:
        """Read on. Raises `ClientDisconnected`, which is a bad request."""
        return self._checked(self._read, size)

    def expect_upload(self, seconds: float, bytes_per_second: int) -> None:
        """Prepare for a large body, before anything of it is read: see `PatientUnreader.expect_upload`.

        It is then read in the pieces that the application asks for. Gunicorn would join pieces of 1 KiB.
        """
        self._read = self._body.reader.read
        self._request.unreader.expect_upload(seconds, bytes_per_second)

    def readline(self, size: int | None = None) -> bytes:
        """Read a line. Raises `ClientDisconnected`."""
        return self._checked(self._body.readline, size)

    def __iter__(self) -> Iterator[bytes]:
        """Read line by line."""
        return iter(self.readline, b"")

    def _checked(self, read: Callable[[int | None], bytes], size: int | None) -> bytes:
        try:
            data = read(size)
        except (ParseException, OSError):
            self._request.force_close()
            raise ClientDisconnected from None
        self._missing -= len(data)
        if not data and size != 0 and self._missing > 0:
            self._request.force_close()
            raise ClientDisconnected  # Fewer bytes than Content-Length said.
        return data


def _next_request(self: Any) -> Any:
    """Read the next request of a connection; gunicorn's own `__next__`, with a clock."""
    if self.mesg and self.mesg.should_close():
        raise StopIteration
    self.finish_body()
    self.mesg = None  # An idle connection would keep these.
    self.unreader.begin(idle=self.req_count > 0)
    self.req_count += 1
    self.mesg = self.mesg_class(self.cfg, self.unreader, self.source_addr, self.req_count)
    if not self.mesg:
        raise StopIteration
    _require_one_target(self.mesg)
    self.mesg.body = Body(self.mesg)
    return self.mesg


def _require_one_target(request: Any) -> None:
    """Refuse a request if a proxy could see another host or path in it than we do. Raises `ParseException`."""
    hosts = [value for name, value in request.headers if name == "HOST"]
    if len(hosts) > 1 or (not hosts and request.version >= (1, 1)) or not all(map(_HOST.fullmatch, hosts)):
        raise InvalidHeader("HOST")
    if request.uri.startswith("/") or request.uri == "*":
        return
    target = urlsplit(request.uri)
    if target.scheme.lower() not in ("http", "https") or [target.netloc.lower()] != [host.lower() for host in hosts]:
        raise InvalidRequestLine(request.uri)


def _once(parse: Callable[..., list[tuple[str, str]]]) -> Callable[..., list[tuple[str, str]]]:
    """Return gunicorn's function that reads headers, with our checks. Those that a client repeats are read once."""
    known: dict[bytes, tuple[tuple[str, str], ...]] = {}

    def parse_once(self: Any, data: bytes, from_trailer: bool = False) -> list[tuple[str, str]]:
        if from_trailer:
            return parse(self, data, from_trailer)
        if data not in known:
            headers = parse(self, data)
            text = "".join(itertools.chain.from_iterable(headers))
            if len(text) > MAX_HEADERS_BYTES:
                raise LimitRequestHeaders("all headers together")
            if _CONTROL.search(text):
                # Gunicorn treats a vertical tab as a space. A proxy that does not would see another body than we do.
                raise InvalidHeader("a control character")
            if len(data) > MAX_KNOWN_BYTES or any(name in ("EXPECT", "UPGRADE") for name, _ in headers):
                return headers
            if len(known) >= MAX_KNOWN:
                known.clear()
            known[data] = tuple(headers)
        return list(known[data])

    return parse_once


def _in_whole_lines(parse_chunk_size: Callable[..., Any]) -> Callable[..., Any]:
    """Return gunicorn's reader of a chunk's size, given lines that are whole, not too long, and end with CR LF only.

    A proxy that treats a bare LF as the end of that line would see other chunks than we do.
    """

    def parse(self: Any, unreader: Any, data: bytes | None = None) -> Any:
        read = data or b""
        while b"\r\n" not in read and len(read) <= MAX_CHUNK_LINE_BYTES:
            more = unreader.read()
            if not more:
                raise NoMoreData
            read += more
        line = read.partition(b"\r\n")[0]
        if b"\n" in line or len(line) > MAX_CHUNK_LINE_BYTES:
            raise InvalidChunkExtension("bare LF, or too long")
        return parse_chunk_size(self, unreader, data=read)

    return parse


def _finish_body(self: Any) -> None:
    """Read the rest of the last request's body. End the connection if it is broken or too long."""
    discarded = 0
    try:
        while self.mesg and (data := self.mesg.body.read(8192)):
            discarded += len(data)
            if discarded > MAX_DISCARDED_BYTES:
                raise StopIteration
    except ClientDisconnected:
        raise StopIteration from None


def _write_error(refuse: Callable[[int, str], Answer], sock: Any, status: int, reason: str, _: str) -> None:
    """Refuse an unreadable request, and repeat nothing of it."""
    status_line, headers, body = refuse(status, reason)
    lines = [f"HTTP/1.1 {status_line}", *(f"{name}: {value}" for name, value in headers)]
    util.write_nonblock(sock, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


def _in_time(write: Callable[..., None], send_timeout: float) -> Callable[..., None]:
    """Return gunicorn's function to write a part of an answer, with a clock; at its end the connection is cut."""

    def write_in_time(sock: Any, data: Any, *options: Any) -> None:
        written = False
        with eventlet.Timeout(send_timeout + len(data) / SEND_BYTES_PER_SECOND, False):
            write(sock, data, *options)
            written = True
        if not written:
            metrics.DROPPED.add()
            # What the kernel still holds for this client is dropped with the connection.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise BrokenPipeError(errno.EPIPE, "The client does not read its answer.")

    return write_in_time


def _at_once(write: Callable[..., None]) -> Callable[..., None]:
    """Return the function to write a part of an answer, that sets no clock for what the kernel takes at once."""

    def write_at_once(sock: Any, data: Any, *options: Any) -> None:
        if not options and isinstance(sock, GreenSocket):  # By TLS, it is none.
            try:
                data = data[sock.fd.send(data) :]
            except BlockingIOError:
                write(sock, data)
                return
        if data:
            write(sock, data, *options)

    return write_at_once


def _date() -> str:
    return _date_at(int(time.time()))


@functools.lru_cache(maxsize=1)
def _date_at(second: int) -> str:
    return formatdate(second, usegmt=True)


def _together(write: Callable[..., None]) -> Callable[..., None]:
    """Return gunicorn's function to write a part of an answer, that sends a whole answer with its headers at once."""

    def write_together(self: Any, data: bytes) -> None:
        if self.headers_sent or self.response_length != len(data):
            write(self, data)
            return
        self.headers_sent = True
        self.sent = len(data)
        lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
        util.write(self.sock, "".join(lines).encode("latin-1") + data)

    return write_together


def _without_known(process: Callable[..., None], known: frozenset[tuple[str, str]]) -> Callable[..., None]:
    """Return gunicorn's function that checks the headers of an answer and adds them, that only adds those it knows."""

    def process_others(self: Any, headers: list[tuple[str, str]]) -> None:
        kinds: tuple[list[tuple[str, str]], list[tuple[str, str]]] = [], []
        for header in headers:
            kinds[header in known].append(header)
        process(self, kinds[False])
        self.headers += kinds[True]

    return process_others


def _default_headers(self: Any) -> list[str]:
    """Return the first lines of an answer; gunicorn's own function, without the server's name."""
    connection = "upgrade" if self.upgrade else "close" if self.should_close() else "keep-alive"
    major, minor = self.req.version
    encoding = "Transfer-Encoding: chunked\r\n" if self.chunked else ""
    return [f"HTTP/{major}.{minor} {self.status}\r\nDate: {util.http_date()}\r\nConnection: {connection}\r\n{encoding}"]
