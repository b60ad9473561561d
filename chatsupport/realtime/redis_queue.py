"""Exchange events between server processes through Redis, on two connections: one publishes, one listens.

The events of a session have a channel of their own. Processes with a socket in that session listen to it; everything
else goes to all.

Emitting only puts an event into an outbox, so nobody waits for a Redis that is away or stuck. The outbox is sent when
Redis is back. Clients of other processes find out what they have missed by `session_sync`.
"""

from __future__ import annotations

import logging
import queue
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chatsupport import json_codec
from chatsupport.extensions import socketio
from chatsupport.realtime.room_channels import RoomChannels

logger = logging.getLogger(__name__)

CHANNEL = "chatsupport"
OUTBOX_EVENTS = 20_000
MAX_BATCH = 100
CONNECT_TIMEOUT_SECONDS = 2.0
PUBLISH_TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 1.0


def _keepalive() -> dict[int, int]:
    """Return the options by which a dead connection without traffic is noticed within half a minute."""
    wanted = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}


class RedisQueue:
    """An outbox and a listener, which reconnect within seconds.

    A room whose name begins with `prefix` has a channel of its own.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self.channels = RoomChannels(CHANNEL, self._subscriber)
        self._url = url
        self._prefix = prefix
        self._process_id = uuid.uuid4().hex
        self._outbox: queue.Queue[dict[str, Any]] = queue.Queue(OUTBOX_EVENTS)
        self._publishing = False
        self._is_full = False
        self._sending = 0

    def flush(self, seconds: float) -> None:
        """Wait until the outbox is empty, for at most this many seconds."""
        deadline = time.monotonic() + seconds
        while (self._sending or not self._outbox.empty()) and time.monotonic() < deadline:
            socketio.sleep(0.01)

    def channel_of(self, room: object) -> str | None:
        """Return the room's own channel, or None if all processes get its events."""
        return f"{CHANNEL}:{room}" if isinstance(room, str) and room.startswith(self._prefix) else None

    def _connect(self, **options: Any) -> Redis:
        """Return a client that makes one connection and reports a failure at once, without retrying."""
        return Redis.from_url(
            self._url,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            socket_keepalive=True,
            socket_keepalive_options=_keepalive(),
            retry=Retry(NoBackoff(), 0),
            **options,
        )

    def publish(self, event: str, data: Any, room: str | list[str]) -> None:
        """Send an event of one or several rooms to the other processes, soon."""
        if not self._publishing:
            self._publishing = True
            socketio.start_background_task(self._publish_all)
        try:
            # The keys are those of python-socketio.
            self._outbox.put_nowait({"method": "emit", "event": event, "data": [data], "room": room})
            self._is_full = False
        except queue.Full:
            if not self._is_full:
                self._is_full = True
                logger.warning("Redis accepts no events; the other processes miss some", extra={"event": "outbox_full"})

    def _publish_all(self) -> None:
        redis = self._connect(socket_timeout=PUBLISH_TIMEOUT_SECONDS)
        while True:
            batch = [self._outbox.get()]
            self._sending = 1
            while len(batch) < MAX_BATCH and not self._outbox.empty():
                batch.append(self._outbox.get_nowait())
            published = [(self.channel_of(said["room"]) or CHANNEL, self._text(said)) for said in batch]
            while not self._try_publish(redis, published):
                self._wait_for(redis)
            self._sending = 0

    def _wait_for(self, redis: Any) -> None:
        """Wait until Redis answers again and the other processes should be back, because it keeps nothing for them."""
        while not _answers(redis):
            socketio.sleep(RETRY_SECONDS)
        socketio.sleep(2 * RETRY_SECONDS)
        logger.info("Redis accepts events again")

    def _try_publish(self, redis: Any, published: list[tuple[str, str]]) -> bool:
        try:
            with redis.pipeline(transaction=False) as pipeline:
                for channel, text in published:
                    pipeline.publish(channel, text)
                pipeline.execute()
        except Exception as error:
            logger.warning("Redis accepts no events; trying again", extra={"reason": str(error)})
            return False
        return True

    def listen(self, take: Callable[[str, Any, str | list[str]], None]) -> None:
        """Pass on everything that other processes publish (an event, its data, the room or rooms), for ever."""
        for text in self._texts():
            try:
                said = json_codec.loads(text)
                if said["method"] == "emit":
                    take(said["event"], said["data"][0], said["room"])
            except Exception:
                logger.exception("An event of another process could not be processed")

    def _texts(self) -> Iterator[bytes]:
        """Yield the texts that the other processes publish, for ever."""
        own = self._text({})[:-1].encode()  # Each text of this process begins like this; no parsing needed.
        is_lost = False
        while True:
            try:
                for text in self.channels.listen():
                    if is_lost:
                        logger.info("Listening to Redis again")
                    is_lost = False
                    if not text.startswith(own):
                        yield text
            except Exception as error:
                if not is_lost:
                    logger.warning("Redis is away; trying again", extra={"reason": str(error)})
                is_lost = True
            socketio.sleep(RETRY_SECONDS)

    def _text(self, said: dict[str, Any]) -> str:
        """Return the published text. It begins with the process that sends it."""
        return json_codec.dumps({"host_id": self._process_id, **said})

    def _subscriber(self) -> Any:
        """Return a connection to listen on. It has no time-out, because it waits until something comes."""
        return self._connect(socket_timeout=None, protocol=2).connection_pool.get_connection()


def _answers(redis: Any) -> bool:
    try:
        redis.ping()
    except Exception:
        return False
    return True
