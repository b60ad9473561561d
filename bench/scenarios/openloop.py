"""`open300`, `open1000`: a fixed number of messages a second, whether or not the server keeps up."""

from __future__ import annotations

import asyncio
import time

from bench.processes import Peer
from bench.stage import Result, Sending, Stage, join_all, leave_all, start_sessions

SESSIONS, SOCKETS_EACH = 100, 2


class OpenLoop:
    """A fixed rate, spread evenly over the sessions."""

    unit = "messages"
    peers = (Peer,)

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.title = f"open loop, {rate} messages/s"

    async def run(self, stage: Stage) -> Result:
        """Measure."""
        chats = await start_sessions(stage, SESSIONS)
        await join_all(stage, chats, SOCKETS_EACH)
        sending = Sending()
        for chat in chats:
            sending.listen(chat.sockets[0])
        timer = asyncio.ensure_future(self._send_on_time(sending, chats))
        measuring = asyncio.ensure_future(sending.measure(stage))
        await asyncio.sleep(stage.seconds + 2.0)
        timer.cancel()
        result = await measuring
        leave_all(chats)
        return result

    async def _send_on_time(self, sending: Sending, chats: list) -> None:
        number, started = 0, time.perf_counter()
        while True:
            due = int((time.perf_counter() - started) * self.rate)
            while number < due:
                chat = chats[number % len(chats)]
                sending.send(chat.sockets[0], chat.session_id)
                number += 1
            await asyncio.sleep(0.001)
