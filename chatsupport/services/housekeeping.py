"""Timed work, inside the server: no further service to run.

Every process renews the leases of the agents whose sockets it has, and tells its sockets the last seq. Everything
else is done by one process at a time, the one that holds the lease in the database; when that is killed, another takes
over as the lease runs out. A process also reconciles once when it starts: it may be the one that was killed. Each piece
of work is made of conditional updates, so two processes doing it at once, as after a long stop, do no harm.
"""

from __future__ import annotations

import logging
import time
import uuid

from pymongo.errors import PyMongoError

from chatsupport import broadcasts
from chatsupport.config import Config
from chatsupport.database.connection import is_unavailable
from chatsupport.extensions import settings, socketio
from chatsupport.identity import AGENT
from chatsupport.services import availability, inactivity, leases, reconciliation, synchronization

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 60.0
LEASE_SECONDS = 15.0
HOUSEKEEPING, RECONCILIATION = "housekeeping", "reconciliation"


class Housekeeper:
    """The timed work of one process."""

    def __init__(self) -> None:
        self._owner = uuid.uuid4().hex
        self._next_heartbeat = 0.0
        self._next_synchronization = 0.0
        self._reconciled_at_start = False
        self._next_reconciliation = time.monotonic() + RECONCILE_SECONDS

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
        if time_now >= self._next_synchronization:
            self._next_synchronization = time_now + synchronization.INTERVAL_SECONDS
            synchronization.run()
        if not self._reconciled_at_start:
            self._reconciled_at_start = self._reconcile()
        if not leases.hold(HOUSEKEEPING, self._owner, LEASE_SECONDS):
            return
        availability.sweep()
        inactivity.sweep()
        if time_now >= self._next_reconciliation and self._reconcile():
            self._next_reconciliation = time_now + RECONCILE_SECONDS

    def _reconcile(self) -> bool:
        """Reconcile, unless another process does so at this moment. Returns whether it was done."""
        if not leases.hold(RECONCILIATION, self._owner, LEASE_SECONDS):
            return False
        try:
            reconciliation.run()
        finally:
            leases.release(RECONCILIATION, self._owner)
        return True


def interval_seconds(config: Config) -> float:
    """Return how often to look: a quarter of the shortest time that is configured, 0.25 to 5 s."""
    times = [config.agent_grace, config.no_reply_after, config.idle_end_after]
    return max(0.25, min(5.0, *(seconds / 4 for seconds in times if seconds is not None)))


def start() -> None:
    """Begin the timed work of this process."""
    socketio.start_background_task(Housekeeper().run)
