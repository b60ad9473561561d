"""Everything that may break: a database of one or three members, a Valkey, servers with their own clocks, and a
receiver of webhooks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo

from tests.chaos.receiver import Receiver
from tests.e2e.clocks import Clock
from tests.e2e.replica_set import ReplicaSet
from tests.e2e.server import Server
from tests.e2e.valkey import Valkey
from tests.e2e.wire_proxy import WireProxy

DATABASE = "chat-support-chaos"
AGENT_GRACE_SECONDS = 5
SLOTS = (1, 2, 2)
"""How many sessions each agent can have."""
OVERFLOW_SECONDS = 2
"""After so long, every agent may have the sessions of one of the two departments."""


class World:
    """Two servers and what they need. If there is one member, a proxy stands between it and each server."""

    def __init__(self, directory: Path, *, members: int = 1, with_valkey: bool = True) -> None:
        self._ends: list[Callable[[], object]] = []
        self.database_set = ReplicaSet(directory / "mongo", members)
        self._ends.append(self.database_set.stop)
        self.proxies: list[WireProxy] = []
        self.clocks: list[Clock] = []
        self.servers: list[Server] = []
        try:
            self.valkey = Valkey() if with_valkey else None
            if self.valkey is not None:
                self.valkey.start()
                self._ends.append(self.valkey.kill)
            self.receiver = Receiver(directory / "received")
            self._ends.append(self.receiver.kill)
            for number in range(2):
                self._add_server(directory / f"server-{number}", self._uri(members))
            client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(self.database_set.uri, tz_aware=True)
            self._ends.append(client.close)
            self.database = client[DATABASE]
            operator = self.servers[0].operator()
            self.receiver.register(operator)
            self.receiver.start()
            self.departments = [
                operator.post("/api/departments", {"name": name, "overflowAfter": overflow}).data["id"]
                for name, overflow in (("Sales", None), ("Support", OVERFLOW_SECONDS))
            ]
            sales, support = self.departments
            self.agent_ids = [
                operator.create_agent(f"agent-{n}", maxUsers=slots, departmentIds=listed)
                for n, (slots, listed) in enumerate(zip(SLOTS, ([sales], None, [support]), strict=True))
            ]
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything."""
        for end in reversed(self._ends):
            end()

    def _uri(self, members: int) -> str:
        if members > 1:
            return self.database_set.uri
        proxy = WireProxy(("127.0.0.1", self.database_set.ports[0]))
        self._ends.append(proxy.close)
        self.proxies.append(proxy)
        return f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"

    def _add_server(self, directory: Path, uri: str) -> None:
        clock = Clock(directory)
        redis = {} if self.valkey is None else {"REDIS_URL": self.valkey.url}
        server = Server(
            directory,
            uri,
            DATABASE,
            MAX_SOCKETS_PER_CALLER="1000",
            AGENT_GRACE=str(AGENT_GRACE_SECONDS),
            LOG_LEVEL="WARNING",
            WEBHOOK_ALLOW="127.0.0.1",
            **redis,
            **clock.environment,
        )
        self._ends.append(server.clean_up)
        self.clocks.append(clock)
        self.servers.append(server)
        server.start()
