"""The sender of a message: the caller, or the person that a system names."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.sockets import Sockets


def test_a_user_or_agent_may_name_only_itself(apis: Apis, user: Api, agent: dict[str, Any], session_id: str) -> None:
    its_agent = apis.agent(agent["id"])

    assert user.send(session_id, senderId="u1", senderType="user").status_code == 201
    assert its_agent.send(session_id, senderId=agent["id"], senderType="agent").status_code == 201
    for sender, claim in (
        (user, {"senderId": "u2"}),
        (user, {"senderId": agent["id"], "senderType": "agent"}),
        (user, {"senderType": "agent"}),
        (user, {"senderType": "system"}),
        (its_agent, {"senderId": "u1"}),
        (its_agent, {"senderType": "user"}),
    ):
        assert_failure(sender.send(session_id, **claim), 403, "FORBIDDEN")


def test_an_operator_may_name_anybody(operator: Api, agent: dict[str, Any], session_id: str) -> None:
    def sender(**claim: str) -> tuple[str, str]:
        message = data_of(operator.send(session_id, **claim))["message"]
        return message["senderId"], message["senderType"]

    assert sender() == ("system", "system")
    assert sender(senderType="system") == ("system", "system")
    assert sender(senderId="u1", senderType="user") == ("u1", "user")
    assert sender(senderId=" bot ", senderType="agent") == ("bot", "agent")
    assert sender(senderId="u1") == ("u1", "user")
    assert sender(senderId=agent["id"]) == (agent["id"], "agent")
    assert sender(senderType="user") == ("u1", "user")
    assert sender(senderType="agent") == (agent["id"], "agent")
    assert sender(senderId="crm") == ("crm", "system")


def test_a_system_speaks_in_its_own_name(apis: Apis, session_id: str) -> None:
    system = apis.anonymous(Authorization=f"Bearer {make_token('crm', 'system')}")

    message = data_of(system.send(session_id))["message"]

    assert (message["senderId"], message["senderType"]) == ("crm", "system")


def test_an_invalid_sender_id_is_refused(operator: Api, session_id: str, subtests: pytest.Subtests) -> None:
    for sender_id in ["", " ", "x" * 129, "a\x00", 7, [], {"$gt": ""}]:
        with subtests.test(sender_id=sender_id):
            assert_failure(operator.send(session_id, senderId=sender_id), 400, "INVALID_SENDER_ID")


def test_an_invalid_sender_type_is_refused(operator: Api, session_id: str, subtests: pytest.Subtests) -> None:
    for sender_type in ["", "User", "admin", 1, [], {"$ne": "user"}]:
        with subtests.test(sender_type=sender_type):
            assert_failure(operator.send(session_id, senderType=sender_type), 400, "INVALID_SENDER_TYPE")


def test_an_api_keys_socket_speaks_as_the_person_it_joined_as(app: Flask, operator: Api) -> None:
    agent_id = operator.create_agent()["id"]
    session_id = operator.start("u1")["sessionId"]
    sockets = Sockets(app)
    for fields, sender in (
        ({}, ("system", "system")),
        ({"userId": "u1"}, ("u1", "user")),
        ({"userId": agent_id.upper(), "userType": "agent"}, (agent_id, "agent")),
        ({"userId": "crm", "userType": "system"}, ("crm", "system")),
    ):
        socket = sockets.operator()
        assert socket.say(session_id, "before")["data"]["message"]["senderId"] == "system"
        socket.join(session_id, **fields)

        message = socket.say(session_id, "hello")["data"]["message"]
        assert (message["senderId"], message["senderType"]) == sender
        # A sender named in the message wins.
        message = socket.say(session_id, "hello", senderId="u9", senderType="user")["data"]["message"]
        assert (message["senderId"], message["senderType"]) == ("u9", "user")
        message = socket.say(session_id, "hello", senderType="agent")["data"]["message"]
        assert (message["senderId"], message["senderType"]) == (agent_id, "agent")
