"""The interface of the tests' Socket.IO clients: emit events, and wait for received ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

WAIT_SECONDS = 40.0

Match = Callable[[Any], bool]


class Socket:
    """The common part of both clients: events and acknowledgements, each recorded as it arrives."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._events: list[tuple[str, Any]] = []
        self._acknowledgements: dict[str, list[Any]] = {}
        self._emitted = 0

    def events(self, name: str) -> list[Any]:
        """Return the payloads of an event so far, oldest first."""
        with self._arrived:
            return [data for event, data in self._events if event == name]

    def wait_for(
        self, name: str, match: Match = lambda data: True, *, count: int = 1, seconds: float = WAIT_SECONDS
    ) -> Any:
        """Wait for the `count`-th such event, which may have arrived before, and return its payload."""
        found: list[Any] = []

        def arrived() -> bool:
            found[:] = [data for event, data in self._events if event == name and match(data)]
            return len(found) >= count

        self._wait(arrived, f"the event {name}, {count} time(s)", seconds)
        return found[count - 1]

    def wait_for_connection(self) -> None:
        """Wait until the client is connected or was refused."""
        names = ("connect", "connect_error")
        self._wait(lambda: any(event in names for event, _ in self._events), " or ".join(names))

    def call(self, name: str, payload: Any = None) -> dict[str, Any]:
        """Emit an event, wait for its acknowledgement and return the envelope."""
        (key,) = self.pipeline([(name, payload)])
        return self.wait_for_acknowledgements([key])[key]

    def pipeline(self, events: Sequence[tuple[str, Any]]) -> list[str]:
        """Emit all at once, without waiting. Returns a key for each acknowledgement."""
        keys = [f"{self._emitted + number}" for number in range(len(events))]
        self._emitted += len(events)
        with self._arrived:
            self._acknowledgements.update((key, []) for key in keys)
        self._emit([(name, payload, key) for (name, payload), key in zip(events, keys, strict=True)])
        return keys

    def emit(self, name: str, payload: Any = None) -> None:
        """Emit an event without asking for an acknowledgement."""
        self._emit([(name, payload, None)])

    def wait_for_acknowledgements(self, keys: Sequence[str], count: int | None = None) -> dict[str, Any]:
        """Wait until `count` (or all) of these events are acknowledged, and return the acknowledgements."""
        wanted = len(keys) if count is None else count

        def arrived() -> bool:
            return sum(bool(self._acknowledgements[key]) for key in keys) >= wanted

        self._wait(arrived, f"{wanted} of {len(keys)} acknowledgement(s)")
        return self.acknowledgements(keys)

    def acknowledgements(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the acknowledgements so far. None may have come twice."""
        with self._arrived:
            for key in keys:
                assert len(self._acknowledgements[key]) <= 1, f"acknowledged twice: {self._acknowledgements[key]}"
            return {key: self._acknowledgements[key][0] for key in keys if self._acknowledgements[key]}

    def join(self, session_id: str, **fields: Any) -> dict[str, Any]:
        """Join a session and return the payload of `session_joined`."""
        envelope = self.call("join_session", {"sessionId": session_id, **fields})
        assert envelope["success"], envelope
        joined: dict[str, Any] = envelope["data"]
        return joined

    def send(self, session_id: str, text: str, **fields: Any) -> dict[str, Any]:
        """Send a message and return it as it was stored."""
        envelope = self.call("send_message", {"sessionId": session_id, "message": text, **fields})
        assert envelope["success"], envelope
        message: dict[str, Any] = envelope["data"]["message"]
        return message

    def close(self) -> None:
        """Disconnect."""
        raise NotImplementedError

    @property
    def transport(self) -> str:
        """The current transport: `websocket` or `polling`."""
        raise NotImplementedError

    def _emit(self, events: Sequence[tuple[str, Any, str | None]]) -> None:
        raise NotImplementedError

    def _record(self, name: str, data: Any) -> None:
        with self._arrived:
            self._events.append((name, data))
            self._arrived.notify_all()

    def _acknowledged(self, key: str, data: Any) -> None:
        with self._arrived:
            self._acknowledgements[key].append(data)
            self._arrived.notify_all()

    def _wait(self, condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        with self._arrived:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0 or not self._arrived.wait(left):
                    assert condition(), f"{type(self).__name__} waited for {what}; seen: {self._events[-5:]}"
