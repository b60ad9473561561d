"""`python -m bench.patches`: what each patch in chatsupport/realtime/ gains, and three means of the message log.

Servers with everything and servers without one patch (`without.py`) run in turns. CPU for one operation is what the
server's processes have used, so it holds on a busy machine too; the medians are of ratios within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import processes
from bench.client import ChatSocket
from bench.fanout import Joined, measure_fanout
from bench.processes import HERE, Mongod, Ours
from bench.run import raise_file_limit
from bench.scenarios import ALL
from bench.stage import Result, Stage, closed_loop, join_all, leave_all, start_sessions

STAYING, RECONNECTING = 1_000, 20
Figures = dict[tuple[str, str], dict[int, Result]]
"""For each scenario and patch, "" for none, the figures of each round."""
METRICS = {
    "cpu_ms": "CPU ms",
    "p50": "p50 ms",
    "kb_per_socket": "KB a socket",
    "hearing_ms": "CPU ms to hear one",
}


class Reconnect:
    """People connect, join and leave again and again, while many others stay, each in a session of its own."""

    async def run(self, stage: Stage) -> Result:
        """Measure. One operation is a connection that joins and goes."""
        chats = await start_sessions(stage, STAYING)
        await join_all(stage, chats, 1)

        async def reconnect(number: int) -> None:
            socket = await ChatSocket.open(stage.server.port, chats[number].token)
            await socket.join(chats[number].session_id)
            socket.close()

        result = await closed_loop(stage, RECONNECTING, reconnect)
        leave_all(chats)
        return result


SCENARIOS = {"closed": ALL["closed"], "open300": ALL["open300"], "idle": ALL["idle"], "reconnect": Reconnect()}
MEASURES = {"closed": ["cpu_ms"], "open300": ["cpu_ms", "p50"], "idle": ["kb_per_socket"], "reconnect": ["cpu_ms"]}
PATCHES = {
    "engine_socket": ["closed", "idle", "reconnect"],
    "direct_write": ["closed"],
    "pinger": ["idle"],
    "receive_next": ["closed"],
    "frames": ["closed"],
    "listen": ["closed", "idle", "reconnect"],
    "deliver": ["closed"],
    "event_packets": ["closed"],
    "rooms_of": ["reconnect"],
    "admission_memory": ["closed", "open300"],
    "more_writers": ["closed", "open300"],
    "room_channels": ["fanout"],
}
"""In which scenarios each may show; `fanout` is measured with two processes and Valkey."""


def without(patch: str) -> type[Ours]:
    """Return a server that runs without a patch; with nothing for "everything"."""

    class Without(Joined):
        name = f"without-{patch}" if patch else "everything"

        def start(self) -> None:
            source = self.directory.parent / f"source-{self.name}"
            if patch and not source.exists():
                processes.copy_source("", source)
                shutil.copy(HERE / "without.py", source)
                entry = source / "wsgi.py"
                begins = "_FAILURE = "
                text = entry.read_text().replace(begins, f"import without\n\nwithout.{patch}()\n\n{begins}", 1)
                entry.write_text(text)
            super().start()

    return Without


def main() -> None:
    """Print a table."""
    options = _options()
    processes.pin_load()
    raise_file_limit()
    directory = Path(tempfile.mkdtemp(prefix="chat-bench-"))
    figures: Figures = {}
    mongod = Mongod()
    try:
        mongod.start()
        for number in range(options.rounds):
            for scenario, patch in _turns(options.only, number):
                server = without(patch)(mongod, f"bench-{scenario}", directory / f"{number}-{scenario}-{patch}")
                result = _measure(scenario, server, options)
                if result is None:
                    continue
                figures.setdefault((scenario, patch), {})[number] = result
                said = ", ".join(f"{result[name]:.3f} {METRICS[name]}" for name in METRICS if name in result)
                print(f"round {number + 1} {scenario} {patch or 'everything'}: {said}", file=sys.stderr, flush=True)
    finally:
        mongod.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(table(figures))


def _turns(patches: list[str], number: int) -> Iterator[tuple[str, str]]:
    """Yield scenarios with the patch to leave out, in an order that rotates with each round."""
    for scenario in [*SCENARIOS, "fanout"]:
        meant = [patch for patch in patches if scenario in PATCHES[patch]]
        if meant:
            yield from ((scenario, patch) for patch in ["", *meant][:: 1 if number % 2 == 0 else -1])


def _measure(scenario: str, server: Joined, options: argparse.Namespace) -> Result | None:
    server.mongod.drop(server.database)
    try:
        if scenario == "fanout":
            return measure_fanout(server, options.seconds)
        stage = Stage(server, options.seconds, name=scenario, idle_sockets=options.idle)
        server.start()
        return asyncio.run(SCENARIOS[scenario].run(stage))
    except (OSError, EOFError, RuntimeError, asyncio.TimeoutError) as error:
        print(f"{scenario} {server.name} failed: {error!r}", file=sys.stderr)
        return None
    finally:
        server.stop()
        server.mongod.drop(server.database)


def table(figures: Figures) -> str:
    """Return the medians, and how much larger a figure is without the patch."""
    lines = ["| without | scenario | figure | with it | without it | difference |", f"|{' --- |' * 6}"]
    for (scenario, patch), results in figures.items():
        whole = figures.get((scenario, ""), {})
        rounds = sorted(whole.keys() & results.keys())
        for name in MEASURES.get(scenario, ["hearing_ms"]) if patch and rounds else ():
            ratios = [results[number][name] / whole[number][name] for number in rounds]
            values = [statistics.median(each[number][name] for number in rounds) for each in (whole, results)]
            lines.append(
                f"| {patch} | {scenario} | {METRICS[name]} | {values[0]:.3f} | {values[1]:.3f} "
                f"| {statistics.median(ratios) - 1:+.0%} ({min(ratios) - 1:+.0%} to {max(ratios) - 1:+.0%}) |"
            )
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.patches", description=__doc__)
    parser.add_argument("--only", default=",".join(PATCHES), help=f"a comma list of {', '.join(PATCHES)}")
    parser.add_argument("--rounds", type=int, default=3, help="how many rounds (3)")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each scenario is measured (6)")
    parser.add_argument("--idle", type=int, default=4_000, help="idle sockets (4000)")
    options = parser.parse_args()
    options.only = options.only.split(",")
    unknown = set(options.only) - set(PATCHES)
    if unknown:
        parser.error(f"--only must be one or more of {', '.join(PATCHES)}")
    return options


if __name__ == "__main__":
    main()
