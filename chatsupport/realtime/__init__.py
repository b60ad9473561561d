"""All code that reaches into gunicorn, eventlet, python-engineio and python-socketio.

It knows connections, packets and rooms. What they mean is known above: by the `Hooks` that `server.init_app` is given.
README.md says for each patch what it does, why, and how to take it out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

Acknowledge = Callable[[dict[str, Any]], int]
"""Sends an envelope to the client's callback, and returns how many bytes that took."""
Answer = tuple[str, list[tuple[str, str]], bytes]
"""An HTTP status line, headers and a body."""


class HandleEvent(Protocol):
    """Takes an event of a connected socket. `is_behind` tells that the client has not read all we have sent it."""

    def __call__(
        self, sid: str, name: object, arguments: list[Any], acknowledge: Acknowledge | None, *, is_behind: bool
    ) -> None:
        """Handle it; raises nothing."""


@dataclass(frozen=True)
class Hooks:
    """What this package calls. Each Engine.IO connection has an id, and another one as a Socket.IO socket (`sid`)."""

    refuse: Callable[[dict[str, Any]], Answer | None]
    """Looks at a request for a new connection; its answer refuses it."""
    opened: Callable[[str, dict[str, Any]], None]
    """There is a new connection (its id, its environment), not authenticated yet."""
    closed: Callable[[str], None]
    """A connection is gone."""
    may_stray: Callable[[str], bool]
    """A connection has sent a packet that is no event of a socket. False closes it."""
    connect: Callable[[str, dict[str, Any], object], None]
    """A socket connects (its sid, environment, credentials). Raises `ConnectionRefusedError`, and nothing else."""
    disconnect: Callable[[str, str], None]
    """A socket is gone (its sid, why)."""
    event: HandleEvent
    overhear: Callable[[str, Any, Any, Collection[str]], Collection[str] | None]
    """An event is on its way to the sockets here (its name and data, the room, the sids left out).

    Returns the sids to leave out; None if no socket gets it.
    """
    overhear_from_elsewhere: Callable[[str, Any], Collection[str] | None]
    """The same for an event (its name and data) of another process. It must not wait."""
    emptied: Callable[[str], None]
    """The last socket of this process has left a room that has a channel."""
