"""A lightweight Engine.IO connection, without the waiting greenlets of python-engineio's own class.

python-engineio has three greenlets for each connection: one reads, one writes, and one sleeps until the next ping. Here
a reader exists only while bytes arrive (`websocket`). The sender of a packet writes it at once. Only if the peer does
not keep up, the packet is queued, and a writer runs until the queue is empty. One greenlet sends the pings of all
connections.

The queue is bounded: a client that stops reading is dropped, and costs the others nothing.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from typing import Any

import engineio.socket
from engineio import packet
from engineio.exceptions import ContentTooLongError, QueueEmpty, SocketIsClosedError, UnknownPacketError
from engineio.payload import Payload
from werkzeug.exceptions import ClientDisconnected

from chatsupport.extensions import settings
from chatsupport.observability import metrics
from chatsupport.realtime import Hooks
from chatsupport.realtime.websocket import ChatWebSocket, encode_frame

logger = logging.getLogger(__name__)

MAX_POLLED_PACKETS = 16
"""The most packets in one answer of long-polling. Python's client drops a connection after a larger answer."""
MAX_QUEUED_BYTES = 1024 * 1024
POLLED_LATELY_SECONDS, POLLING_FACTOR = 5.0, 8
"""For a client that has polled within so many seconds, so many times SEND_QUEUE_LIMIT packets may wait: it reads, but
an answer has few packets. Their bytes are limited too.
"""
_CONTROL_PACKETS = ("1", "3", "5")
UPGRADE_SECONDS = 10.0
CLOSE_SECONDS = 2.0
"""How long a peer may take to receive its last packets."""


def install(hooks: Hooks, max_packet_bytes: int) -> None:
    """Let python-engineio make connections of this class in this process."""
    engineio.socket.Socket = EngineSocket
    EngineSocket.hooks, EngineSocket.pinger = hooks, Pinger()
    # The JavaScript client packs whatever was emitted meanwhile into one POST, limited by bytes alone. With more than
    # python-engineio's default of 16 packets all of them would be lost; no event of ours is shorter than 64 bytes.
    Payload.max_decode_packets = max_packet_bytes // 64


class EngineSocket(engineio.socket.Socket):
    """One connection, by long-polling or websocket."""

    hooks: Hooks
    pinger: Pinger

    def __init__(self, server: Any, sid: str) -> None:
        super().__init__(server, sid)
        self.connected: bool
        # The moment of the last ping that was not answered yet, by the monotonic clock, which cannot be set.
        self.last_ping: float | None = time.monotonic()
        self._websocket: ChatWebSocket | None = None
        self._rest = b""
        self._writer_runs = False
        self._queued_bytes = 0
        self._polled_at = -math.inf
        self._dropped = False

    def check_ping_timeout(self) -> bool:
        """Tell whether the client is connected. Closes the connection if a ping has waited too long for its answer."""
        if self.closed:
            raise SocketIsClosedError
        if self.last_ping is not None and time.monotonic() - self.last_ping > self.server.ping_timeout:
            self.close(wait=False, reason=self.server.reason.PING_TIMEOUT)
            return False
        return True

    def send(self, pkt: Any) -> None:
        """Send a packet: now if nothing waits and the peer reads, or else after the waiting ones. Raises if closed."""
        if not self.check_ping_timeout():
            return
        ws = self._websocket
        if ws is None or self._writer_runs or not self.queue.empty() or not self._send_now(ws, pkt):
            self._enqueue(pkt)

    def take_stray(self) -> bool:
        """Count a packet that is not an event of an authenticated socket. After too many, close and return False."""
        if self.closed or self.closing:
            return False
        if self.hooks.may_stray(self.sid):
            return True
        self._abort()
        return False

    def receive(self, pkt: Any) -> None:
        """Handle a packet from the client."""
        if pkt.packet_type != packet.MESSAGE and not self.take_stray():
            raise SocketIsClosedError
        super().receive(pkt)

    def handle_get_request(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a poll, or make the connection a websocket. Refuses a websocket without `Connection: upgrade`."""
        answer = super().handle_get_request(environ, start_response)
        if isinstance(answer, list) and not self.connected:
            return self.server._bad_request("Invalid websocket upgrade")
        return answer

    def handle_post_request(self, environ: dict[str, Any]) -> None:
        """Handle the packets of a POST. Raises `EngineIOError`, which ends the connection, for anything else."""
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            if length > self.server.max_http_buffer_size:
                raise ContentTooLongError
            packets = Payload(encoded_payload=environ["wsgi.input"].read(length).decode()).packets
        except (ClientDisconnected, LookupError, RecursionError, TypeError, ValueError) as error:
            raise UnknownPacketError from error
        for pkt in packets:
            self.receive(pkt)

    def poll(self) -> list[Any]:
        """Wait for the packets of one answer of long-polling."""
        try:
            packets = [self.queue.get(timeout=self.server.ping_interval + self.server.ping_timeout)]
        except self.server.get_queue_empty_exception():
            raise QueueEmpty from None
        self._polled_at = time.monotonic()
        self._dequeued(packets[0])
        if packets == [None]:
            return []
        while len(packets) < MAX_POLLED_PACKETS and not self.queue.empty():
            waiting = self.queue.get(block=False)
            self._dequeued(waiting)
            if waiting is None:
                self.queue.put(None)
                break
            packets.append(waiting)
        return packets

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """Run the disconnect handlers, and close the connection."""
        super().close(wait=False, abort=abort, reason=reason)
        if self._writer_runs:
            # The writer waits for a peer that may never read again.
            self.server.start_background_task(self._abort_later)
        self._start_writer()

    def schedule_ping(self) -> None:
        """Send the next ping when it is due, if the last one was answered."""
        if self.last_ping:
            self.last_ping = None
            self.pinger.schedule(self)

    def ping(self) -> None:
        """Send a ping now."""
        if not self.closing and not self.closed:
            self.last_ping = time.monotonic()
            self.send(packet.Packet(packet.PING))

    def _send_now(self, ws: ChatWebSocket, pkt: Any) -> bool:
        """Write the packet without waiting. If only a part was written, leave the rest to the writer."""
        frame = _frame_of(pkt)
        try:
            sent = ws.try_send(frame)
        except OSError:
            return True  # The connection is broken; the reader is about to notice.
        if sent == len(frame):
            return True
        if not sent:
            return False
        self._rest = frame[sent:]
        self._start_writer()
        return True

    def _enqueue(self, pkt: Any) -> None:
        size = len(pkt.encode())
        polls = time.monotonic() - self._polled_at < POLLED_LATELY_SECONDS
        limit = settings.config.send_queue_limit * (POLLING_FACTOR if polls else 1)
        if self.queue.qsize() >= limit or self._queued_bytes >= MAX_QUEUED_BYTES:
            self._drop()
            return
        self._queued_bytes += size
        self.queue.put(pkt)
        self._start_writer()

    def _dequeued(self, pkt: Any) -> None:
        self.queue.task_done()
        if pkt is not None:
            self._queued_bytes -= len(pkt.encode())

    def _drop(self) -> None:
        """Drop a client that does not read. Its disconnect handlers run in their own greenlet."""
        if self._dropped:
            return
        self._dropped = True
        metrics.DROPPED.add()
        logger.warning("Disconnected a client that does not read", extra={"event": "slow_reader"})
        self.server.start_background_task(self._abort)

    def _abort(self) -> None:
        self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_ERROR)
        if self._websocket is not None:
            self._websocket.abort()

    def _abort_later(self) -> None:
        ws = self._websocket
        self.server.sleep(CLOSE_SECONDS)
        if ws is not None:
            ws.abort()

    def _start_writer(self) -> None:
        if self._websocket is not None and not self._writer_runs and (self._rest or not self.queue.empty()):
            self._writer_runs = True
            self.server.start_background_task(self._write, self._websocket)

    def _write(self, ws: ChatWebSocket) -> None:
        """Write the queued packets in order until the queue is empty."""
        try:
            if self._rest:
                rest, self._rest = self._rest, b""
                ws.write(rest)
            while not self.queue.empty():
                pkt = self.queue.get(block=False)
                self._dequeued(pkt)
                if pkt is None:
                    ws.hang_up()
                    return
                ws.write(_frame_of(pkt))
        except OSError:
            ws.abort()
        finally:
            self._writer_runs = False

    def _websocket_handler(self, ws: ChatWebSocket) -> None:
        """Serve the connection from now on, until either side closes it."""
        if not self.connected:
            self.connected = self.upgraded = True
        elif not self._upgrade(ws):
            ws.say_goodbye()
            return
        # A missing pong shows that the peer is gone; there is no timer for every read.
        ws.socket.settimeout(None)
        self._websocket = ws
        ws.on_odd_frame, ws.pong = self.take_stray, self._send_frame
        self._start_writer()
        ws.listen(self._take, self._gone)

    def _upgrade(self, ws: ChatWebSocket) -> bool:
        """Take over from long-polling after the protocol's probe. False if the client did not continue."""
        ws.socket.settimeout(UPGRADE_SECONDS)
        deadline = time.monotonic() + UPGRADE_SECONDS

        def check_time() -> None:
            # Each frame may come in time, and yet the frames may never end.
            if time.monotonic() > deadline:
                raise TimeoutError

        ws.on_odd_frame = check_time
        try:
            if ws.wait() != "2probe":
                return False
            # From here on, polls are answered at once. A client whose websocket delivers nothing would poll on and on.
            self.upgrading = True
            ws.send("3probe")
            self.queue.put(packet.Packet(packet.NOOP))  # Ends the waiting poll.
            self._queued_bytes += 1
            self.upgraded = ws.wait() == "5"
            return bool(self.upgraded)
        except OSError:
            return False
        finally:
            self.upgrading = False

    def _take(self, data: str | bytes) -> bool:
        """Handle one packet from the client. False if the connection is over."""
        try:
            # Like the packet class, but without trying to parse the text as JSON first.
            if data[:1] == "4":
                self.server._trigger_event("message", self.sid, data[1:], run_async=False)
            elif type(data) is bytes:
                self.server._trigger_event("message", self.sid, data, run_async=False)
            elif data[:1] in _CONTROL_PACKETS:
                self.receive(packet.Packet(int(data[0])))
            else:
                self.take_stray()  # Not a packet: it is ignored.
        except SocketIsClosedError:
            return False
        except Exception:
            logger.exception("A packet could not be processed")
            return False
        return not self.closed

    def _send_frame(self, frame: bytes) -> None:
        """Send a control frame of the websocket, after the waiting packets."""
        if not self.closed:
            pkt = packet.Packet(packet.NOOP)
            pkt.frame = frame
            self.send(pkt)

    def _gone(self) -> None:
        self._websocket = None
        self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_CLOSE)


def _frame_of(pkt: Any) -> bytes:
    """Return the packet as a websocket frame, which is made once for all receivers."""
    frame: bytes | None = getattr(pkt, "frame", None)
    if frame is None:
        frame = pkt.frame = encode_frame(pkt.encode())
    return frame


class Pinger:
    """Sends the pings of all connections. All wait equally long, so the first one scheduled is due first."""

    def __init__(self) -> None:
        self._due: deque[tuple[float, EngineSocket]] = deque()
        self._runs = False

    def schedule(self, connection: EngineSocket) -> None:
        """Ping the connection after the ping interval."""
        server = connection.server
        self._due.append((time.monotonic() + server.ping_interval, connection))
        if not self._runs:
            self._runs = True
            server.start_background_task(self._run, server)

    def _run(self, server: Any) -> None:
        while self._due:
            due, connection = self._due[0]
            wait = due - time.monotonic()
            if wait > 0:
                # At least a moment, so that connections due together are pinged together.
                server.sleep(max(wait, 0.05))
                continue
            self._due.popleft()
            try:
                connection.ping()
            except SocketIsClosedError:
                pass
            except Exception:
                logger.exception("A ping could not be sent")
        self._runs = False
