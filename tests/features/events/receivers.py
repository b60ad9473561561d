"""A receiver of webhooks that verifies what it gets with the independent `standardwebhooks`."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook

from tests.concurrency import eventually

Answer = tuple[int, dict[str, str]]


class Receiver:
    """What was received, and how it is answered."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.signatures: list[str] = []
        self.answer: Callable[[dict[str, Any]], Answer] = lambda body: (204, {})
        self.connections = 0
        self._mutex = threading.Lock()

    def take(self, headers: dict[str, str], raw: bytes) -> Answer:
        """Verify and note an event."""
        for secret in self.secrets:
            Webhook(secret).verify(raw, headers)
        body = json.loads(raw)
        assert len(raw) <= 20_000
        answer = self.answer(body)
        with self._mutex:
            self.bodies.append(body)
            self.ids.append(headers["webhook-id"])
            self.signatures.append(headers["webhook-signature"])
        return answer

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Return the bodies, once there are so many."""
        assert eventually(lambda: len(self.bodies) >= count), self.bodies
        return self.bodies

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def types(self) -> list[str]:
        return [body["type"] for body in self.bodies]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver on this machine. Afterwards, nothing answers at its address."""
    receiver = Receiver()
    sockets: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            receiver.connections += 1
            sockets.append(self.request)
            super().setup()

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = receiver.take({name.lower(): value for name, value in self.headers.items()}, raw)
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
