"""Two server processes that share a database and a Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.server import Server, Servers
from tests.e2e.valkey import Valkey

Both = tuple[Server, Server]


@contextmanager
def two_processes(servers: Servers, valkey: Valkey | None = None, **environment: str) -> Iterator[Both]:
    """Start them for the block, with their own Valkey unless a running one is given."""
    own = None
    if valkey is None:
        valkey = own = Valkey()
        own.start()
    try:
        first = servers.start(REDIS_URL=valkey.url, **environment)
        second = servers.start(REDIS_URL=valkey.url, MONGODB_DB=first.database, **environment)
        yield first, second
        first.clean_up()
        second.clean_up()
    finally:
        if own is not None:
            own.kill()
