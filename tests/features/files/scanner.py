"""A scanner that speaks clamd's INSTREAM."""

from __future__ import annotations

import socketserver
import struct
import threading
from pathlib import Path
from typing import Any

VIRUS = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$TEST"


class _Handler(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        if self.server.said is not None:
            self.wfile.write(self.server.said)
            return
        if self.rfile.read(10) != b"zINSTREAM\0":
            return
        content = b""
        while length := struct.unpack(">I", self.rfile.read(4))[0]:
            content += self.rfile.read(length)
        self.server.scanned.append(content)
        self.wfile.write(b"stream: Eicar-Test FOUND\0" if VIRUS in content else b"stream: OK\0")


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class Scanner:
    """A scanner at a TCP port of this machine, or at a socket's path. `said` replaces its answer to everything."""

    def __init__(self, path: Path | None = None) -> None:
        self._server: Any = _Tcp(("127.0.0.1", 0), _Handler) if path is None else _Unix(str(path), _Handler)
        self._server.scanned, self._server.said = [], None
        self.url = f"unix://{path}" if path is not None else f"tcp://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def scanned(self) -> list[bytes]:
        scanned: list[bytes] = self._server.scanned
        return scanned

    def always_say(self, answer: bytes | None) -> None:
        self._server.said = answer

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
