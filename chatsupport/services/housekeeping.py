"""Timed work, inside the server: no further service to run.

Every process renews the leases of the agents whose sockets it has. Everything else is done by one process at a time,
the one that holds the lease in the database; when that is killed, another takes over as the lease runs out. Each piece
of work is made of conditional updates, so two processes doing it at once, as after a long stop, do no harm.
"""

from __future__ import annotations

import logging
import time
import uuid
from datetime import timedelta

from pymongo.errors import DuplicateKeyError, PyMongoError

from chatsupport import broadcasts
from chatsupport.config import Config
from chatsupport.database.connection import is_unavailable, now
from chatsupport.documents import Lease
from chatsupport.extensions import settings, socketio
from chatsupport.identity import AGENT
from chatsupport.services import availability, inactivity, reconciliation

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 60.0
LEASE_SECONDS = 15.0
LEASE_ID = "housekeeping"


class Housekeeper:
    """The timed work of one process."""

    def __init__(self) -> None:
        self._owner = uuid.uuid4().hex
        self._next_heartbeat = 0.0
        self._next_reconciliation = 0.0

    def run(self) -> None:
        """Work until the process ends."""
        while True:
            try:
                self.tick()
            except PyMongoError as error:
                if is_unavailable(error):
                    logger.warning("Housekeeping waits for the database", extra={"reason": type(error).__name__})
                else:
                    logger.exception("Housekeeping failed; trying again")
            except Exception:
                logger.exception("Housekeeping failed; trying again")
            socketio.sleep(interval_seconds(settings.config))

    def tick(self) -> None:
        """Do what is due."""
        time_now = time.monotonic()
        if time_now >= self._next_heartbeat:
            self._next_heartbeat = time_now + availability.heartbeat_seconds()
            for agent_id in availability.renew_all():
                broadcasts.close_sockets(agent_id, AGENT)
        if not self._hold_lease():
            return
        availability.sweep()
        inactivity.sweep()
        if time_now >= self._next_reconciliation:
            self._next_reconciliation = time_now + RECONCILE_SECONDS
            reconciliation.run()

    def _hold_lease(self) -> bool:
        """Take or keep the lease; False while another process has it."""
        time_now = now()
        free_or_mine = {"_id": LEASE_ID, "$or": [{"owner": self._owner}, {"expiresAt": {"$lte": time_now}}]}
        lease = {"owner": self._owner, "expiresAt": time_now + timedelta(seconds=LEASE_SECONDS)}
        try:
            Lease._get_collection().update_one(free_or_mine, {"$set": lease}, upsert=True)
        except DuplicateKeyError:
            return False
        return True


def interval_seconds(config: Config) -> float:
    """Return how often to look: a quarter of the shortest time that is configured, 0.25 to 5 s."""
    times = [config.agent_grace, config.no_reply_after, config.idle_end_after]
    return max(0.25, min(5.0, *(seconds / 4 for seconds in times if seconds is not None)))


def start() -> None:
    """Begin the timed work of this process."""
    socketio.start_background_task(Housekeeper().run)
