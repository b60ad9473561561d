"""All code that reaches into gunicorn, eventlet, python-engineio and python-socketio.

It handles connections, packets and rooms. Their meaning is in the layer above, in the `Hooks` given to
`server.init_app`. README.md says for each patch what it does, why, and how to take it out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

Acknowledge = Callable[[dict[str, Any]], int]
"""Sends an envelope to the client's callback, and returns the number of bytes."""
Answer = tuple[str, list[tuple[str, str]], bytes]
"""An HTTP status line, headers and a body."""


class HandleEvent(Protocol):
    """Handles an event of a connected socket. `is_behind` says that the client has not read everything we have sent."""

    def __call__(
        self, sid: str, name: object, arguments: list[Any], acknowledge: Acknowledge | None, *, is_behind: bool
    ) -> None:
        """Handle the event. Raises nothing."""


@dataclass(frozen=True)
class Hooks:
    """The functions that this package calls. A connection has an Engine.IO id, and a Socket.IO id (`sid`)."""

    refuse: Callable[[dict[str, Any]], Answer | None]
    """Checks a request for a new connection. If it returns an answer, the connection is refused with it."""
    opened: Callable[[str, dict[str, Any]], None]
    """There is a new connection (its id, its environment), not authenticated yet."""
    closed: Callable[[str], None]
    """A connection is gone."""
    may_stray: Callable[[str], bool]
    """A connection has sent a packet that is not an event of a socket. False closes it."""
    connect: Callable[[str, dict[str, Any], object], None]
    """A socket connects (its sid, environment, credentials). Raises `ConnectionRefusedError`, and nothing else."""
    disconnect: Callable[[str, str], None]
    """A socket is gone (its sid, the reason)."""
    event: HandleEvent
    overhear: Callable[[str, Any, Any, Collection[str]], Collection[str] | None]
    """An event is on its way to the sockets here (its name and data, the room, the sids left out).

    Returns the sids to leave out; None if no socket gets it.
    """
    overhear_from_elsewhere: Callable[[str, Any], Collection[str] | None]
    """The same for an event (its name and data) of another process. It must not wait."""
    emptied: Callable[[str], None]
    """The last socket of this process has left a room that has a channel."""
