"""A feature's events reach its handlers, and are described, as those of the core are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from chatsupport import broadcasts, factory, feature
from chatsupport.contract import socket_events
from chatsupport.contract.socket_events import Emitted, InSession, Left
from chatsupport.feature import Feature
from chatsupport.sockets.connections import Connection
from chatsupport.sockets.dispatch import Answer, SocketEvents
from tests.sockets import Sockets, assert_refused, succeeded

events = SocketEvents()


@events.on("greet", body=InSession, answer=Left)
def greet(connection: Connection, greeting: InSession) -> Answer:
    """Greet a session."""
    data = {"sessionId": str(greeting.session_id)}
    broadcasts.emit("greeted", data, to=broadcasts.session_room(greeting.session_id))
    return "Greeted", data


@pytest.fixture
def greetings(app: Flask) -> Iterator[None]:
    """Have a feature with an event in each direction."""
    before = feature.installed()
    emitted = {"greeted": Emitted("the room", Left)}
    feature._installed.append(Feature(name="greetings", socket_events=events, emitted=emitted))
    factory.bind_socket_events()
    yield
    feature._installed[:] = before
    factory.bind_socket_events()


@pytest.mark.usefixtures("greetings")
def test_a_feature_has_events_of_its_own(sockets: Sockets, session_id: str) -> None:
    user = sockets.user("u1")
    user.join(session_id)

    assert succeeded(user.call("greet", {"sessionId": session_id})) == {"sessionId": session_id}
    user.wait_for("greeted")
    assert_refused(user.call("greet", {}), "INVALID_SESSION_ID")
    assert {"greet", "greeted"} <= socket_events.document()["components"]["messages"].keys()


def test_without_the_feature_there_are_none(sockets: Sockets, session_id: str) -> None:
    assert_refused(sockets.user("u1").call("greet", {"sessionId": session_id}), "NOT_FOUND")
    assert "greet" not in socket_events.document()["components"]["messages"]
