"""Measure a start and the choice of an agent, with 10, 1 000 and 10 000 agents, 50 % of them busy.

Measured at the service (`sessions.start`), without HTTP, on a real mongod: the one MONGODB_URI names, or a private one.
With departments, each agent has one to five of them and each start names one.
Each start is followed by an end of an older session, which is not part of the times, so that half of all slots stay
taken. The table below the times shows how MongoDB found the agent: the index, the keys and the documents it looked at.
"""

# ruff: noqa: E402 - the path to the project must be set first.

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

import pymongo.monitoring
from bson import ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion

from chatsupport import documents
from chatsupport.config import Config
from chatsupport.contract.chat import SessionEnd, StartSession
from chatsupport.contract.people import AgentFields
from chatsupport.database import connection
from chatsupport.database.clock import now
from chatsupport.database.embedded import EmbeddedMongo
from chatsupport.documents import Agent, Department, Session
from chatsupport.factory import create_app
from chatsupport.identity import API_KEY_CALLER
from chatsupport.services.people import agents
from chatsupport.services.people.departments import read as read_departments
from chatsupport.services.sessions import ending, starting
from chatsupport.services.sessions.starting import Start

MAX_USERS = 2
DATABASE = "chat-support-bench-assignment"
_EXPLAINABLE = ("findAndModify", "query", "update", "sort", "hint", "new")


_ANY_DATE = CodecOptions[Any](datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""A plan may have dates beyond those of Python, as bounds."""


class Commands(pymongo.monitoring.CommandListener):
    """Counts commands, and keeps the last claim of a slot, so that exactly the sent command is explained."""

    def __init__(self) -> None:
        self.count = 0
        self.claim: dict[str, Any] = {}

    def started(self, event: pymongo.monitoring.CommandStartedEvent) -> None:
        """Count the command, and keep it if it is a claim."""
        self.count += 1
        if event.command_name == "findAndModify" and event.command.get("findAndModify") == "agents":
            self.claim = {name: event.command[name] for name in _EXPLAINABLE if name in event.command}

    def succeeded(self, event: pymongo.monitoring.CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: pymongo.monitoring.CommandFailedEvent) -> None:
        """Nothing to do."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, nargs="+", default=[10, 1_000, 10_000], help="how many (%(default)s)")
    parser.add_argument("--departments", type=int, nargs="+", default=[0, 100], help="how many (%(default)s)")
    parser.add_argument("--starts", type=int, default=1_000, help="starts per measurement (%(default)s)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help="starts at a time (%(default)s)")
    options = parser.parse_args()
    commands = Commands()
    pymongo.monitoring.register(commands)
    with mongodb() as uri:
        create_app(configuration(uri))
        print(f"{'agents':>8}{'departments':>13}{'clients':>9}{'starts/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
        explained = []
        try:
            for count, departments in itertools.product(options.agents, options.departments):
                if departments * 8 > count:
                    continue  # Some departments would have no free agents.
                for clients in options.clients:
                    open_sessions = fill(count, departments)
                    measure(open_sessions, clients, min(200, options.starts))
                    figures = measure(open_sessions, clients, options.starts)
                    print(row(count, departments, clients, *figures), flush=True)
                explained.append((count, departments, commands_of_a_start(commands), *explain(commands.claim)))
        finally:
            connection.database().client.drop_database(DATABASE)
        print(
            f"\n{'agents':>8}{'departments':>13}{'commands a start':>18}{'keys':>7}{'docs':>7}  the claim was served by"
        )
        for count, departments, commands_sent, keys, looked_at, plan in explained:
            print(f"{count:>8}{departments:>13}{commands_sent:>18}{keys:>7}{looked_at:>7}  {plan}")


@contextmanager
def mongodb() -> Iterator[str]:
    """Use the MongoDB of MONGODB_URI, or start one."""
    given = os.environ.get("MONGODB_URI")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as directory:
        server = EmbeddedMongo(Path(directory))
        try:
            yield server.start()
        finally:
            server.stop()


def configuration(uri: str) -> Config:
    """Return a configuration that measures only the starts."""
    return Config(
        jwt_secret="only-for-this-measurement-0123456789",
        app_env="testing",
        mongodb_uri=uri,
        mongodb_db=DATABASE,
        log_level="WARNING",
        log_to_files=False,
        rate_limits=False,
        async_mode="threading",
        timed_work=False,
    )


_departments: list[ObjectId] = []
"""The departments of the current measurement."""


def fill(count: int, departments: int) -> deque[ObjectId]:
    """Store departments, and agents with half of their slots taken, and return the sessions."""
    for document in documents.ALL:
        document.collection().delete_many({})
    chance, taken, rows = random.Random(count), [], []
    _departments[:] = [ObjectId() for _ in range(departments)]
    times = {"createdAt": now(), "updatedAt": now()}
    names = [{"_id": one, "name": str(one), "key": str(one), "overflowAfter": None, **times} for one in _departments]
    if names:
        Department.collection().insert_many(names)
    read_departments()
    for number in range(count):
        agent = agents._document(AgentFields(name=f"agent {number}", max_users=MAX_USERS))
        if departments:
            agent["departmentIds"] = agents._stored(chance.sample(_departments, chance.randint(1, min(5, departments))))
        # One has no session, two have one, one is full; and so on.
        for place in range((number % 4 + 1) // 2):
            session = {**starting._new(f"user {number}-{place}", "user"), "status": "active", "agentId": agent["_id"]}
            taken.append(session)
            agent["activeSessions"].append(session["_id"])
            agent["activeUsers"].append(session["userId"])
        agent["load"] = len(agent["activeSessions"])
        agent["hasRoom"] = agent["load"] < MAX_USERS
        rows.append(agent)
    Agent.collection().insert_many(rows)
    Session.collection().insert_many(taken)
    chance.shuffle(taken)
    return deque(session["_id"] for session in taken)


def measure(open_sessions: deque[ObjectId], clients: int, starts: int) -> tuple[float, list[float]]:
    """Start sessions. Returns the starts per second of all clients together, and the seconds of each."""
    numbers, mutex, times = iter(range(starts)), threading.Lock(), list[float]()

    def client(name: int) -> None:
        while True:
            with mutex:
                number = next(numbers, None)
            if number is None:
                return
            began = time.perf_counter()
            started, _ = starting.start(_asked(f"{name} {number} {began}"))
            times.append(time.perf_counter() - began)
            assert started["status"] == "active", started
            open_sessions.append(ObjectId(started["sessionId"]))
            ending.end(API_KEY_CALLER, open_sessions.popleft(), SessionEnd(reason="measured"))

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return clients * len(times) / sum(times), times


def commands_of_a_start(commands: Commands) -> int:
    """Return how many commands a start sends to MongoDB."""
    before = commands.count
    starting.start(_asked("somebody new"))
    return commands.count - before


def _asked(user_id: str) -> Start:
    department_id = str(random.choice(_departments)) if _departments else None
    return Start(caller=API_KEY_CALLER, wanted=StartSession.parse({"userId": user_id, "departmentId": department_id}))


def row(count: int, departments: int, clients: int, rate: float, times: list[float]) -> str:
    """Return one line of the table."""
    p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
    figures = "".join(f"{seconds * 1000:>9.1f}" for seconds in (p50, p99, max(times)))
    return f"{count:>8}{departments:>13}{clients:>9}{rate:>10.0f}{figures}"


def explain(claim: dict[str, Any]) -> tuple[int, int, str]:
    """Return the keys and documents that MongoDB examined for a claim, and its plan in words."""
    plan = connection.database().command("explain", claim, verbosity="executionStats", codec_options=_ANY_DATE)
    stages, stage = [], plan["queryPlanner"]["winningPlan"]
    while stage:
        stages.append(f"{stage['stage']} {stage['indexName']}" if "indexName" in stage else stage["stage"])
        stage = stage.get("inputStage") or next(iter(stage.get("inputStages", ())), None)
    figures = plan["executionStats"]
    return figures["totalKeysExamined"], figures["totalDocsExamined"], " < ".join(stages)


if __name__ == "__main__":
    main()
