"""`make bench`: run the scenarios against ours, an earlier commit and the peers in turns, and write the tables.

README.md explains it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pymongo

from bench import old, processes, report
from bench.processes import Base, Mongod, Ours, Server
from bench.scenarios import ALL
from bench.stage import Result, Stage

OLD_MESSAGES_EACH = 2
MAIN = ["closed", "hot", "open300", "token", "churn", "read", "page", "send", "arrivals", "rejoin"]


def main() -> None:
    """Run the scenarios of the command line."""
    options = _options()
    # When this program ends, by Ctrl-C or otherwise, everything that it has started ends too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    raise_file_limit()
    processes.pin_load()
    with_peers = options.peer and _node_is_there()
    names = options.only.split(",") if options.only else MAIN if options.short else list(ALL)
    machine = report.machine()
    if options.base:
        Base.revision = machine["base"] = processes.commit_of(options.base)
    directory = Path(tempfile.mkdtemp(prefix="chat-bench-"))
    results: dict[str, dict[str, list[Result]]] = {}
    loads: list[float] = []
    mongod = Mongod()
    try:
        mongod.start()
        machine["MongoDB"] = mongod.version()
        for number in range(options.rounds):
            for name in names:
                # In turns, scenario by scenario: a machine's speed drifts, and all sides should meet the same
                # conditions.
                sides = [Ours, *([Base] if options.base else []), *(ALL[name].peers if with_peers else ())]
                for side in sides[:: 1 if number % 2 == 0 else -1]:
                    loads.append(os.getloadavg()[0])
                    result = _run(name, side, mongod, directory / f"{number}-{name}", options)
                    if result is not None:
                        results.setdefault(name, {}).setdefault(side.name, []).append(result)
                        print(report.line(name, side.name, number + 1, result), flush=True)
                        if options.json:
                            Path(options.json).write_text(json.dumps({"machine": machine, "results": results}))
    finally:
        mongod.stop()
    shutil.rmtree(directory, ignore_errors=True)
    machine["load average at the start of each run"] = f"{min(loads):.1f} to {max(loads):.1f}"
    text = report.tables(results, machine, options.rounds)
    print("\n" + text)
    if not (options.quick or options.only or options.old):
        report.write(report.PAGE, text)
        print(f"\nWritten to {report.PAGE.relative_to(processes.PROJECT)}")


def _run(name: str, side: type[Server], mongod: Mongod, directory: Path, options: argparse.Namespace) -> Result | None:
    scenario = ALL[name]
    if getattr(scenario, "needs_node", False) and not _has_node():
        return None
    database = f"bench-{side.name.replace(' ', '-')}"
    mongod.drop(database)
    server = side(mongod, database, directory)
    stage = Stage(server, options.seconds, options.quick, name=name)
    stage.history_messages = options.history
    stage.idle_sockets, stage.rejoining_sockets, stage.arrivals = options.idle, options.rejoin, options.arrivals
    server.start()
    if options.old and isinstance(server, Ours):
        with pymongo.MongoClient(mongod.uri) as client:
            old.fill(client[database], options.old, OLD_MESSAGES_EACH)
    try:
        return asyncio.run(scenario.run(stage))
    except (OSError, EOFError, RuntimeError, asyncio.TimeoutError) as error:
        print(f"{name} {side.name} failed: {error!r}", file=sys.stderr)
        return None
    finally:
        server.stop()
        mongod.drop(database)
        time.sleep(0.5)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round; writes no page")
    parser.add_argument("--short", action="store_true", help="the main scenarios in two short rounds, 12 minutes")
    parser.add_argument("--rounds", type=int, help="how many rounds; the tables show their medians")
    parser.add_argument("--seconds", type=float, help="how long each scenario is measured")
    parser.add_argument("--only", help=f"a comma list of {', '.join(ALL)}; writes no page")
    parser.add_argument("--base", metavar="REVISION", help="a commit to run in turns with the files as they are now")
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="leave the Node.js peers out")
    parser.add_argument("--history", type=int, help="messages of the large session (200000)")
    parser.add_argument("--idle", type=int, help="idle sockets (10000, quick 2000)")
    parser.add_argument("--rejoin", type=int, help="rejoining sockets (1000, quick 200)")
    parser.add_argument("--old", type=int, default=0, help="ended sessions in our database beforehand (none)")
    parser.add_argument("--arrivals", type=int, help="arriving people (3000, quick 300)")
    parser.add_argument("--json", help="write every round's figures to this file, after each of them")
    options = parser.parse_args()
    unknown = set((options.only or "closed").split(",")) - set(ALL)
    if unknown:
        parser.error(f"--only must be one or more of {', '.join(ALL)}")
    quick = options.quick
    if options.short:
        options.rounds, options.seconds = options.rounds or 2, options.seconds or 3.0
        options.arrivals = options.arrivals or 1_000
    options.rounds = options.rounds or (1 if quick else 3)
    options.seconds = options.seconds or (2.0 if quick else 6.0)
    options.history = options.history or (20_000 if quick else 200_000)
    options.idle = options.idle or (2_000 if quick else 10_000)
    options.rejoin = options.rejoin or (200 if quick else 1_000)
    options.arrivals = options.arrivals or (300 if quick else 3_000)
    return options


def _has_node() -> bool:
    return shutil.which("node") is not None and (processes.HERE / "node_modules").is_dir()


def _node_is_there() -> bool:
    if _has_node():
        return True
    print("No Node.js, or no `npm ci` in bench: the peers and drive.mjs are left out.", file=sys.stderr)
    return False


def raise_file_limit() -> None:
    """Allow as many sockets as the system does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
