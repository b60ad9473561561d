"""What a server does before it exits: it lets running sends finish, tells its clients, and writes its buffers."""

from __future__ import annotations

import logging

from chatsupport import background
from chatsupport.database.connection import answer_within, give_up_if_away, is_unavailable
from chatsupport.realtime import server
from chatsupport.services.messages import message_log
from chatsupport.services.server import processes

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 4.0
DATABASE_SECONDS = 0.5
FLUSH_SECONDS = 1.5
OUTBOX_SECONDS = 0.5
"""The time limits of leaving, together less than `graceful_timeout` in gunicorn.conf.py."""


def drain() -> None:
    """Let running sends finish, then close every connection, so that clients connect again elsewhere.

    The disconnect handlers run, so that presence and typing end at once instead of by a lease.
    """
    message_log.log.close()
    give_up_if_away(DATABASE_SECONDS)
    message_log.log.wait_until_idle(DRAIN_SECONDS)
    server.close_all()
    flush()


def leave() -> None:
    """Write the buffers of the last requests, and tell the other processes that no write is in progress here."""
    flush()
    try:
        with answer_within(FLUSH_SECONDS):
            processes.here.leave()
    except Exception as error:
        unexpected = not is_unavailable(error)
        logger.warning("The other processes could not be told that this one is gone", exc_info=unexpected)


def flush() -> None:
    """Write and publish everything that waits: when the sockets are closed, and again after the last request."""
    with answer_within(FLUSH_SECONDS):
        background.flush_all()
    server.flush(OUTBOX_SECONDS)
