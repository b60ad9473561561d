"""`idle`: the memory of an idle socket, and the latency of the 1 % that chat among them."""

from __future__ import annotations

import asyncio
import time

from bench.processes import Peer
from bench.stage import Result, Sending, Stage, join_all, leave_all, start_sessions

SOCKETS_EACH, WARM_CHATS, SETTLE_SECONDS = 2, 50, 5.0


class Idle:
    """Very many sockets, almost all of them silent."""

    title = "idle sockets, 1 % of them chatting"
    unit = "messages"
    peers = (Peer,)

    async def run(self, stage: Stage) -> Result:
        """Measure. The sessions were started before a restart, so that the growth is that of the sockets alone."""
        count = stage.idle_sockets
        chats = await start_sessions(stage, count // SOCKETS_EACH)
        stage.server.restart()
        await self._warm_up(stage, chats[:WARM_CHATS])
        before = stage.server.usage().memory_bytes
        started = time.perf_counter()
        await join_all(stage, chats, SOCKETS_EACH)
        took = time.perf_counter() - started
        await asyncio.sleep(SETTLE_SECONDS)
        grown = stage.server.usage().memory_bytes - before
        cpu = stage.server.usage().cpu_seconds
        await asyncio.sleep(stage.seconds)
        idle_cpu = (stage.server.usage().cpu_seconds - cpu) / stage.seconds
        result = await self._chat(stage, chats[: max(1, count // 100)])
        leave_all(chats)
        return {
            **result,
            "kb_per_socket": grown / count / 1000,
            "sockets": count,
            "connects_per_second": count / took,
            "idle_cpu": idle_cpu,
        }

    @staticmethod
    async def _warm_up(stage: Stage, chats: list) -> None:
        """Do everything once, so that memory of the first use does not count for the sockets."""
        await join_all(stage, chats, SOCKETS_EACH)
        sending = Sending()
        for chat in chats:
            sending.listen(chat.sockets[0])
            sending.send(chat.sockets[0], chat.session_id)
        await asyncio.sleep(1.0)
        leave_all(chats)
        await asyncio.sleep(1.0)

    @staticmethod
    async def _chat(stage: Stage, chats: list) -> Result:
        """Let each of these send one message a second, at different moments."""
        sending = Sending()

        async def talk(number: int) -> None:
            chat = chats[number]
            sending.listen(chat.sockets[0])
            await asyncio.sleep(number / len(chats))
            while True:
                sending.send(chat.sockets[0], chat.session_id)
                await asyncio.sleep(1.0)

        talking = [asyncio.ensure_future(talk(number)) for number in range(len(chats))]
        result = await sending.measure(stage)
        for task in talking:
            task.cancel()
        return result
