"""Headers that a client repeats are read once, and judged as the first time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidHeader, LimitRequestHeaders, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from chatsupport.realtime import http_requests

HOST = b"Host: x\r\n"


@pytest.fixture
def read() -> list[bytes]:
    """The headers that gunicorn has read."""
    return []


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch, read: list[bytes]) -> Callable[..., Any]:
    parse_headers = Request.parse_headers

    def note(self: Any, data: bytes, from_trailer: bool = False) -> Any:
        read.append(data)
        return parse_headers(self, data, from_trailer)

    monkeypatch.setattr(Request, "parse_headers", http_requests._once(note))

    def parse(headers: bytes, version: bytes = b"1.1", target: bytes = b"/") -> Any:
        request = b"GET " + target + b" HTTP/" + version + b"\r\n" + headers + b"\r\n"
        return Request(Config(), IterUnreader(iter([request])), ("127.0.0.1", 1))

    return parse


def test_the_same_headers_are_read_once(parse: Callable[..., Any], read: list[bytes]) -> None:
    first = parse(HOST + b"A: b\r\n")
    first.headers.append(("C", "d"))
    assert [parse(HOST + b"A: b\r\n", target=target).headers for target in (b"/1", b"/2")] == [
        [("HOST", "x"), ("A", "b")]
    ] * 2
    assert parse(HOST + b"A: c\r\n").headers == [("HOST", "x"), ("A", "c")]
    assert len(read) == 2


def test_an_expectation_is_answered_each_time(parse: Callable[..., Any]) -> None:
    """HTTP/1.0 does not know it, so the same headers may mean another thing."""
    expecting = HOST + b"Expect: 100-continue\r\n"
    seen = [parse(expecting, version)._expected_100_continue for version in (b"1.0", b"1.1", b"1.1")]
    assert seen == [False, True, True]


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        (HOST + b"A: b\x0bc\r\n", InvalidHeader),
        (HOST + b"A b: c\r\n", ParseException),
        (HOST + b"".join(b"A%d: %s\r\n" % (number, b"b" * 8000) for number in range(5)), LimitRequestHeaders),
    ],
)
def test_bad_headers_are_refused_each_time(parse: Callable[..., Any], headers: bytes, error: type[Exception]) -> None:
    for _ in range(2):
        with pytest.raises(error):
            parse(headers)


def test_only_so_many_are_remembered(
    parse: Callable[..., Any], read: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_requests, "MAX_KNOWN", 2)
    for name in (b"1", b"2", b"3", b"3", b"1"):
        parse(HOST + name + b": a\r\n")
    long = HOST + b"A: " + b"b" * http_requests.MAX_KNOWN_BYTES + b"\r\n"
    upgrade = HOST + b"Upgrade: websocket\r\n"
    for headers in (long, long, upgrade, upgrade):
        parse(headers)
    assert len(read) == 4 + 4
