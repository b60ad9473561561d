"""How many packets fit into one HTTP request of a long-polling client. Reaches into python-engineio."""

from __future__ import annotations

from typing import Any

from engineio.exceptions import QueueEmpty
from engineio.payload import Payload
from engineio.socket import Socket

MAX_POLLED_PACKETS = 16
"""What one answer brings. Python's client drops a connection whose answer brings more than its own limit of 16."""


def install(max_packet_bytes: int) -> None:
    """Set both limits, for this process."""
    # The JavaScript client packs whatever was emitted meanwhile into one POST, limited by bytes alone. With more than
    # python-engineio's default of 16 packets all of them would be lost; no event of ours is shorter than 64 bytes.
    Payload.max_decode_packets = max_packet_bytes // 64
    Socket.poll = _poll


def _poll(socket: Any) -> list[Any]:
    """Wait for packets to send, as python-engineio's own method does, but take no more than the limit."""
    empty = socket.server.get_queue_empty_exception()
    try:
        packets = [socket.queue.get(timeout=socket.server.ping_interval + socket.server.ping_timeout)]
    except empty:
        raise QueueEmpty from None
    socket.queue.task_done()
    if packets == [None]:
        return []
    while len(packets) < MAX_POLLED_PACKETS:
        try:
            packet = socket.queue.get(block=False)
        except empty:
            break
        socket.queue.task_done()
        if packet is None:
            socket.queue.put(None)
            break
        packets.append(packet)
    return packets
