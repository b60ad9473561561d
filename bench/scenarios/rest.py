"""(d) 200 REST senders, each on its keep-alive connection, each sending when its last message is stored."""

from __future__ import annotations

from bench.client import Http
from bench.stage import TEXT, Result, Stage, closed_loop, start_sessions

SENDERS = 200


class Rest:
    """POST /api/chat/send-message."""

    title = f"(d) {SENDERS} REST senders"
    unit = "messages"
    with_peer = False

    async def run(self, stage: Stage) -> Result:
        """Measure."""
        chats = await start_sessions(stage, SENDERS)
        callers = [Http(stage.server.port, Authorization=f"Bearer {chat.token}") for chat in chats]

        async def send(number: int) -> None:
            await callers[number].post(f"/api/chat/send-message/{chats[number].session_id}", {"message": TEXT})

        result = await closed_loop(stage, SENDERS, send)
        for caller in callers:
            caller.close()
        return result
