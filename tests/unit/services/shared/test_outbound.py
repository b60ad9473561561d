"""Where this server may call: an address of somebody else's choice leads nowhere into this network."""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from chatsupport.services.shared import outbound
from chatsupport.services.shared.outbound import AddressRefusedError, Allowed, Line, Reach, Reply
from tests.e2e.tls import SelfSigned

PRODUCTION, DEVELOPMENT = Reach(is_production=True), Reach(is_production=False)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "localhost",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "192.168.1.1.",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[2001:db8::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
    ],
)
def test_what_is_not_public_is_refused_in_any_spelling(host: str) -> None:
    with pytest.raises(AddressRefusedError):
        outbound.check(f"https://{host}/a", PRODUCTION)


@pytest.mark.parametrize(
    "host", ["93.184.216.34", "[2606:2800:220:1::1]", "[64:ff9b::5db8:d822]", "93.184.216.34:8443"]
)
def test_what_is_public_is_taken(host: str) -> None:
    outbound.check(f"https://{host}/a?b=c", PRODUCTION)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///a",
        "//93.184.216.34/a",
        "http://93.184.216.34/a",
        "file:///etc/passwd",
        "https://user@93.184.216.34/",
        "https://93.184.216.34:0/",
        "https://93.184.216.34:99999/",
        "https://93.184.216.34/a b",
        "https://93.184.216.34/a\r\nHost: x",
        "https://93.184.216.34\\@127.0.0.1/",
        "https://93.184.216.34/#a",
        "https://[::1/",
        "https://" + "a" * 70 + ".example.com/",
        "https://a..example.com/",
        "https://93.184.216.34/\u00e9",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefusedError):
        outbound.check(url, PRODUCTION)


def test_a_name_any_of_whose_addresses_is_private_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, 1, 6, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)

    with pytest.raises(AddressRefusedError):
        outbound.check("https://push.example.com/", PRODUCTION)


@pytest.mark.parametrize("host", ["0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
def test_an_unusual_spelling_is_known_whatever_resolves_names(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(name: str, port: int, **_: Any) -> list[Any]:
        if not re.fullmatch(r"\d+\.\d+\.\d+\.\d+", name):
            raise socket.gaierror  # As that of eventlet does.
        return [(socket.AF_INET, 1, 6, "", (name, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(AddressRefusedError):
        outbound.check(f"https://{host}/", PRODUCTION)


def test_the_address_that_was_checked_is_the_one_that_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["93.184.216.34", "10.0.0.1"])
    connected: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", (next(answers), 443))])

    def connect(self: object, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(outbound._Stream, "connect", connect)
    with pytest.raises(ConnectionRefusedError):
        outbound.post("https://push.example.com/", b"", {}, PRODUCTION)
    assert connected == [("93.184.216.34", 443)]

    # The name leads elsewhere by now.
    with pytest.raises(AddressRefusedError):
        outbound.post("https://push.example.com/", b"", {}, PRODUCTION)


def test_only_outside_production_this_machine_is_called() -> None:
    for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"):
        outbound.check(f"http://{host}:8080/a", DEVELOPMENT)
    for host in ("10.0.0.1", "169.254.169.254", "[fd00:ec2::254]"):
        with pytest.raises(AddressRefusedError):
            outbound.check(f"http://{host}/a", DEVELOPMENT)


def test_an_answer_that_drips_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.5)
    with _dripping(b"HTTP/1.1 200 OK\r\n" + b"a" * 9000) as port, pytest.raises(TimeoutError):
        outbound.post(f"http://127.0.0.1:{port}/", b"x", {}, DEVELOPMENT)


@pytest.mark.parametrize("length", [b"Content-Length: 9000", b"Transfer-Encoding: chunked", b"Content-Length: -5"])
def test_a_status_counts_even_if_the_body_never_ends(length: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n"
    with _dripping(b"z" * 9000, at_once=head) as port:
        line = Line(f"http://127.0.0.1:{port}/", DEVELOPMENT, 0.3)
        assert line.post(b"x", {}).status == 200
        assert line._stream is None


def test_what_is_allowed_by_name_or_network_is_taken_and_nothing_else() -> None:
    networks = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8"))
    reach = Reach(is_production=True, also=Allowed(frozenset({"localhost"}), networks))

    for host in ("10.1.2.3", "[::ffff:10.1.2.3]", "0x0a010203", "[fd00::1]", "localhost", "LOCALHOST."):
        outbound.check(f"https://{host}/", reach)
    for host in ("10.2.0.1", "127.0.0.1", "[fe80::1]", "169.254.169.254"):
        with pytest.raises(AddressRefusedError):
            outbound.check(f"https://{host}/", reach)
    with pytest.raises(AddressRefusedError):
        outbound.check("http://localhost/", reach)


def test_calls_share_a_connection_until_the_other_side_closes_it() -> None:
    with _server(b"HTTP/1.1 204 No Content\r\n\r\n", keeps=2) as (port, connections):
        line = Line(f"http://127.0.0.1:{port}/", DEVELOPMENT, 5)
        assert [line.post(b"", {}).status for _ in range(4)] == [204] * 4
        line.close()
        assert len(connections) == 2


def test_only_the_beginning_of_a_long_answer_is_read() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 100_000
    with _server(long, keeps=1) as (port, connections):
        line = Line(f"http://127.0.0.1:{port}/", DEVELOPMENT, 5)
        assert line.post(b"", {}) == Reply(200, None)
        assert line._stream is None
        assert len(connections) == 1


@pytest.mark.parametrize(
    "before", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]
)
def test_what_comes_before_an_answer_is_not_taken_for_one(before: bytes) -> None:
    with _server(before * 2 + b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", keeps=9) as (port, connections):
        line = Line(f"http://127.0.0.1:{port}/", DEVELOPMENT, 5)
        assert [line.post(b"", {}).status for _ in range(3)] == [500] * 3
        line.close()
        assert len(connections) == 1


def test_what_comes_after_an_answer_is_not_taken_for_the_next() -> None:
    long = b"HTTP/1.1 204 No Content\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"
    with _server(long + long.replace(b"204", b"500"), keeps=9) as (port, _):
        line = Line(f"http://127.0.0.1:{port}/", DEVELOPMENT, 5)
        for _ in range(3):
            assert line.post(b"", {}).status == 204
            time.sleep(0.05)
        line.close()


@pytest.mark.parametrize(
    "endless", [b"HTTP/1.1 100 Continue\r\n\r\n", b"X: y\r\n", b"x", b"HTTP/1.1 103 Hints\r\nX: y\r\n\r\n"]
)
def test_an_endless_head_is_not_read_to_its_end(endless: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" * (endless[:1] != b"H") + endless * 200_000
    with _server(answer, keeps=1) as (port, _), pytest.raises(http.client.HTTPException):
        outbound.post(f"http://127.0.0.1:{port}/", b"", {}, DEVELOPMENT)


def test_a_change_of_the_protocol_is_no_answer() -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    with _server(answer, keeps=1) as (port, _), pytest.raises(http.client.BadStatusLine):
        outbound.post(f"http://127.0.0.1:{port}/", b"", {}, DEVELOPMENT)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], SelfSigned]]:
    """Gives TLS in front of a port. Its certificate for this machine's address is trusted."""
    ends: list[SelfSigned] = []

    def encrypt(port: int) -> SelfSigned:
        ends.append(SelfSigned(tmp_path, port))
        monkeypatch.setenv("SSL_CERT_FILE", str(ends[-1].certificate))
        outbound._tls.cache_clear()
        return ends[-1]

    yield encrypt
    outbound._tls.cache_clear()
    for one in ends:
        one.close()


def test_calls_share_an_encrypted_connection(trusted: Callable[[int], SelfSigned]) -> None:
    body = b"y" * 50_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + body
    with _server(answer, keeps=2) as (port, connections):
        line = Line(f"https://127.0.0.1:{trusted(port).port}/", DEVELOPMENT, 5)
        assert [line.post(b"x", {}).status for _ in range(4)] == [200] * 4
        line.close()
        assert len(connections) == 2


def test_a_certificate_of_another_host_or_a_stranger_is_refused(
    trusted: Callable[[int], SelfSigned], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _server(b"", keeps=1) as (port, connections):
        encrypted = trusted(port)
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            outbound.post(f"https://localhost:{encrypted.port}/", b"", {}, DEVELOPMENT)
        monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
        outbound._tls.cache_clear()
        with pytest.raises(ssl.SSLCertVerificationError, match=r"self.?signed"):
            outbound.post(f"https://127.0.0.1:{encrypted.port}/", b"", {}, DEVELOPMENT)
        assert not connections


def test_a_server_without_tls_is_not_called() -> None:
    with _server(b"HTTP/1.1 200 OK\r\n\r\n", keeps=1) as (port, _), pytest.raises(ssl.SSLError):
        outbound.post(f"https://127.0.0.1:{port}/", b"", {}, DEVELOPMENT)


def test_a_handshake_that_drips_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.5)
    # A record whose bytes come one by one.
    with _dripping(b"\x16\x03\x03\x40\x00" + b"\x02" * 9000) as port, pytest.raises(TimeoutError):
        outbound.post(f"https://127.0.0.1:{port}/", b"x", {}, DEVELOPMENT)


@contextmanager
def _server(answer: bytes, keeps: int) -> Iterator[tuple[int, list[socket.socket]]]:
    """Answer every call, and close a connection after so many."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            with connection, suppress(OSError):
                for _ in range(keeps):
                    if not connection.recv(65536):
                        break
                    connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], connections
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def _dripping(answer: bytes, at_once: bytes = b"") -> Iterator[int]:
    """Answer a call one byte at a time, after a part that comes at once."""
    over = threading.Event()

    def drip() -> None:
        with server.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(at_once)
            for byte in answer:
                if over.wait(0.02):
                    return
                try:
                    connection.sendall(bytes((byte,)))
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip)
        thread.start()
        yield server.getsockname()[1]
        over.set()
        thread.join()
