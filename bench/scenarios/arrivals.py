"""`arrivals`: people come, 50 at a time. Each gets a token, starts a session, connects, joins, and stays."""

from __future__ import annotations

import math
import time

from bench.client import ChatSocket, Http, in_turns
from bench.processes import PlainPeer
from bench.stage import SLOTS_AN_AGENT, Result, Stage, add_agents, leave_all, start_session, window

AT_ONCE, FIRST = 50, 100


class Arrivals:
    """The beginning of a busy day."""

    title = f"token, start, connect, join; {AT_ONCE} at a time"
    unit = "people"
    peers = (PlainPeer,)

    async def run(self, stage: Stage) -> Result:
        """Measure how long all take. The first hundred, for whom nothing is loaded yet, do not count."""
        count = stage.arrivals
        await add_agents(stage, math.ceil((FIRST + count) / SLOTS_AN_AGENT))
        callers = [Http(stage.server.port) for _ in range(AT_ONCE)]
        free, chats, latencies = list(callers), [], list[float]()

        async def arrive(number: int) -> None:
            began = time.perf_counter()
            http = free.pop()
            chat = await start_session(http, f"arrival-{number}")
            free.append(http)
            socket = await ChatSocket.open(stage.server.port, chat.token)
            await socket.join(chat.session_id)
            latencies.append(time.perf_counter() - began)
            chat.sockets.append(socket)
            chats.append(chat)

        await in_turns(FIRST, AT_ONCE, arrive)
        latencies.clear()
        with window(stage.server) as measured:
            await in_turns(count, AT_ONCE, lambda number: arrive(FIRST + number))
        leave_all(chats)
        for caller in callers:
            caller.close()
        return measured.result(count, latencies)
