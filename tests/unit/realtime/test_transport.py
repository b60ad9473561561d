"""The private places of python-socketio and python-engineio that realtime/transport.py and managers.py reach into.

When one of these fails after an upgrade, read the new release's source, adapt those two modules, then this file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import engineio
import pytest
import socketio
from engineio.payload import Payload
from socketio import packet

from chatsupport import json_codec


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


class Recorder:
    """A Socket.IO server whose private methods are replaced as ours are; it notes what they were called with."""

    def __init__(self) -> None:
        self.server = socketio.Server(async_mode="threading", async_handlers=False, json=json_codec)
        self.events: list[tuple[Any, ...]] = []
        self.sent: list[tuple[str, packet.Packet]] = []
        self.connects: list[tuple[Any, ...]] = []
        self.server.on("connect", lambda *arguments: self.connects.append(arguments))
        self.server._handle_event = lambda *arguments: self.events.append(arguments)
        self.server._send_packet = lambda *arguments: self.sent.append(arguments)
        self.server._handle_eio_connect("engine-id", {"REMOTE_ADDR": "192.0.2.1"})
        self.receive('0{"token":"x"}')

    def receive(self, text: str) -> None:
        self.server._handle_eio_message("engine-id", text)

    @property
    def sid(self) -> str:
        sid: str = self.server.manager.sid_from_eio_sid("engine-id", "/")
        return sid


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_the_private_methods_take_what_they_took() -> None:
    assert parameters(socketio.Server._handle_event) == ["self", "eio_sid", "namespace", "id", "data"]
    assert parameters(socketio.Server._send_packet) == ["self", "eio_sid", "pkt"]
    assert parameters(socketio.Manager.sid_from_eio_sid) == ["self", "eio_sid", "namespace"]
    assert parameters(socketio.Manager.is_connected) == ["self", "sid", "namespace"]
    assert parameters(socketio.Manager.emit)[:5] == ["self", "event", "data", "namespace", "room"]
    assert parameters(socketio.RedisManager._handle_emit) == ["self", "message"]
    assert parameters(socketio.RedisManager._publish) == ["self", "data"]
    assert parameters(socketio.Server.enter_room)[:3] == ["self", "sid", "room"]
    assert parameters(socketio.Server.leave_room)[:3] == ["self", "sid", "room"]
    assert parameters(socketio.Server._handle_connect) == ["self", "eio_sid", "namespace", "data"]
    assert parameters(socketio.Server._handle_disconnect) == ["self", "eio_sid", "namespace", "reason"]
    assert parameters(socketio.Server._handle_eio_disconnect) == ["self", "eio_sid", "reason"]
    assert parameters(engineio.Server._handle_connect)[:3] == ["self", "environ", "start_response"]
    assert parameters(engineio.Server._log_error_once) == ["self", "message", "message_key"]
    assert parameters(engineio.socket.Socket.handle_post_request) == ["self", "environ"]
    assert parameters(engineio.socket.Socket.receive) == ["self", "pkt"]
    assert {"wait", "reason"} <= set(parameters(engineio.socket.Socket.close))


def test_every_event_goes_through_handle_event(recorder: Recorder) -> None:
    recorder.receive('2["send_message",{"a":1}]')
    recorder.receive('27["send_message"]')
    recorder.receive('2/other,["x"]')
    recorder.receive("2")
    recorder.receive('51-["x",{"_placeholder":true,"num":0}]')
    recorder.receive(b"bytes")  # type: ignore[arg-type]

    assert recorder.events == [
        ("engine-id", None, None, ["send_message", {"a": 1}]),
        ("engine-id", None, 7, ["send_message"]),
        ("engine-id", "/other", None, ["x"]),
        ("engine-id", None, None, None),
        ("engine-id", None, None, ["x", b"bytes"]),
    ]


def test_a_connect_handler_gets_the_environment_and_the_credentials(recorder: Recorder) -> None:
    assert recorder.connects == [(recorder.sid, {"REMOTE_ADDR": "192.0.2.1"}, {"token": "x"})]


def test_a_socket_is_found_by_its_engines_id(recorder: Recorder) -> None:
    manager = recorder.server.manager

    assert manager.is_connected(recorder.sid, "/") is True
    assert manager.sid_from_eio_sid("unknown", "/") is None
    assert manager.sid_from_eio_sid("engine-id", "/other") is None
    recorder.receive("1")
    assert manager.sid_from_eio_sid("engine-id", "/") is None


def test_an_acknowledgement_is_one_packet(recorder: Recorder) -> None:
    acknowledgement = recorder.server.packet_class(packet.ACK, namespace="/", id=7, data=[{"success": True}])

    assert acknowledgement.encode() == '37[{"success":true}]'


def test_a_refused_client_gets_what_the_exception_carries(recorder: Recorder) -> None:
    def refuse(*_: Any) -> None:
        raise socketio.exceptions.ConnectionRefusedError("no", {"code": "AUTH_REQUIRED"})

    recorder.server.on("connect", refuse)
    recorder.server._handle_eio_connect("other-id", {})
    recorder.sent.clear()

    recorder.server._handle_eio_message("other-id", "0")

    assert [sent.encode() for _, sent in recorder.sent] == ['4{"message":"no","data":{"code":"AUTH_REQUIRED"}}']
    assert recorder.server.manager.sid_from_eio_sid("other-id", "/") is None


def test_the_engine_knows_its_sockets_and_the_limits_of_a_post(recorder: Recorder) -> None:
    assert recorder.server.eio.sockets == {}
    assert isinstance(Payload.max_decode_packets, int)
    assert recorder.server.reason.SERVER_DISCONNECT
