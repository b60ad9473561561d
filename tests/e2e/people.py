"""Who talks and who listens while everything around them is killed.

A sender repeats each message, with the same clientMessageId, until it is acknowledged. A reader follows the recipe of
docs/events.md: it keeps the last seq it has shown, and asks for what comes after it.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Any

from tests.e2e.followers import Follower
from tests.e2e.rest import Rest

# What a client repeats; anything else the server says of a message that is in order is a fault of the server's.
PASSING = ("DATABASE_UNAVAILABLE", "RATE_LIMITED")


class Person:
    """Somebody with a thread of their own, who goes on until told to stop."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.fault: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what was begun, and no more."""
        self._over.set()

    def wait(self, seconds: float) -> None:
        """Wait for the end; raise what went wrong."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"{type(self).__name__} has not come to an end: {self.state()}"
        if self.fault is not None:
            raise self.fault

    def go_on(self) -> None:
        raise NotImplementedError

    def state(self) -> str:
        """Return what helps to find out why it does not get on."""
        return ""

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self.go_on()
        except BaseException as error:  # noqa: BLE001 - `wait` raises it
            self.fault = error


class RestSender(Person):
    """Sends over REST, each attempt to either server."""

    def __init__(self, servers: list[Rest], session_id: str, name: str, seed: int) -> None:
        super().__init__()
        self._servers = servers
        self._session_id = session_id
        self._name = name
        self._random = random.Random(seed)
        self.acknowledged: dict[str, dict[str, Any]] = {}
        self.attempts = 0
        self.longest = 0.0

    def go_on(self) -> None:
        """Send one message until it is acknowledged."""
        key = f"{self._name}-{len(self.acknowledged)}"
        while True:
            self.attempts += 1
            started = time.monotonic()
            try:
                reply = self._random.choice(self._servers).send(self._session_id, key, clientMessageId=key)
            except (OSError, ValueError):
                reply = None  # The server was killed, or is not back yet.
            self.longest = max(self.longest, time.monotonic() - started)
            if reply is not None and reply.status in (200, 201):
                self.acknowledged[key] = reply.data["message"]
                time.sleep(self._random.uniform(0, 0.02))
                return
            assert reply is None or reply.body["code"] in PASSING, reply
            time.sleep(self._random.uniform(0.02, 0.2))


class SocketSender(Person):
    """Sends through a client in Node, which repeats by itself."""

    def __init__(self, client: Follower, name: str, seed: int) -> None:
        super().__init__()
        self._client = client
        self._name = name
        self._random = random.Random(seed)
        self.sent = 0

    @property
    def acknowledged(self) -> dict[str, dict[str, Any]]:
        """What was acknowledged, by clientMessageId."""
        return self._client.sent

    def go_on(self) -> None:
        """Send one message, a few at a time under way."""
        while self.sent - len(self._client.sent) >= 5:
            time.sleep(0.005)
            assert not self._client.failures, self._client.failures
        self._client.send(f"{self._name}-{self.sent}", f"{self._name}-{self.sent}")
        self.sent += 1
        time.sleep(self._random.uniform(0, 0.03))

    def state(self) -> str:
        client = self._client
        return (
            f"{self._name}: {len(client.sent)} of {self.sent} acknowledged, {len(client.messages)} seen, "
            f"{client.connections} connections, disconnected {client.disconnections}, {client.failures}"
        )

    def all_are_acknowledged(self) -> bool:
        return len(self._client.sent) == self.sent


class RestReader(Person):
    """Reads over REST, now from one server, now from the other."""

    def __init__(self, servers: list[Rest], session_id: str, seed: int) -> None:
        super().__init__()
        self._servers = servers
        self._session_id = session_id
        self._random = random.Random(seed)
        self.messages: list[dict[str, Any]] = []

    def go_on(self) -> None:
        """Ask for what is new."""
        after = self.messages[-1]["seq"] if self.messages else 0
        try:
            server = self._random.choice(self._servers)
            reply = server.get(f"/api/chat/messages/{self._session_id}", after=after, limit=100)
        except (OSError, ValueError):
            reply = None
        if reply is not None and reply.status == 200:
            self.messages += reply.data["messages"]
        else:
            assert reply is None or reply.body["code"] in PASSING, reply
        time.sleep(self._random.uniform(0.02, 0.2))
