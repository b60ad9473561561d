"""Handle the Socket.IO packets of clients, in place of python-socketio's own method.

That one raises on most packets that are out of order, collects binary parts, and hides from handlers whether the client
wants an acknowledgement.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from engineio.packet import MESSAGE, Packet
from socketio import packet

from chatsupport import json_codec
from chatsupport.realtime import Hooks

MAX_ACK_ID_DIGITS = 18
MAX_REFUSALS = 5
"""After this many refused CONNECTs, an Engine.IO connection may not try again."""
_REFUSALS = "chatsupport.refusals"
"""The key of the number of refusals in the environment of an Engine.IO connection."""
_BINARY = "b"
_BINARY_EVENT = re.compile(r"5[0-9]{1,10}-([0-9]{0,18})(?=\[)", re.ASCII)


class Receiver:
    """Handles the packets of all connections of one server."""

    def __init__(self, server: Any, hooks: Hooks) -> None:
        self._server = server
        self._hooks = hooks

    def take(self, eio_sid: str, data: Any) -> None:
        """Handle an Engine.IO message.

        Packets that are not events of a connected client are counted, because an honest client sends few of them.
        """
        kind = data[:1] if type(data) is str else _BINARY
        if kind == "2" and self._take_event(eio_sid, data):
            return
        if kind in ("5", "6", _BINARY):
            self._refuse_binary(eio_sid, data)
        server = self._server
        eio_socket = server.eio.sockets.get(eio_sid)
        if eio_socket is not None and not eio_socket.take_stray():
            return
        if kind == "0":
            self._connect(eio_sid, data)
        elif kind == "1" and server.manager.sid_from_eio_sid(eio_sid, "/") is not None:
            server._handle_disconnect(eio_sid, "/", server.reason.CLIENT_DISCONNECT)

    def _take_event(self, eio_sid: str, data: str) -> bool:
        """Handle an event packet. False if no connected client can have sent it."""
        start = data.find("[")
        ack_id = data[1:start]
        if start == 1 or (ack_id.isascii() and ack_id.isdigit() and len(ack_id) <= MAX_ACK_ID_DIGITS):
            try:
                event = json_codec.loads(data[start:])
            except ValueError:
                event = None
            return self._handle(eio_sid, "/", int(ack_id) if ack_id else None, event)
        odd = self._decoded(data)
        return odd is not None and self._handle(eio_sid, odd.namespace or "/", odd.id, odd.data)

    def _connect(self, eio_sid: str, data: str) -> None:
        """Handle a CONNECT. A connection that was refused too often is closed."""
        server, wanted = self._server, self._decoded(data)
        environ = server.environ.get(eio_sid)
        if wanted is None or environ is None:
            return
        server._handle_connect(eio_sid, wanted.namespace, wanted.data)
        if wanted.namespace in (None, "/") and server.manager.sid_from_eio_sid(eio_sid, "/") is None:
            environ[_REFUSALS] = environ.get(_REFUSALS, 0) + 1
            if environ[_REFUSALS] > MAX_REFUSALS:
                server.eio.disconnect(eio_sid)

    def _decoded(self, data: str) -> Any:
        """Return a Socket.IO packet, or None if the text is not one."""
        try:
            return self._server.packet_class(encoded_packet=data)
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            return None

    def _refuse_binary(self, eio_sid: str, data: Any) -> None:
        """Answer an event with binary parts, which we do not accept, like any event whose payload is not an object.

        The parts themselves follow as messages of their own. python-socketio would collect up to a billion of them.
        """
        match = _BINARY_EVENT.match(data) if type(data) is str else None
        if match is None:
            return
        try:
            event = json_codec.loads(data[match.end() :])
        except ValueError:
            event = None
        name = event[0] if isinstance(event, list) and event else None
        self._handle(eio_sid, "/", int(match[1]) if match[1] else None, [name, "binary"])

    def _handle(self, eio_sid: str, namespace: str, ack_id: int | None, data: Any) -> bool:
        """Hand an event to the layer above. False if no client is connected."""
        server = self._server
        sid = server.manager.sid_from_eio_sid(eio_sid, namespace)
        if sid is None or not server.manager.is_connected(sid, namespace):
            return False
        name, arguments = (data[0], data[1:]) if isinstance(data, list) and data else (None, [])
        acknowledge = None
        if ack_id is not None:
            acknowledge = functools.partial(self._acknowledge, eio_sid, sid, namespace, ack_id)
        eio_socket = server.eio.sockets.get(eio_sid)
        is_behind = eio_socket is not None and not eio_socket.queue.empty()
        self._hooks.event(sid, name, arguments, acknowledge, is_behind=is_behind)
        return True

    def _acknowledge(self, eio_sid: str, sid: str, namespace: str, ack_id: int, envelope: dict[str, Any]) -> int:
        """Call the client's callback, if the client is still connected. Returns the number of bytes."""
        if not self._server.manager.is_connected(sid, namespace):
            return 0
        where = "" if namespace == "/" else f"{namespace},"
        acknowledgement = f"{packet.ACK}{where}{ack_id}{json_codec.dumps([envelope])}"
        self._server._send_eio_packet(eio_sid, Packet(MESSAGE, acknowledgement))
        return len(acknowledgement) if acknowledgement.isascii() else len(acknowledgement.encode())
