"""The notices of a command reach the sockets of each server process once."""

from __future__ import annotations

from functools import partial

from flask import Flask

from chatsupport import broadcasts, command_notices
from chatsupport.documents import Notice
from chatsupport.documents.notice import KEPT_SECONDS
from chatsupport.realtime import server
from chatsupport.services.people import denials
from tests.api import Api
from tests.applications import AsCommand
from tests.sockets import Sockets


def test_each_process_delivers_a_commands_events_once(sockets: Sockets, operator: Api, as_command: AsCommand) -> None:
    session_id = operator.start("u1")["sessionId"]
    visitor = sockets.user("u1")
    visitor.join(session_id)
    first, second = command_notices.Reader(), command_notices.Reader()
    for reader in (first, second):
        reader.look()

    for seq in (7, 8):
        read = {"sessionId": session_id, "userId": "ada", "seq": seq}
        as_command(partial(server.emit, "messages_read", read, broadcasts.session_room(session_id)))
    assert visitor.heard("messages_read") == []
    for _ in range(2):
        first.look()
    second.look()

    assert [event["seq"] for event in visitor.heard("messages_read")] == [7, 8, 7, 8]
    # A process that starts later has no socket that missed anything.
    late = command_notices.Reader()
    for _ in range(2):
        late.look()
    assert len(visitor.heard("messages_read")) == 4


def test_an_order_of_a_command_is_carried_out(sockets: Sockets, operator: Api, as_command: AsCommand) -> None:
    agent = operator.create_agent(email="ada@example.com", password="correct horse battery")
    socket = sockets.agent(agent["id"])
    reader = command_notices.Reader()
    reader.look()

    as_command(lambda: operator.patch(f"/api/agents/{agent['id']}", {"password": "another horse battery"}))
    assert socket.is_connected
    reader.look()

    assert not socket.is_connected
    assert socket.heard("error")[0]["code"] == denials.revoked().code


def test_notices_are_removed(app: Flask) -> None:
    indexes = Notice.collection().index_information()
    assert indexes["expiry"]["expireAfterSeconds"] == KEPT_SECONDS
