"""`token`, `read`, `page`, `send`: one REST call, again and again on each of 50 keep-alive connections."""

from __future__ import annotations

from bench.client import Http, in_turns
from bench.processes import PlainPeer
from bench.stage import TEXT, Chat, Result, Stage, closed_loop, start_sessions

CONNECTIONS, PAGE = 50, 50


class Rest:
    """Everybody has a session with an agent, and makes the next call when the last one is answered."""

    title = ""
    unit = "calls"
    peers = (PlainPeer,)
    messages = 0
    """How many are in each session beforehand."""

    async def run(self, stage: Stage) -> Result:
        """Measure."""
        chats = await start_sessions(stage, CONNECTIONS)
        callers = [Http(stage.server.port, Authorization=f"Bearer {chat.token}") for chat in chats]

        async def write(number: int) -> None:
            for _ in range(self.messages):
                await _send(callers[number], chats[number])

        await in_turns(CONNECTIONS, CONNECTIONS, write)
        result = await closed_loop(stage, CONNECTIONS, lambda number: self.call(callers[number], chats[number]))
        for caller in callers:
            caller.close()
        return result

    async def call(self, http: Http, chat: Chat) -> None:
        """Make one call."""
        raise NotImplementedError


class Token(Rest):
    """POST /api/auth/token."""

    title = f"one token each, {CONNECTIONS} connections"

    async def call(self, http: Http, chat: Chat) -> None:
        await http.post("/api/auth/token", {"userId": chat.user_id, "userType": "user"})


class Read(Rest):
    """GET /api/chat/session/:id."""

    title = f"session read, {CONNECTIONS} connections"

    async def call(self, http: Http, chat: Chat) -> None:
        await http.get(f"/api/chat/session/{chat.session_id}")


class Page(Rest):
    """GET /api/chat/messages/:id."""

    title = f"first history page of {PAGE}, {CONNECTIONS} connections"
    messages = PAGE

    async def call(self, http: Http, chat: Chat) -> None:
        page = await http.get(f"/api/chat/messages/{chat.session_id}", limit=PAGE, offset=0)
        assert len(page["messages"]) == PAGE


class Send(Rest):
    """POST /api/chat/send-message/:id."""

    title = f"REST send, {CONNECTIONS} connections"

    async def call(self, http: Http, chat: Chat) -> None:
        await _send(http, chat)


async def _send(http: Http, chat: Chat) -> None:
    await http.post(f"/api/chat/send-message/{chat.session_id}", {"message": TEXT})
