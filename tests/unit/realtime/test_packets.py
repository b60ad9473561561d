"""How a client's packets are handled, with python-socketio's own server and none of our layers above."""

from __future__ import annotations

from typing import Any

import pytest
import socketio

from chatsupport import json_codec
from chatsupport.realtime import Hooks
from chatsupport.realtime.packets import MAX_REFUSALS, Receiver


class Connection:
    """A Socket.IO server with one Engine.IO connection, which records the results of its packets."""

    def __init__(self) -> None:
        self.server = socketio.Server(async_mode="threading", async_handlers=False, json=json_codec)
        self.events: list[tuple[object, list[Any], Any]] = []
        self.connects: list[tuple[Any, ...]] = []
        self.sent: list[str] = []
        self.cut: list[str] = []
        nothing: Any = lambda *_: None  # noqa: E731
        hooks = Hooks(**{**dict.fromkeys(Hooks.__annotations__, nothing), "event": self._event})
        self.server.on("connect", lambda *arguments: self.connects.append(arguments))
        self.server._send_eio_packet = lambda eio_sid, packet: self._send(eio_sid, packet.encode())
        self.server.eio.send = lambda eio_sid, packet: self._send(eio_sid, f"4{packet}")
        self.server.eio.disconnect = self.cut.append
        self.receive = lambda data: Receiver(self.server, hooks).take("engine-id", data)
        self.server._handle_eio_connect("engine-id", {"REMOTE_ADDR": "192.0.2.1"})

    def _event(self, sid: str, name: object, arguments: list[Any], acknowledge: Any, *, is_behind: bool) -> None:
        assert sid == self.sid
        assert not is_behind
        self.events.append((name, arguments, acknowledge))

    def _send(self, eio_sid: str, text: str) -> None:
        assert eio_sid == "engine-id"
        self.sent.append(text)

    @property
    def sid(self) -> str | None:
        sid: str | None = self.server.manager.sid_from_eio_sid("engine-id", "/")
        return sid


@pytest.fixture
def stranger() -> Connection:
    return Connection()


@pytest.fixture
def connection(stranger: Connection) -> Connection:
    stranger.receive('0{"token":"x"}')
    stranger.sent.clear()
    return stranger


def test_a_connect_handler_gets_the_environment_and_the_credentials(connection: Connection) -> None:
    assert connection.connects == [(connection.sid, {"REMOTE_ADDR": "192.0.2.1"}, {"token": "x"})]


def test_an_event_is_a_name_and_arguments_whatever_was_sent(connection: Connection) -> None:
    for packet in ('2["send_message",{"a":1}]', '27["send_message"]', "2[]", "2[", '51-["x",{"_placeholder":true}]'):
        connection.receive(packet)
    connection.receive(b"bytes")

    assert [(name, arguments) for name, arguments, _ in connection.events] == [
        ("send_message", [{"a": 1}]),
        ("send_message", []),
        (None, []),
        (None, []),
        ("x", ["binary"]),
    ]


def test_a_client_that_wants_an_acknowledgement_gets_one(connection: Connection) -> None:
    connection.receive('2["send_message"]')
    connection.receive('27["send_message"]')
    without, acknowledge = (each[2] for each in connection.events)

    assert without is None
    assert acknowledge({"success": True}) == len('37[{"success":true}]')
    assert connection.sent == ['437[{"success":true}]']


def test_events_before_connecting_are_ignored(stranger: Connection) -> None:
    for packet in ('2["send_message"]', '51-["x",{}]', "1", "3", "9", "", "\x00"):
        stranger.receive(packet)

    assert (stranger.events, stranger.sent) == ([], [])


def test_a_client_that_disconnects_is_removed(connection: Connection) -> None:
    connection.receive("1")

    assert connection.sid is None
    connection.receive('2["send_message"]')
    assert connection.events == []


def test_a_refused_client_gets_what_the_exception_carries_and_may_not_try_for_ever(stranger: Connection) -> None:
    def refuse(*_: Any) -> None:
        raise socketio.exceptions.ConnectionRefusedError("no", {"code": "AUTH_REQUIRED"})

    stranger.server.on("connect", refuse)
    for _ in range(MAX_REFUSALS):
        stranger.receive("0")

    assert stranger.sent == ['44{"message":"no","data":{"code":"AUTH_REQUIRED"}}'] * MAX_REFUSALS
    assert (stranger.sid, stranger.cut) == (None, [])
    stranger.receive("0")
    assert stranger.cut == ["engine-id"]
