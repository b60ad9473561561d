"""Random starts, ends, transfers, and changes of agents and departments, on two processes: the rules hold.

Many clients act at once.

The seed is printed with a failure; SEED=… replays it.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pymongo
import pymongo.database
import pytest

from chatsupport.services.assignment import reconciliation
from tests.e2e.pairs import two_processes
from tests.e2e.server import Server, Servers, wait_until
from tests.invariants import violations

SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
ACTIONS, CLIENTS, USERS = 300, 30, 24
Database = pymongo.database.Database[dict[str, Any]]


@pytest.fixture
def two_servers(servers: Servers) -> Iterator[tuple[Server, Server]]:
    """Two processes on one database and one Valkey."""
    with two_processes(servers) as both:
        yield both


@pytest.fixture
def database(two_servers: tuple[Server, Server], mongodb_uri: str) -> Iterator[Database]:
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongodb_uri, tz_aware=True)
    yield client[two_servers[0].database]
    client.close()


ACTIONS_BY_WEIGHT = {
    "start": 20,
    "end": 12,
    "transfer": 6,
    "online": 4,
    "lists": 3,
    "department": 2,
    "overflow": 1,
    "delete": 1,
}


class Clients:
    """Clients that do random things to random servers. Answers of a killed server do not count."""

    def __init__(self, servers: tuple[Server, Server], seed: int) -> None:
        self.servers = servers
        self.seed = seed
        self.agents: list[str] = []
        self.sessions: list[str] = []
        self.departments: list[str] = []
        self.unexpected: list[str] = []

    def run(self, actions: int) -> None:
        """Share the actions between the clients and wait for all of them."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._client, range(CLIENTS), [actions // CLIENTS] * CLIENTS))

    def _client(self, number: int, actions: int) -> None:
        chance = random.Random(f"{self.seed}-{number}")
        for _ in range(actions):
            kind = chance.choices(list(ACTIONS_BY_WEIGHT), list(ACTIONS_BY_WEIGHT.values()))[0]
            operator = chance.choice(self.servers).operator()
            method, path, body, allowed = self._action(kind, chance)
            try:
                reply = operator.request(method, path, body)
            except OSError:
                continue  # The server was killed.
            if reply.status not in allowed:
                self.unexpected.append(f"{kind}: {reply.status} {reply.body}")
            elif kind == "start" and reply.status != 404:
                self.sessions.append(reply.data["sessionId"])
            elif kind == "department" and reply.status == 201:
                self.departments.append(reply.data["id"])

    def _action(self, kind: str, chance: random.Random) -> tuple[str, str, Any, set[int]]:
        session = chance.choice(self.sessions) if self.sessions else "0" * 24
        agent, department = chance.choice(self.agents), chance.choice([None, *self.departments[-4:]])
        if kind == "end":
            return "POST", f"/api/chat/end-session/{session}", {}, {200, 404}
        if kind == "transfer":
            to = {"agentId": chance.choice([None, agent])}
            if chance.random() < 0.5:
                to["departmentId"] = department
            return "POST", f"/api/chat/transfer/{session}", to, {200, 400, 404, 409}
        if kind == "online":
            return "PATCH", f"/api/agents/{agent}", {"isOnline": chance.random() < 0.7}, {200}
        if kind == "lists":
            listed = chance.choice([None, [], *([one] for one in self.departments[-4:])])
            return "PATCH", f"/api/agents/{agent}", {"departmentIds": listed}, {200, 404}
        if kind == "department":
            new = {"name": f"department {chance.random()}", "overflowAfter": chance.choice([None, None, 1])}
            return "POST", "/api/departments", new, {201, 409}
        if kind == "overflow":
            path, changes = f"/api/departments/{department}", {"overflowAfter": chance.choice([None, 1])}
            return "PATCH", path, changes, {200, 404}
        if kind == "delete":
            return "DELETE", f"/api/departments/{department}", None, {200, 404}
        body = {"userId": f"user-{chance.randrange(USERS)}", "departmentId": department}
        return "POST", "/api/chat/start-session", body, {200, 201, 404}


def prepare(servers: tuple[Server, Server]) -> Clients:
    clients = Clients(servers, SEED)
    operator = servers[0].operator()
    clients.agents = [operator.create_agent(f"agent-{number}", maxUsers=number % 3 + 1) for number in range(6)]
    clients.departments = [
        operator.post("/api/departments", {"name": name, "overflowAfter": overflow}).data["id"]
        for name, overflow in (("Sales", 1), ("Support", None))
    ]
    for number, agent in enumerate(clients.agents[:4]):
        operator.request("PATCH", f"/api/agents/{agent}", {"departmentIds": clients.departments[number % 2 :]})
    return clients


def watch(database: Database, stop: threading.Event, found: list[str]) -> None:
    """Check again and again for states that must never occur, not even for a moment."""
    while not stop.wait(0.05):
        found += [f"for a moment: agent {agent['name']}" for agent in database.agents.find(OVERFULL)]


OVERFULL = {"$expr": {"$gt": [{"$size": "$activeUsers"}, "$maxUsers"]}}


def while_watching(database: Database, work: Callable[[], None]) -> list[str]:
    stop, found = threading.Event(), list[str]()
    watcher = threading.Thread(target=watch, args=(database, stop, found))
    watcher.start()
    try:
        work()
    finally:
        stop.set()
        watcher.join()
    return found


@pytest.mark.timeout(240)
def test_the_rules_hold_after_random_actions(two_servers: tuple[Server, Server], database: Database) -> None:
    clients = prepare(two_servers)

    momentary = while_watching(database, lambda: clients.run(ACTIONS))

    assert momentary == [], f"SEED={SEED}"
    assert clients.unexpected == [], f"SEED={SEED}"
    # A session of a deleted department may have been stored a moment later, and some are about to overflow.
    wait_until(lambda: violations(database) == [], 40, lambda: f"SEED={SEED}: {violations(database)}")
    for server in two_servers:
        assert "Repaired" not in server.output(), f"SEED={SEED}"


@pytest.mark.timeout(300)
def test_the_rules_hold_after_kills_in_the_middle(two_servers: tuple[Server, Server], database: Database) -> None:
    clients = prepare(two_servers)
    victim = two_servers[1]

    def work() -> None:
        for _ in range(3):
            runner = threading.Thread(target=clients.run, args=(ACTIONS // 3,))
            runner.start()
            before = len(clients.sessions)
            wait_until(lambda before=before: len(clients.sessions) >= before + 15)
            victim.kill()
            runner.join()
            victim.restart()

    momentary = while_watching(database, work)

    assert momentary == [], f"SEED={SEED}"
    assert [reply for reply in clients.unexpected if not reply.startswith("start: 503")] == [], f"SEED={SEED}"
    # The last killed process may have held the reconciler's lease, and suspicious states are checked twice.
    patience = reconciliation.LEASE_SECONDS + reconciliation.SECOND_LOOK_SECONDS + 20
    wait_until(lambda: violations(database) == [], patience, lambda: f"SEED={SEED}: {violations(database)}")
