"""`rejoin`: the server restarts, and all connected clients come back at once."""

from __future__ import annotations

import asyncio
import time

from bench.client import ChatSocket
from bench.processes import Peer
from bench.stage import Result, Stage, leave_all, start_sessions, window


class Rejoin:
    """Connect, present the token, join, get the history: all sockets at the same time."""

    title = "rejoin of 1 000 sockets after a restart"
    unit = "sockets"
    peers = (Peer,)

    async def run(self, stage: Stage) -> Result:
        """Measure the time until everybody is back. The latencies are those of each socket."""
        count = stage.rejoining_sockets
        chats = await start_sessions(stage, count // 2)
        stage.server.restart()
        latencies: list[float] = []

        async def come_back(number: int) -> None:
            chat = chats[number % len(chats)]
            socket = await ChatSocket.open(stage.server.port, chat.token)
            await socket.join(chat.session_id, after=0)
            latencies.append(time.perf_counter() - started)
            chat.sockets.append(socket)

        with window(stage.server) as measured:
            started = time.perf_counter()
            await asyncio.gather(*(come_back(number) for number in range(count)))
        leave_all(chats)
        return {**measured.result(count, latencies), "seconds": measured.seconds}
