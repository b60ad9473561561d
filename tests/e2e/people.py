"""People who write while everything around them is killed. Each call is repeated until it is answered."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.e2e.rest import Reply, Rest

# A client repeats these. Any other refusal of a valid message is a fault of the server.
PASSING = ("DATABASE_UNAVAILABLE", "RATE_LIMITED")
PATIENCE_SECONDS = 120.0


class Person:
    """Somebody with a thread, who goes on until told to stop. Each call goes to any of the servers."""

    def __init__(self, servers: Sequence[Rest] = (), seed: int = 0) -> None:
        self._servers = servers
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.fault: BaseException | None = None
        self.attempts = 0
        self.longest = 0.0
        """The longest time a single attempt took."""
        self.longest_outage = 0.0
        """The longest time until a call was answered, all attempts together."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the current work, and stop."""
        self._over.set()

    def wait(self, seconds: float) -> None:
        """Wait for the end, and raise the error, if any."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"{type(self).__name__} has not come to an end: {self.state()}"
        if self.fault is not None:
            raise self.fault

    def go_on(self) -> None:
        raise NotImplementedError

    def state(self) -> str:
        """Return the state that helps to find out why it does not finish."""
        return ""

    def answered(self, call: Callable[[Rest], Reply]) -> Reply:
        """Repeat a call until its answer is not "try again", and return the answer."""
        begun = time.monotonic()
        while True:
            started = time.monotonic()
            self.attempts += 1
            reply = None
            with contextlib.suppress(OSError, ValueError):  # The server was killed, or is not back yet.
                reply = call(self._random.choice(self._servers))
            now = time.monotonic()
            self.longest = max(self.longest, now - started)
            if reply is not None and (reply.status < 400 or reply.body["code"] not in PASSING):
                self.longest_outage = max(self.longest_outage, now - begun)
                return reply
            assert now - begun < PATIENCE_SECONDS, f"not answered for {now - begun:.0f} s, the last time with {reply}"
            time.sleep(self._random.uniform(0.02, 0.2))

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self.go_on()
        except BaseException as error:  # noqa: BLE001 - `wait` raises it
            self.fault = error


class RestSender(Person):
    """Sends over REST, each attempt to either server."""

    def __init__(self, servers: list[Rest], session_id: str, name: str, seed: int) -> None:
        super().__init__(servers, seed)
        self._session_id = session_id
        self._name = name
        self.acknowledged: dict[str, dict[str, Any]] = {}

    def go_on(self) -> None:
        """Send one message until it is acknowledged."""
        key = f"{self._name}-{len(self.acknowledged)}"
        reply = self.answered(lambda server: server.send(self._session_id, key, clientMessageId=key))
        assert reply.status in (200, 201), reply
        self.acknowledged[key] = reply.data["message"]
        time.sleep(self._random.uniform(0, 0.02))
