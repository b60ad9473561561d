"""First come, first served, as the database saw it: under load, with one server process and with several.

The change stream of a replica set tells in which order sessions came into the queue and in which order they got their
agents. A session *arrives* with the write that stores it as waiting (or at once as active). Session B *overtakes*
session A when

- A arrived before B: it was stored before B, and the database's stamp (`queuedAt`) says so too,
- A waits at the moment B is assigned,
- and A may have B's agent (A does not avoid that agent).

Two starts overlap where the database stamped them in one order and stored them in the other: both were under way at the
same moment, and neither came first. Nothing else is forgiven: not that a slot became free in between, nor that the two
came to different processes.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pymongo
import pytest

from tests.e2e.replica_set import ReplicaSet
from tests.e2e.server import Server, Servers, wait_until
from tests.e2e.valkey import Valkey
from tests.invariants import violations

AGENTS, SLOTS = 10, 2
STARTERS, ENDERS = 8, 16
STARTS = 320
SHORTEST_QUEUE, LONGEST_QUEUE = 4, 12
"""As many starts and ends as the machine can do, with a short queue, so that slots come free while it is served."""

Document = dict[str, Any]


class Line:
    """The order of arrival and of assignment, followed from the change stream; it also has active sessions ended."""

    def __init__(self, database: Any) -> None:
        self.assigned = 0
        self.overtakings: list[str] = []
        self.active: list[str] = []
        self._database = database
        self._arrivals = 0
        self._waiting: dict[Any, tuple[int, Document]] = {}
        self._stream = database.sessions.watch([], full_document="whenAvailable", max_await_time_ms=100)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._stream.close()

    def count_waiting(self) -> int:
        return len(self._waiting)

    def _follow(self) -> None:
        while not self._stop.is_set():
            change = self._stream.try_next()
            if change is not None:
                self._take(change)

    def _take(self, change: Document) -> None:
        session_id = change["documentKey"]["_id"]
        if change["operationType"] == "insert":
            self._arrivals += 1
            self._waiting[session_id] = (self._arrivals, change["fullDocument"])
            changed = change["fullDocument"]
        else:
            changed = change.get("updateDescription", {}).get("updatedFields", {})
        if changed.get("status") == "active":
            self._assign(session_id, changed["agentId"])
        elif changed.get("status") == "ended" or change["operationType"] == "delete":
            self._waiting.pop(session_id, None)

    def _assign(self, session_id: Any, agent_id: Any) -> None:
        arrival, session = self._waiting.pop(session_id)
        self.assigned += 1
        self.overtakings += [
            f"{session['userId']} before {other['userId']}"
            for other_arrival, other in self._waiting.values()
            if other_arrival < arrival and place(other) < place(session) and other.get("avoidAgentId") != agent_id
        ]
        self.active.append(str(session_id))


def place(session: Document) -> tuple[Any, ...]:
    return session["queuePriority"], session["queuedAt"], session["_id"]


@pytest.fixture(scope="module")
def replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    replica_set = ReplicaSet(tmp_path_factory.mktemp("replica-set"), members=1)
    yield replica_set
    replica_set.stop()


@pytest.fixture
def processes(request: pytest.FixtureRequest, replica_set: ReplicaSet, tmp_path: Path) -> Iterator[list[Server]]:
    """Server processes on one database. If there are several, they share a Valkey."""
    servers = Servers(tmp_path, replica_set.uri, f"line-{request.param}")
    valkey = Valkey()
    valkey.start()
    try:
        shared = {} if request.param == 1 else {"REDIS_URL": valkey.url}
        first = servers.start(**shared)
        yield [first, *(servers.start(MONGODB_DB=first.database, **shared) for _ in range(request.param - 1))]
    finally:
        servers.clean_up()
        valkey.kill()


@pytest.mark.parametrize("processes", [1, 3], indirect=True, ids=["one process", "three processes"])
def test_no_session_overtakes_another(processes: list[Server], replica_set: ReplicaSet) -> None:
    operators = [server.operator() for server in processes]
    for number in range(AGENTS):
        operators[0].create_agent(f"agent {number}", maxUsers=SLOTS)
    with pymongo.MongoClient[Document](replica_set.uri, tz_aware=True) as client:
        database = client[processes[0].database]
        line = Line(database)
        ended = [0] * ENDERS
        all_started = threading.Event()

        def start(number: int) -> None:
            for count in range(STARTS // STARTERS):
                while line.count_waiting() >= LONGEST_QUEUE:
                    time.sleep(0.005)
                random.choice(operators).start(f"user {number}-{count}")

        def end(number: int) -> None:
            while not all_started.is_set() or line.count_waiting():
                if line.count_waiting() < SHORTEST_QUEUE and not all_started.is_set():
                    time.sleep(0.005)
                    continue
                try:
                    session_id = line.active.pop(random.randrange(max(1, len(line.active))))
                except IndexError:
                    time.sleep(0.005)
                    continue
                assert random.choice(operators).post(f"/api/chat/end-session/{session_id}").status == 200
                ended[number] += 1

        try:
            with ThreadPoolExecutor(STARTERS + ENDERS) as pool:
                enders = [pool.submit(end, number) for number in range(ENDERS)]
                try:
                    list(pool.map(start, range(STARTERS)))
                finally:
                    all_started.set()
                for ender in enders:
                    ender.result()
            wait_until(lambda: line.assigned == STARTS, 60, lambda: f"{line.assigned} of {STARTS} were assigned")
        finally:
            line.stop()
        print(
            f"{len(processes)} processes: {STARTS} starts, {sum(ended)} ends, {line.assigned} assignments, "
            f"{len(line.overtakings)} overtakings"
        )
        assert line.overtakings == []
        assert violations(database) == []
