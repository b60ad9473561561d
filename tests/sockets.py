"""A Socket.IO client inside this process, which records its events and refusals."""

from __future__ import annotations

import contextlib
from typing import Any

from flask import Flask
from flask_socketio.test_client import SocketIOTestClient
from socketio import packet

from chatsupport.extensions import socketio
from chatsupport.sockets import connections, handshake
from tests.api import make_token
from tests.concurrency import eventually
from tests.conftest import API_KEY


class _Client(SocketIOTestClient):
    """Flask-SocketIO's client. It also keeps the data of a refused connection, which the original drops."""

    refusal: Any = None

    def connect(self, *args: Any, **kwargs: Any) -> None:
        server = self.socketio.server
        send = server._send_packet

        def keep_refusal(eio_sid: str, sent: packet.Packet) -> None:
            if sent.packet_type == packet.CONNECT_ERROR and eio_sid == self.eio_sid:
                self.refusal = sent.data
            send(eio_sid, sent)

        server._send_packet = keep_refusal
        try:
            super().connect(*args, **kwargs)
        finally:
            server._send_packet = send

    def emit(self, event: str, *args: Any, **kwargs: Any) -> Any:
        """Emit an event, and wait until its work is done: messages are acknowledged by their writers."""
        sid = self.socketio.server.manager.sid_from_eio_sid(self.eio_sid, "/")
        self.acks = None
        answer = super().emit(event, *args, **kwargs)
        connection = connections.find(sid)
        if connection is not None:
            connection.open_sends.wait_for_all()
        if answer is None and self.acks is not None:
            answer, self.acks = self.acks["args"][0], None
        return answer


class Socket:
    """One socket: a tab of somebody's browser."""

    def __init__(self, app: Flask, auth: Any = None, headers: dict[str, str] | None = None) -> None:
        self.client = _Client(app, socketio, auth=auth, headers=headers)

    @property
    def is_connected(self) -> bool:
        return bool(self.client.is_connected())

    @property
    def refusal(self) -> Any:
        """The data of the `connect_error`, or None."""
        error = self.client.refusal
        if error is None:
            return None
        assert set(error) == {"message", "data"}, error
        assert error["message"] == error["data"]["message"]
        return error["data"]

    def call(self, event: str, *arguments: Any) -> Any:
        """Emit with a callback, and return its argument."""
        return self.client.emit(event, *arguments, callback=True)

    def emit(self, event: str, *arguments: Any) -> Any:
        """Emit without a callback. Returns an acknowledgement if one came nevertheless."""
        return self.client.emit(event, *arguments)

    def raw(self, packet: str) -> None:
        """Hand the server a Socket.IO packet in its wire format. The library would log what it raises."""
        with contextlib.suppress(ValueError):
            self.client.socketio.server._handle_eio_message(self.client.eio_sid, packet)

    def join(self, session_id: str, **fields: Any) -> dict[str, Any]:
        """Join a session; return the data of the acknowledgement."""
        answer = self.call("join_session", {"sessionId": session_id, **fields})
        assert answer["success"] is True, answer
        data: dict[str, Any] = answer["data"]
        return data

    def say(self, session_id: str, text: str = "hello", **fields: Any) -> Any:
        """Send a message; return the acknowledgement."""
        return self.call("send_message", {"sessionId": session_id, "message": text, **fields})

    def heard(self, event: str) -> list[Any]:
        """Return the payloads of this event so far, and keep them."""
        return [packet["args"][0] for packet in list(self.client.queue) if packet["name"] == event]

    def wait_for(self, event: str) -> list[Any]:
        """Wait until this event came at least once; return its payloads."""
        return eventually(lambda: self.heard(event))

    def forget(self) -> None:
        """Drop all events so far."""
        self.client.queue.clear()

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()


class Sockets:
    """Sockets of one application, by their caller."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def user(self, user_id: str) -> Socket:
        return self._connected({"token": make_token(user_id)})

    def agent(self, agent_id: str) -> Socket:
        return self._connected({"token": make_token(agent_id, "agent")})

    def operator(self) -> Socket:
        return self._connected({"apiKey": API_KEY})

    def attempt(self, auth: Any = None, **headers: str) -> Socket:
        """Connect with these credentials, right or wrong."""
        return Socket(self.app, auth, headers)

    def _connected(self, auth: dict[str, str]) -> Socket:
        socket = Socket(self.app, auth)
        assert socket.is_connected, socket.refusal
        return socket


def close_all() -> None:
    """Disconnect every socket of this process's applications."""
    for client in list(SocketIOTestClient.clients.values()):
        if client.is_connected():
            client.disconnect()
    SocketIOTestClient.clients.clear()
    for sid in list(connections._connections):  # These belong to an application that another one has replaced.
        handshake.disconnect(sid)


def succeeded(answer: Any) -> dict[str, Any]:
    """Check the whole success envelope, and return its data."""
    assert set(answer) == {"success", "message", "data"}, answer
    assert answer["success"] is True, answer
    data: dict[str, Any] = answer["data"]
    return data


def assert_refused(answer: Any, code: str) -> dict[str, Any]:
    """Check the whole failure envelope, and return it."""
    assert isinstance(answer, dict), answer
    assert (answer["success"], answer["code"]) == (False, code), answer
    assert set(answer) - {"details", "event"} == {"success", "code", "message", "requestId"}
    assert answer["message"]
    assert answer["requestId"]
    return answer
