"""`python -m bench.receiver PORT CERTIFICATE KEY`: a receiver of webhooks that costs as little as possible.

It verifies nothing, answers at once, and counts. `GET /` answers with the figures.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from datetime import datetime

import orjson

from bench.stage import percentile

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Figures:
    """What was received."""

    def __init__(self) -> None:
        self.ids: set[bytes] = set()
        self.requests = self.connections = self.disordered = 0
        self.first = self.last = 0.0
        self._last_seqs: dict[str, int] = {}
        self._lags: list[float] = []

    def take(self, head: bytes, body: bytes) -> None:
        """Count an event."""
        at = head.index(b"webhook-id: ") + 12
        self.ids.add(head[at : head.index(b"\r", at)])
        self.requests += 1
        self.last = time.time()
        self.first = self.first or self.last
        event = orjson.loads(body)
        data, told_at = event["data"], datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))
        self._lags.append(self.last - told_at.timestamp())
        if "seq" in data:
            before = self._last_seqs.get(data["sessionId"], 0)
            self.disordered += data["seq"] < before
            self._last_seqs[data["sessionId"]] = data["seq"]

    def shown(self) -> bytes:
        """Return the figures as JSON; times in seconds."""
        lags = sorted(self._lags)
        return orjson.dumps(
            {
                "events": len(self.ids),
                "requests": self.requests,
                "connections": self.connections,
                "disordered": self.disordered,
                "seconds": self.last - self.first,
                "cpu": time.process_time(),
                **({f"lag_p{share}": percentile(lags, share) for share in (50, 95)} if lags else {}),
            }
        )


figures = Figures()


class Connection(asyncio.Protocol):
    """One connection of the server."""

    def __init__(self) -> None:
        self._received = b""
        self._is_new = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, rest = self._received[:end], self._received[end + 4 :]
            if head.startswith(b"GET"):
                shown = figures.shown()
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(shown), shown))
                self._received = rest
                continue
            at = head.index(b"Content-Length: ") + 16
            length = int(head[at:].partition(b"\r")[0])
            if len(rest) < length:
                return
            self._transport.write(ANSWER)
            figures.take(head, rest[:length])
            figures.connections += self._is_new
            self._is_new = False
            self._received = rest[length:]


async def main() -> None:
    """Receive until killed."""
    port, certificate, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", int(port), ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
