"""`closed`: everybody sends the next message on receiving the last one, which gives the highest throughput."""

from __future__ import annotations

import asyncio
import json

from bench.processes import HERE, LOAD_CORE, Peer, pinned
from bench.stage import Result, Sending, Stage, join_all, leave_all, start_sessions

SESSIONS, SOCKETS_EACH = 100, 2


class Closed:
    """Our own driver."""

    title = "100 sessions × 2 sockets, closed loop"
    unit = "messages"
    peers = (Peer,)

    async def run(self, stage: Stage) -> Result:
        """Measure."""
        chats = await start_sessions(stage, SESSIONS)
        await join_all(stage, chats, SOCKETS_EACH)
        sending = Sending()
        sending.on_own = sending.send
        for chat in chats:
            sending.listen(chat.sockets[0])
            sending.send(chat.sockets[0], chat.session_id)
        result = await sending.measure(stage)
        leave_all(chats)
        return result


class Drive:
    """The same by drive.mjs, which is independent of us: a check that our own driver favours nobody."""

    title = "the same as `closed`, driven by `drive.mjs`"
    unit = "messages"
    peers = (Peer,)
    needs_node = True

    async def run(self, stage: Stage) -> Result:
        """Measure. Latency and throughput are drive.mjs's own; CPU is the server's share during its whole run."""
        base = f"http://127.0.0.1:{stage.server.port}"
        command = ["node", str(HERE / "drive.mjs"), base, str(SESSIONS), str(stage.seconds), "closed"]
        if pinned():
            command = ["taskset", "-c", str(LOAD_CORE), *command]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        figures = json.loads(output)
        return {
            "per_second": figures["msgs_s"],
            **{name: figures[name] for name in ("p50", "p95", "p99")},
            "driver_cpu": figures["drv_cpu"],
            "memory": stage.server.usage().memory_bytes / 1e6,
            "lost": figures["errs"],
        }
