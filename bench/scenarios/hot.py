"""`hot`: one session, two sockets with 50 messages in flight each. All of them want the next seq of one session."""

from __future__ import annotations

from bench.processes import Peer
from bench.stage import Result, Sending, Stage, join_all, leave_all, start_sessions

IN_FLIGHT = 50


class Hot:
    """Pipelining."""

    title = f"one session, 2 sockets pipelining {IN_FLIGHT} each"
    unit = "messages"
    peers = (Peer,)

    async def run(self, stage: Stage) -> Result:
        """Measure."""
        chats = await start_sessions(stage, 1)
        await join_all(stage, chats, 2)
        sending = Sending()
        sending.on_own = sending.send
        for socket in chats[0].sockets:
            sending.listen(socket)
            for _ in range(IN_FLIGHT):
                sending.send(socket, chats[0].session_id)
        result = await sending.measure(stage)
        leave_all(chats)
        return result
