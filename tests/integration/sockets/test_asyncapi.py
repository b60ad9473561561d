"""The AsyncAPI document is true: it has every event, with the payloads that clients may send and get."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator

import chatsupport
from chatsupport import __version__, broadcasts, serializers
from chatsupport.database.clock import now
from chatsupport.documents import Message, Session
from chatsupport.events import SessionIdle
from chatsupport.services.presence import membership
from chatsupport.services.sessions import told_here
from tests.api import Apis, data_of
from tests.documents import asyncapi_document, client_events
from tests.sockets import Socket, Sockets, assert_refused, succeeded

SOURCES = Path(chatsupport.__file__).parent
DOCUMENT = asyncapi_document()
MESSAGES = DOCUMENT["components"]["messages"]
EMITTERS = ("emit", "emit_here", "_emit_presence", "to_socket")


def named(operation: str) -> set[str]:
    return {item["$ref"].rpartition("/")[2] for item in DOCUMENT["operations"][operation]["messages"]}


def problems(schema: dict[str, Any], data: Any) -> list[str]:
    validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    return [f"{problem.json_path}: {problem.message}" for problem in validator.iter_errors(data)]


def emitted() -> Iterator[str]:
    """Yield the name of every event that the code emits."""
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                first = node.args[1 if name == "to_socket" and len(node.args) > 1 else 0] if node.args else None
                if name in EMITTERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def test_every_event_is_described_and_no_other() -> None:
    assert named("fromClients") == set(client_events())
    assert named("toClients") == set(emitted())
    assert named("fromClients") | named("toClients") == set(MESSAGES) == set(DOCUMENT["channels"]["chat"]["messages"])
    assert DOCUMENT["info"]["version"] == __version__


def test_every_schema_is_valid() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema, name


def right_payload(event: str, session_id: str) -> dict[str, Any]:
    """Return what an event must have: the values of its example, but for the session and a seq that is there."""
    values = {**MESSAGES[event]["examples"][0]["payload"], "sessionId": session_id, "seq": 1}
    schema = DOCUMENT["components"]["schemas"][MESSAGES[event]["payload"]["$ref"].rpartition("/")[2]]
    return {name: values[name] for name in schema["required"]}


@pytest.mark.parametrize("event", client_events())
def test_the_payloads_of_clients_match_the_document(app: Flask, event: str) -> None:
    session_id = Apis(app).operator().start("u1")["sessionId"]
    socket = Sockets(app).user("u1")
    socket.join(session_id)
    socket.say(session_id)
    payload = right_payload(event, session_id)
    assert not problems(MESSAGES[event]["payload"], payload)
    for left_out in payload:
        answer = socket.call(event, {name: value for name, value in payload.items() if name != left_out})
        assert answer["success"] is False, (event, left_out)
        assert not problems(DOCUMENT["components"]["schemas"]["Failure"], answer)
    for name in payload:
        assert socket.call(event, {**payload, name: {"$ne": 1}})["success"] is False

    data = succeeded(socket.call(event, payload))

    assert not problems(MESSAGES[event]["x-acknowledgement"], data)


@pytest.mark.features("consoles", "files", "notes", "ratings")
def test_the_payloads_to_clients_match_the_document(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    operator, sockets = Apis(app).operator(), Sockets(app)
    first, second = (operator.start(user)["sessionId"] for user in ("u1", "u2"))
    user, waiting, system = sockets.user("u1"), sockets.user("u2"), sockets.operator()
    waiting.join(second)
    user.join(first)
    system.join(first)
    last = sockets.user("u4")
    last.join(operator.start("u4")["sessionId"])
    ada, ben = (operator.create_agent(name, maxUsers=1)["id"] for name in ("Ada", "Ben"))
    last.wait_for("queue_update")
    operator.delete(f"/api/agents/{ben}")
    agent = sockets.agent(ada)
    supervisor = sockets.agent(operator.create_agent("Grace", role="supervisor", isOnline=False)["id"])
    operator.delete(f"/api/agents/{operator.create_agent('Eve', isOnline=False)['id']}")
    supervisor.wait_for("agent_deleted")
    supervisor.wait_for("queue_changed")
    agent.join(first)
    user.say(first, "hello", clientMessageId="c1")
    agent.say(first, "hi")
    operator.post(f"/api/chat/notes/{first}", {"text": "Called twice."})
    Apis(app).user("u1").post(f"/api/chat/rating/{first}", {"score": 5})
    user.call("typing_start", {"sessionId": first})
    user.call("mark_read", {"sessionId": first, "seq": 2})
    agent.call("mark_read", {"sessionId": first, "seq": 2})
    user.emit("send_message", {"sessionId": first})
    sockets.user("u1").close()
    broadcasts.session_idle(SessionIdle(Session.objects(id=first).first().id, now()))
    message = Message.objects(session_id=first).as_pymongo().first()
    broadcasts.emit("message_updated", serializers.message(message), to=broadcasts.session_room(message["sessionId"]))
    monkeypatch.setattr(membership, "joined_sessions", lambda: {Session.objects(id=first).first().id})
    told_here.catch_up()
    operator.post(f"/api/chat/transfer/{first}")
    agent.close()
    third = operator.start("u3")["sessionId"]
    watching = sockets.user("u3")
    watching.join(third)
    operator.post(f"/api/chat/transfer/{second}")
    user.call("end_session", {"sessionId": first})
    waiting.call("end_session", {"sessionId": second})
    guest = data_of(operator.post("/api/auth/token", {"guest": True}))
    system.join(operator.start(guest["userId"])["sessionId"])
    Apis(app).user("u3").post("/api/auth/identify", {"guestToken": guest["token"]})
    operator.post("/api/auth/revoke", {"userId": "u3"})

    supervisor.wait_for("session_changed")
    supervisor.wait_for("agent_changed")

    seen: set[str] = set()
    for socket in (user, waiting, system, agent, watching, last, supervisor):
        seen |= check(socket)
    assert seen == named("toClients")
    assert_refused(watching.heard("error")[-1], "INVALID_TOKEN")


def check(socket: Socket) -> set[str]:
    """Check all events that a socket got, and return their names."""
    for packet in socket.client.queue:
        if packet["name"] in MESSAGES:
            payload = packet["args"][0] if isinstance(packet["args"], list) else packet["args"]
            assert not problems(MESSAGES[packet["name"]]["payload"], payload), packet
    return {packet["name"] for packet in socket.client.queue}
