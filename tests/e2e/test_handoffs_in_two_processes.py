"""A bot writes by REST and by socket in one process, which may be stopped, while another hands its session over."""

from __future__ import annotations

import random
import threading
import time

import pytest

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.rest import Rest
from tests.e2e.server import Server
from tests.e2e.sockets import PythonSocket

ROUNDS = 4


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_nothing_of_a_bot_is_stored_after_the_answer(two_servers: tuple[Server, Server], stopped: bool) -> None:
    busy, other = two_servers
    by_key = {"X-API-Key": API_KEY}
    operator = Rest(other.url, by_key)
    bot_id = operator.post("/api/agents", {"name": "Robin", "kind": "bot", "maxUsers": 500}).data["id"]
    settings = operator.get("/api/settings").data
    assert operator.request("PUT", "/api/settings", {**settings, "botId": bot_id}).status == 200
    token = make_token(bot_id, "agent")
    chances = random.Random(seed := time.time_ns())
    print(f"SEED={seed}")
    for number in range(ROUNDS):
        user_id = f"two-{stopped}-{number}"
        session_id = operator.post("/api/chat/start-session", {"userId": user_id}).data["sessionId"]
        assert operator.get(f"/api/chat/session/{session_id}").data["agentId"] == bot_id
        path = f"/api/chat/send-message/{session_id}"
        refused = threading.Event()

        def write(path: str = path, refused: threading.Event = refused) -> None:
            bot = Rest(busy.url, {"Authorization": f"Bearer {token}"})
            while not refused.is_set():
                if bot.post(path, {"message": "I am a bot."}).status == 403:
                    refused.set()

        socket = PythonSocket(busy.url, {"token": token})
        socket.call("join_session", {"sessionId": session_id})

        def emit(
            session_id: str = session_id, socket: PythonSocket = socket, refused: threading.Event = refused
        ) -> None:
            while not refused.is_set():
                socket.call("send_message", {"sessionId": session_id, "message": "I am a bot."})

        writers = [threading.Thread(target=write), threading.Thread(target=write), threading.Thread(target=emit)]
        for writer in writers:
            writer.start()
        time.sleep(chances.uniform(0.05, 0.3))
        if stopped:
            busy.freeze()
        try:
            assert operator.post(f"/api/chat/handoff/{session_id}", {}).data["status"] == "waiting"
            count = operator.get(f"/api/chat/session/{session_id}").data["messageCount"]
        finally:
            if stopped:
                busy.thaw()
        for writer in writers:
            writer.join(20)
        socket.close()
        page = operator.get(f"/api/chat/messages/{session_id}", limit=100, before=count + 100).data
        messages = page["messages"]
        assert page["pagination"]["total"] == count == messages[-1]["seq"]
        assert messages[-1]["senderType"] == "system"
        assert [message["senderType"] for message in messages].count("system") == 1
        assert operator.post(f"/api/chat/end-session/{session_id}", {}).status == 200
