"""`churn`: 20 people at a time get a token, start a session, get an agent and end it. Then the next 20 come."""

from __future__ import annotations

from itertools import count

from bench.client import Http
from bench.processes import PlainPeer
from bench.stage import Result, Stage, add_agents, closed_loop, start_session

PEOPLE, AGENTS = 20, 3


class Churn:
    """Start and end, over REST."""

    title = f"token + start + end, {PEOPLE} people, {AGENTS} agents"
    unit = "sessions"
    peers = (PlainPeer,)

    async def run(self, stage: Stage) -> Result:
        """Measure. One operation is a token, a start and an end, of a new visitor."""
        await add_agents(stage, AGENTS)
        callers = [Http(stage.server.port) for _ in range(PEOPLE)]
        numbers = count()

        async def start_and_end(number: int) -> None:
            chat = await start_session(callers[number], f"churn-{next(numbers)}")
            await callers[number].post(f"/api/chat/end-session/{chat.session_id}", {"reason": "done"})

        result = await closed_loop(stage, PEOPLE, start_and_end)
        for caller in callers:
            caller.close()
        return result
