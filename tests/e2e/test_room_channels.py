"""The channels of one process on a real Valkey: a client that joins gets all events from then on."""

from __future__ import annotations

import contextlib
import threading
import time
from queue import Queue
from typing import Any

import pytest
import redis
from flask import Flask

from chatsupport.factory import create_app
from chatsupport.realtime import room_channels
from chatsupport.realtime.room_channels import RoomChannels
from tests.conftest import MakeConfig
from tests.e2e.valkey import Valkey


@pytest.fixture(autouse=True)
def app(make_config: MakeConfig) -> Flask:
    """Commands to Redis are sent by background tasks of its Socket.IO server."""
    return create_app(make_config())


def listen(channels: RoomChannels, heard: Queue[bytes]) -> None:
    with contextlib.suppress(redis.RedisError, OSError):
        for said in channels.listen():
            heard.put(said)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Joins wait for longer than a test may take."""
    monkeypatch.setattr(room_channels, "CONFIRM_SECONDS", 1000.0)


def test_a_join_before_the_first_redis_connection_waits_for_it(valkey: Valkey) -> None:
    client = redis.Redis(port=valkey.port)

    def connect() -> Any:
        time.sleep(0.4)  # The process has just started.
        return redis.Redis(port=valkey.port, protocol=2).connection_pool.get_connection()

    channels, heard = RoomChannels("all", connect), Queue[bytes]()
    threading.Thread(target=listen, args=(channels, heard), daemon=True).start()

    with channels.hold("room"):
        assert client.publish("room", "said") == 1
        assert heard.get(timeout=40) == b"said"


def test_a_join_does_not_wait_for_a_redis_that_is_away() -> None:
    def connect() -> Any:
        raise redis.ConnectionError("there is nobody")

    channels = RoomChannels("all", connect)
    listen(channels, Queue())

    with channels.hold("room"):
        pass
