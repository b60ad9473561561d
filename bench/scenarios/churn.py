"""(e) Churn: 20 people start a session, get an agent, and end it, again and again."""

from __future__ import annotations

from bench.client import Http
from bench.stage import Result, Stage, add_agents, closed_loop

PEOPLE, AGENTS = 20, 3


class Churn:
    """Start and end, over REST."""

    title = f"(e) start + end, {PEOPLE} people, {AGENTS} agents"
    unit = "sessions"
    with_peer = False

    async def run(self, stage: Stage) -> Result:
        """Measure. One operation is a start and an end."""
        await add_agents(stage, AGENTS)
        callers = []
        for number in range(PEOPLE):
            http = Http(stage.server.port)
            token = (await http.post("/api/auth/token", {"userId": f"churn-{number}"}))["token"]
            http.close()
            callers.append(Http(stage.server.port, Authorization=f"Bearer {token}"))

        async def start_and_end(number: int) -> None:
            started = await callers[number].post("/api/chat/start-session", {"userId": f"churn-{number}"})
            await callers[number].post(f"/api/chat/end-session/{started['sessionId']}")

        result = await closed_loop(stage, PEOPLE, start_and_end)
        for caller in callers:
            caller.close()
        return result
