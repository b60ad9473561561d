"""The common parts of scenarios: people with sessions and sockets, the measuring window, and its figures."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.client import ChatSocket, Http, Message, in_turns
from bench.processes import API_KEY, Server, Usage

WARM_UP_SECONDS = 1.5
SLOTS_AN_AGENT = 50
TEXT = "hello there, I need some help with my order please"

Result = dict[str, float]


@dataclass
class Stage:
    """The server under test, and the sizes of the scenario."""

    server: Server
    seconds: float
    quick: bool = False
    history_messages: int = 200_000
    idle_sockets: int = 10_000
    rejoining_sockets: int = 1_000
    arrivals: int = 3_000
    name: str = ""


@dataclass
class Chat:
    """One person with an open session."""

    user_id: str
    token: str
    session_id: str
    sockets: list[ChatSocket] = field(default_factory=list)


async def start_sessions(stage: Stage, count: int) -> list[Chat]:
    """Let people start sessions. Each has an agent at once."""
    if stage.server.has_agents:
        await add_agents(stage, math.ceil(count / SLOTS_AN_AGENT))
    run = f"{stage.name}-{time.time_ns():x}"

    async def start(number: int) -> Chat:
        user_id = f"{run}-{number}"
        http = Http(stage.server.port)
        chat = await start_session(http, user_id)
        http.close()
        return chat

    return await in_turns(count, 20, start)


async def start_session(http: Http, user_id: str) -> Chat:
    """Let one person get a token and start a session. The connection uses that token from then on."""
    token = (await http.post("/api/auth/token", {"userId": user_id, "userType": "user"}))["token"]
    http.authorize(token)
    session = await http.post("/api/chat/start-session", {"userId": user_id, "userType": "user"})
    return Chat(user_id, token, session["sessionId"])


async def add_agents(stage: Stage, count: int) -> None:
    """Make more agents."""
    http = Http(stage.server.port, **{"X-API-Key": API_KEY})
    for number in range(count):
        await http.post("/api/agents", {"name": f"{stage.name} {number}", "maxUsers": SLOTS_AN_AGENT})
    http.close()


async def join_all(stage: Stage, chats: list[Chat], sockets_each: int, at_once: int = 50) -> None:
    """Connect and join every chat's sockets."""

    async def join(number: int) -> None:
        chat = chats[number % len(chats)]
        socket = await ChatSocket.open(stage.server.port, chat.token)
        await socket.join(chat.session_id)
        chat.sockets.append(socket)

    await in_turns(len(chats) * sockets_each, at_once, join)


def leave_all(chats: list[Chat]) -> None:
    """Cut every chat's sockets."""
    for chat in chats:
        for socket in chat.sockets:
            socket.close()
        chat.sockets.clear()


class Sending:
    """Messages in progress: sends them, notes when they come back, and keeps the times within the window."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.measuring = False
        self.on_own: Callable[[ChatSocket, str], None] | None = None
        self._sent: dict[str, tuple[float, ChatSocket]] = {}
        self._number = 0

    @property
    def missing(self) -> int:
        """How many messages have not come back yet."""
        return len(self._sent)

    def listen(self, socket: ChatSocket) -> None:
        """Note a message that comes back to this socket."""
        socket.on_message = self._came

    def send(self, socket: ChatSocket, session_id: str) -> None:
        """Send one message."""
        self._number += 1
        number = str(self._number)
        self._sent[number] = time.perf_counter(), socket
        socket.emit("send_message", {"sessionId": session_id, "message": f"{number} {TEXT}"})

    def _came(self, socket: ChatSocket, message: Message) -> None:
        message = message.get("data", message)
        number = message["message"].partition(" ")[0]
        sent_at, sender = self._sent.get(number, (0.0, None))
        if sender is not socket:
            return  # Sent by somebody else.
        del self._sent[number]
        if self.measuring:
            self.latencies.append(time.perf_counter() - sent_at)
        if self.on_own is not None:
            self.on_own(socket, message["sessionId"])

    async def measure(self, stage: Stage) -> Result:
        """Warm up, then measure for the stage's seconds, while messages continue to be sent."""
        await asyncio.sleep(WARM_UP_SECONDS)
        with window(stage.server) as measured:
            self.measuring = True
            await asyncio.sleep(stage.seconds)
            self.measuring = False
        result = measured.result(len(self.latencies), self.latencies)
        self.on_own = None
        await asyncio.sleep(1.0)
        result["lost"] = self.missing
        return result


class Window:
    """A period, with the use of the server and of this driver in it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._commands_before = server.mongod.commands()
        self._before: Usage = server.usage()
        self._driver_before = time.process_time()
        self._started = time.perf_counter()
        self.seconds = self.server_cpu = self.driver_cpu = 0.0
        self.memory_bytes = self.commands = 0

    def close(self) -> None:
        """End it."""
        self.seconds = time.perf_counter() - self._started
        self.driver_cpu = time.process_time() - self._driver_before
        after = self._server.usage()
        self.server_cpu = after.cpu_seconds - self._before.cpu_seconds
        self.memory_bytes = after.memory_bytes
        self.commands = self._server.mongod.commands() - self._commands_before

    def result(self, count: int, latencies: list[float]) -> Result:
        """Return the figures for a number of operations: times in ms, memory in MB, CPU as shares of a core."""
        ordered = sorted(latencies)
        return {
            "per_second": count / self.seconds,
            **{f"p{share}": percentile(ordered, share) * 1000 for share in (50, 95, 99)},
            "cpu_ms": 1000 * self.server_cpu / count if count else math.nan,
            "commands": self.commands / count if count else math.nan,
            "server_cpu": self.server_cpu / self.seconds,
            "driver_cpu": self.driver_cpu / self.seconds,
            "memory": self.memory_bytes / 1e6,
        }


@contextmanager
def window(server: Server) -> Iterator[Window]:
    """Measure a block. The driver's garbage collector waits until it is over."""
    gc.collect()
    gc.disable()
    measured = Window(server)
    try:
        yield measured
    finally:
        measured.close()
        gc.enable()


def percentile(ordered: list[float], share: float) -> float:
    """Return the value below which `share` percent lie, or NaN without values."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))] if ordered else math.nan


async def closed_loop(stage: Stage, count: int, one: Callable[[int], Any]) -> Result:
    """Measure `count` callers that call `one(number)` again and again, each when its last call is answered."""
    latencies: list[float] = []
    state = {"measuring": False, "going": True}

    async def work(number: int) -> None:
        while state["going"]:
            started = time.perf_counter()
            await one(number)
            if state["measuring"]:
                latencies.append(time.perf_counter() - started)

    workers = [asyncio.ensure_future(work(number)) for number in range(count)]
    await asyncio.sleep(WARM_UP_SECONDS)
    with window(stage.server) as measured:
        state["measuring"] = True
        await asyncio.sleep(stage.seconds)
        state["measuring"] = False
    state["going"] = False
    await asyncio.gather(*workers)
    return measured.result(len(latencies), latencies)
