"""Calls to addresses that others have chosen, such as those of push services and webhooks.

Such an address must not lead into this network. It is checked when it is given and again for each connection: the name
is resolved again, and the connection goes to the checked address. Redirects are not followed.
A call takes a bounded time, whatever the other side does. It blocks, so it belongs in a native thread
(`native_threads.call_out`). Sockets are therefore those of the interpreter: eventlet's would run an event loop in each
of these threads.
"""

from __future__ import annotations

import _socket
import functools
import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

MAX_URL, SECONDS = 2000, 10.0
MOST_READ = 64 * 1024
"""How much is read of the body of an answer."""
MOST_RECEIVED = 2 * MOST_READ
"""How much is received for one answer, with its head and whatever comes before that."""
SWITCHING_PROTOCOLS = 101

_CHARACTERS = re.compile(r"[!-\[\]_a-z~]{1,2000}")
_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_TRANSLATED = (ipaddress.ip_network("2001::/23"), ipaddress.ip_network("2002::/16"))
"""Teredo, 6to4 and the like. Each contains another address."""
_NOT_FOR_US = (
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's metadata service, although the address is public.
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("2001:db8::/32"),
    ipaddress.ip_network("3fff::/20"),
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolved = tuple[int, Any]
"""The family of an address, and the address in the form for `socket.connect`."""


class AddressRefusedError(ValueError):
    """This server must not call this address. The text completes "<field> …"."""


@dataclass(frozen=True)
class Allowed:
    """Hosts and networks that may be called although they are not public."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True)
class Reach:
    """The allowed addresses: public ones (in production by https), outside production this machine, and `also`."""

    is_production: bool
    also: Allowed = field(default_factory=Allowed)


@dataclass(frozen=True)
class Reply:
    """The answer to a call, as far as anybody needs it."""

    status: int
    retry_after: str | None


def check(url: str, reach: Reach) -> None:
    """Raise `AddressRefusedError` for an address that must not be called. An unresolvable name is accepted."""
    parts = _read(url, reach)
    try:
        _resolve(parts, reach)
    except OSError:
        return


def host_of(url: str) -> str:
    """Return the host and port of an address, for limits and logs. The rest may be a secret."""
    return urlsplit(url).netloc


def post(url: str, body: bytes, headers: Mapping[str, str], reach: Reach) -> int:
    """Make a call, and return the status of its answer. Raises `AddressRefusedError`, `OSError`, `HTTPException`."""
    line = Line(url, reach, SECONDS)
    try:
        return line.post(body, {"Connection": "close", **headers}).status
    finally:
        line.close()


class Line:
    """Calls to one address, one after the other, over one connection as long as both sides keep it."""

    def __init__(self, url: str, reach: Reach, seconds: float) -> None:
        self._parts = _read(url, reach)
        self._reach = reach
        self._seconds = seconds
        self._stream: _Stream | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Make a call. Raises `AddressRefusedError`, `OSError`, `HTTPException`.

        If the other side has closed the connection since the last call, the call is made over a new one.
        """
        ends_at = time.monotonic() + self._seconds
        if self._stream is not None and not self._stream.is_silent():
            self.close()
        if self._stream is not None:
            self._stream.ends_at = ends_at
            try:
                return self._post(self._stream, body, headers)
            except (ConnectionError, http.client.RemoteDisconnected):
                self.close()
            except BaseException:
                self.close()  # A late answer must not be taken for that of the next call.
                raise
        self._stream = _connect(self._parts, _resolve(self._parts, self._reach), ends_at)
        try:
            return self._post(self._stream, body, headers)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _post(self, stream: _Stream, body: bytes, headers: Mapping[str, str]) -> Reply:
        parts = self._parts
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {"Host": parts.netloc, "Accept-Encoding": "identity", "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        stream.sendall(f"POST {target} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body)
        response = _answer(stream)
        try:
            response.read(MOST_READ)
        except (OSError, http.client.HTTPException):
            self.close()  # The status is known all the same.
        # The rest of a long answer is not read, so its connection cannot be used again.
        if response.will_close or not response.isclosed():
            self.close()
        return Reply(response.status, response.getheader("Retry-After"))


def _answer(stream: _Stream) -> http.client.HTTPResponse:
    """Return the answer to a call, without what may come before it, such as 103 Early Hints."""
    received = _Received(stream)
    while True:
        response = http.client.HTTPResponse(received, method="POST")  # type: ignore[arg-type]
        response.begin()
        if response.status >= http.client.OK:
            return response
        if response.status == SWITCHING_PROTOCOLS:
            raise http.client.BadStatusLine("the other side speaks another protocol from now on")


def is_public(address: Address) -> bool:
    """Tell whether an address is on the public internet, in any spelling."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _held_by(address)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST or any(address in network for network in _TRANSLATED):
            return False
    is_special = address.is_multicast or address.is_reserved or not address.is_global
    return not is_special and not any(address in network for network in _NOT_FOR_US)


def _held_by(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address contains."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _read(url: str, reach: Reach) -> SplitResult:
    schemes = ("https",) if reach.is_production else ("https", "http")
    try:
        parts = urlsplit(url)
        is_good = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc and not parts.fragment
    except ValueError:
        is_good = False
    if not is_good or parts.scheme not in schemes or not _CHARACTERS.fullmatch(url):
        raise AddressRefusedError(f"must be an {' or '.join(schemes)} address, without a user name or a password.")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _resolve(parts: SplitResult, reach: Reach) -> list[Resolved]:
    """Resolve a name now. Raises `AddressRefusedError` if any of its addresses must not be called, and `OSError`."""
    try:
        found = socket.getaddrinfo(_host(parts), _port(parts), type=socket.SOCK_STREAM)
    except UnicodeError:  # A label of the name is too long, or empty.
        raise AddressRefusedError("must be the address of a host.") from None
    if (parts.hostname or "").rstrip(".").lower() in reach.also.hosts:
        return [(family, address) for family, *_, address in found]
    for *_, address in found:
        if not _may_be_called(ipaddress.ip_address(str(address[0]).partition("%")[0]), reach):
            raise AddressRefusedError("must lead to a public address.")
    return [(family, address) for family, *_, address in found]


def _host(parts: SplitResult) -> str:
    """Return a name, or an IPv4 address in its usual spelling: not every resolver knows 127.1 or 0x7f000001."""
    host = parts.hostname or ""
    try:
        return str(ipaddress.IPv4Address(socket.inet_aton(host.rstrip("."))))
    except (OSError, UnicodeError):
        return host


def _may_be_called(address: Address, reach: Reach) -> bool:
    plain = (_held_by(address) if isinstance(address, ipaddress.IPv6Address) else None) or address
    if any(plain in network for network in reach.also.networks):
        return True
    return (not reach.is_production and plain.is_loopback) or is_public(address)


def _connect(parts: SplitResult, resolved: list[Resolved], ends_at: float) -> _Stream:
    failure: OSError = OSError("the name has no address")
    for family, address in resolved:
        stream = _Stream(_socket.socket(family, socket.SOCK_STREAM), ends_at)
        try:
            stream.connect(address)
            if parts.scheme == "https":
                stream.encrypt(parts.hostname or "")
            return stream
        except OSError as error:
            stream.close()
            failure = error
    raise failure


@functools.lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Return what all connections use. To read the certificates of the authorities takes many milliseconds."""
    return ssl.create_default_context()


class _Stream:
    """A connection with a deadline, which slow answers of single bytes do not prolong."""

    def __init__(self, sock: _socket.socket, ends_at: float) -> None:
        self._socket = sock
        self.ends_at = ends_at
        self._encrypted: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()

    def connect(self, address: Any) -> None:
        """Connect to a resolved address."""
        self._hurried().connect(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def encrypt(self, name: str) -> None:
        """Speak TLS with the host of this name from now on."""
        self._encrypted = _tls().wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._exchange(self._encrypted.do_handshake)

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        if self._encrypted is None:
            self._hurried().sendall(data)
        else:
            self._exchange(self._encrypted.write, data)

    def recv(self, size: int) -> bytes:
        """Return what has come, or nothing after the end."""
        if self._encrypted is None:
            return self._hurried().recv(size)
        try:
            received: bytes = self._exchange(self._encrypted.read, size)
            return received
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def is_silent(self) -> bool:
        """Tell whether nothing has come since the last answer: neither the end, nor what looks like the next one."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _exchange(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Take a step of TLS, and exchange with the other side what that needs."""
        while True:
            try:
                result = step(*arguments)
            except ssl.SSLWantReadError:
                self._send_encrypted()
                received = self._hurried().recv(MOST_READ)
                self._incoming.write(received) if received else self._incoming.write_eof()
            else:
                self._send_encrypted()
                return result

    def _send_encrypted(self) -> None:
        if self._outgoing.pending:
            self._hurried().sendall(self._outgoing.read())

    def _hurried(self) -> _socket.socket:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the other side took too long")
        self._socket.settimeout(left)
        return self._socket


class _Received(io.BufferedReader):
    """What comes for one call: its answer, and what may precede that. The end of an answer does not close it."""

    def __init__(self, stream: _Stream) -> None:
        super().__init__(_Limited(stream))

    def makefile(self, mode: str) -> io.BufferedReader:
        """Be read by a response, which expects a socket."""
        return self

    def close(self) -> None:
        """Stay open for the next response."""


class _Limited(io.RawIOBase):
    """The bytes of a connection, as many as one call may take."""

    def __init__(self, stream: _Stream) -> None:
        super().__init__()
        self._stream = stream
        self._left = MOST_RECEIVED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            raise http.client.LineTooLong("answer")
        received = self._stream.recv(len(buffer))
        self._left -= len(received)
        buffer[: len(received)] = received
        return len(received)
