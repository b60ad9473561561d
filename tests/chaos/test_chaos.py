"""Everything is killed, again and again, while people talk: what was acknowledged is there once, and was seen once.

Two server processes, Valkey between them, one mongod. In each round one of the four is killed with SIGKILL and started
again. ROUNDS (3) and SEED (a random one, printed) come from the environment; `make chaos` runs 50 rounds.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.followers import Follower, Followers
from tests.e2e.mongo import Mongo
from tests.e2e.people import RestReader, RestSender, SocketSender
from tests.e2e.server import Server, wait_until
from tests.e2e.sockets import Node
from tests.e2e.valkey import Valkey
from tests.invariants import violations

ROUNDS = int(os.environ.get("ROUNDS") or 3)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
SESSIONS = 3
DATABASE = "chat-support-chaos"


class World:
    """Two servers, Valkey, mongod."""

    def __init__(self, directory: Path) -> None:
        self.mongo = Mongo(directory / "mongo")
        self.valkey = Valkey()
        self.valkey.start()
        self.servers = [
            Server(
                directory / f"server-{number}",
                self.mongo.uri,
                DATABASE,
                REDIS_URL=self.valkey.url,
                MAX_SOCKETS_PER_CALLER="1000",
                LOG_LEVEL="WARNING",
            )
            for number in range(2)
        ]
        for server in self.servers:
            server.start()

    def kill(self, victim: str, away: float) -> None:
        """Kill one of them, and start it again after `away` seconds."""
        thing: Any = {"mongod": self.mongo, "valkey": self.valkey}.get(victim)
        thing = thing or self.servers[int(victim[-1])]
        thing.kill()
        time.sleep(away)
        thing.start()

    def stop(self) -> None:
        """End everything."""
        for server in self.servers:
            server.clean_up()
        self.valkey.kill()
        self.mongo.stop()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.stop()


@pytest.fixture
def followers(node: Node) -> Iterator[Followers]:
    """The Node process of the clients that use the recipe; `node` has installed what they need."""
    followers = Followers()
    yield followers
    followers.stop()


def victims(generator: random.Random) -> Iterator[str]:
    """Yield whom to kill: each of the four once in four rounds, in an order by chance; the first three unlike."""
    while True:
        servers = ["server-0", "server-1"]
        generator.shuffle(servers)
        first = [servers[0], "mongod", "valkey"]
        generator.shuffle(first)
        yield from first
        yield servers[1]


@pytest.mark.node
@pytest.mark.timeout(90 + 25 * ROUNDS)
def test_what_was_acknowledged_is_stored_once_and_seen_once(world: World, followers: Followers) -> None:
    print(f"\nROUNDS={ROUNDS} SEED={SEED}")
    generator = random.Random(SEED)
    operators = [server.operator() for server in world.servers]
    started = time.monotonic()
    rest_senders: list[RestSender] = []
    socket_senders: list[SocketSender] = []
    rest_readers: dict[str, list[RestReader]] = {}
    clients: dict[str, list[Follower]] = {}
    for number in range(SESSIONS):
        user = f"user-{number}"
        session_id = operators[number % 2].start(user)
        bearers = [server.bearer(make_token(user)) for server in world.servers]
        clients[session_id] = [
            followers.follow(server.url, auth, session_id, transports=transports)
            for server, auth, transports in (
                (world.servers[0], {"token": make_token(user)}, ["websocket"]),
                (world.servers[1], {"apiKey": API_KEY}, ["websocket"]),
                (world.servers[number % 2], {"token": make_token(user)}, ["polling", "websocket"]),
            )
        ]
        rest_readers[session_id] = [RestReader(bearers, session_id, generator.randrange(10**6))]
        rest_senders += [
            RestSender(operators, session_id, f"rest-{number}-{n}", generator.randrange(10**6)) for n in range(2)
        ]
        socket_senders += [
            SocketSender(client, f"socket-{number}-{n}", generator.randrange(10**6))
            for n, client in enumerate(clients[session_id][:2])
        ]
    people = [*rest_senders, *socket_senders, *(reader for readers in rest_readers.values() for reader in readers)]
    for person in people:
        person.start()

    kills: Counter[str] = Counter()
    who = victims(generator)
    for _ in range(ROUNDS):
        time.sleep(generator.uniform(0.3, 2.0))
        victim = next(who)
        kills[victim.partition("-")[0]] += 1
        world.kill(victim, generator.choice([0.0, 0.2, 1.0]))
        assert [person.fault for person in people if person.fault is not None] == []

    time.sleep(1)
    for sender in (*rest_senders, *socket_senders):
        sender.stop()
    for sender in (*rest_senders, *socket_senders):
        sender.wait(40)
    wait_until(lambda: all(sender.all_are_acknowledged() for sender in socket_senders), 40)

    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(world.mongo.uri)
    database = client[DATABASE]
    acknowledged = {
        key: message for sender in (*rest_senders, *socket_senders) for key, message in sender.acknowledged.items()
    }
    stored = list(database.messages.find({"fence": None}))
    assert Counter(message["clientMessageId"] for message in stored) == Counter(acknowledged.keys())
    for message in stored:
        told = acknowledged[message["clientMessageId"]]
        assert (told["id"], told["sessionId"]) == (str(message["_id"]), str(message["sessionId"]))
        assert (told["seq"], told["message"]) == (message["seq"], message["message"])

    seen = 0
    for session_id, session_clients in clients.items():
        history = operators[0].history(session_id)
        assert [message["seq"] for message in history] == list(range(1, len(history) + 1))
        for follower in session_clients:
            follower.wait_for_seq(len(history), 40)
            assert follower.messages == history
            assert not follower.failures
        for reader in rest_readers[session_id]:
            wait_until(lambda reader=reader, history=history: len(reader.messages) >= len(history), 20)
            reader.stop()
            reader.wait(20)
            assert reader.messages == history
        seen += len(history) * (len(session_clients) + len(rest_readers[session_id]))
    wait_until(lambda: violations(database) == [], 60, lambda: f"{violations(database)}")
    client.close()

    reconnections = sum(follower.connections - 1 for followers in clients.values() for follower in followers)
    print(
        f"{ROUNDS} rounds in {time.monotonic() - started:.0f} s; killed: {dict(kills)}; "
        f"{len(acknowledged)} messages acknowledged, all stored once; {seen} deliveries, each once and in order; "
        f"{sum(sender.attempts - len(sender.acknowledged) for sender in rest_senders)} repeats over REST, "
        f"the longest wait {max(sender.longest for sender in rest_senders):.1f} s; {reconnections} reconnections"
    )
