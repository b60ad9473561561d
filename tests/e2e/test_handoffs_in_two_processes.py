"""A bot writes by REST and by socket in one process, which may be stopped, while it loses its sessions in the other.

`ROUNDS=40 pytest tests/e2e/test_handoffs_in_two_processes.py` races a bot about a thousand times.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api import make_token
from tests.e2e.pairs import two_processes
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers
from tests.e2e.sockets import PythonSocket

ROUNDS = int(os.environ.get("ROUNDS") or 1)
AT_ONCE = 4
REPLY_AFTER = 1
LOST_WITHIN = 120.0


@pytest.fixture(scope="module")
def both(servers: Servers) -> Iterator[tuple[Server, Server]]:
    """Two processes. The second one looks for bots that do not answer, because the first one is sometimes stopped."""
    with two_processes(servers, BOT_REPLY_AFTER=str(REPLY_AFTER), AGENT_GRACE="1") as (first, second):
        yield second, first


class Race:
    """A session with a bot that writes in one process, by REST and by socket, while `open` is set and until refused."""

    def __init__(self, busy: Server, operator: Rest, token: str, user_id: str) -> None:
        self.operator, self._user_id = operator, user_id
        self.id = operator.start(user_id)
        self.open = threading.Event()
        self._socket = PythonSocket(busy.url, {"token": token})
        self._socket.call("join_session", {"sessionId": self.id})
        rest = Rest(busy.url, {"Authorization": f"Bearer {token}"})
        message = {"sessionId": self.id, "message": "I am a bot."}
        ways: list[Callable[[], dict[str, Any]]] = [
            lambda: rest.send(self.id, "I am a bot.").body,
            lambda: self._socket.call("send_message", message),
        ]
        self._writers = [threading.Thread(target=self._write, args=[send]) for send in ways]
        for writer in self._writers:
            writer.start()

    def _write(self, send: Callable[[], dict[str, Any]]) -> None:
        while True:
            self.open.wait()
            if send().get("code") == "FORBIDDEN":
                return

    def ask(self) -> None:
        """Let the visitor write."""
        sent = self.operator.send(self.id, "Is there anybody?", senderId=self._user_id, senderType="user")
        assert sent.status == 201, sent.body

    @property
    def is_over(self) -> bool:
        """Whether the line that ends the bot's part is stored."""
        return any(message["senderType"] == "system" for message in self.messages())

    def messages(self) -> list[dict[str, Any]]:
        """Return the last messages."""
        page = self.operator.get(f"/api/chat/messages/{self.id}", limit=100, before=2**31).data
        found: list[dict[str, Any]] = page["messages"]
        return found

    def finish(self) -> None:
        """Let the bot write until it is refused."""
        self.open.set()
        for writer in self._writers:
            writer.join(90)
            assert not writer.is_alive(), "The bot was not refused."
        self._socket.close()


Way = Callable[[Race, str], None]


def hand_off(race: Race, ada: str) -> None:
    assert race.operator.post(f"/api/chat/handoff/{race.id}", {}).data["status"] == "waiting"


def take_over(race: Race, ada: str) -> None:
    assert race.operator.post(f"/api/chat/transfer/{race.id}", {"agentId": ada}).data["agentId"] == ada


def let_time_pass(race: Race, ada: str) -> None:
    """Ask until the bot has been silent for too long. It answers at about that time, or is stopped."""
    deadline = time.monotonic() + LOST_WITHIN
    while not race.is_over:
        assert time.monotonic() < deadline, "The bot still has the session."
        race.open.clear()
        race.ask()
        time.sleep(random.uniform(REPLY_AFTER - 0.1, REPLY_AFTER + 1.2))
        race.open.set()
        time.sleep(random.uniform(0, 0.2))


def lose(race: Race, way: Way, ada: str) -> int:
    """Let the bot lose its session, and return how many messages there were at the answer."""
    way(race, ada)
    count: int = race.messages()[-1]["seq"]
    return count


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
@pytest.mark.parametrize("way", [hand_off, take_over, let_time_pass], ids=["hand-off", "take-over", "time"])
@pytest.mark.timeout(240 + 60 * ROUNDS)
def test_nothing_of_a_bot_is_stored_after_the_answer(both: tuple[Server, Server], way: Way, stopped: bool) -> None:
    busy, idle = both
    operator = idle.operator()
    bot_id = operator.create_agent("Robin", kind="bot", maxUsers=500)
    ada = operator.create_agent("Ada", maxUsers=50, isOnline=way is take_over)
    settings = operator.get("/api/settings").data
    assert operator.request("PUT", "/api/settings", {**settings, "botId": bot_id}).status == 200
    token = make_token(bot_id, "agent")
    random.seed(seed := time.time_ns())
    print(f"SEED={seed}")
    for _ in range(ROUNDS):
        races = [Race(busy, operator, token, f"visitor-{seed}-{number}") for number in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            if way is not let_time_pass:
                for race in races:
                    race.open.set()
                time.sleep(random.uniform(0.02, 0.2))
            try:
                if stopped and way is not let_time_pass:
                    busy.freeze()
                losses = [threads.submit(lose, race, way, ada) for race in races]
                if stopped and way is let_time_pass:
                    time.sleep(random.uniform(REPLY_AFTER, REPLY_AFTER + 1.5))
                    busy.freeze()
                counts = [loss.result() for loss in losses]
            finally:
                if stopped:
                    busy.thaw()
        for race, count in zip(races, counts, strict=True):
            race.finish()
            messages = race.messages()
            assert messages[-1]["seq"] == count, messages[-3:]
            # The visitor may have written once more.
            others = [message["senderType"] for message in messages if message["senderType"] != "user"]
            assert (others[-1], others.count("system")) == ("system", 1)
            assert operator.post(f"/api/chat/end-session/{race.id}", {}).status == 200
    operator.request("DELETE", f"/api/agents/{ada}")
