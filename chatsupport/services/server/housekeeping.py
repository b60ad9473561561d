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
from collections.abc import Callable
from functools import partial

from pymongo.errors import PyMongoError

from chatsupport import broadcasts, feature
from chatsupport.config import Config
from chatsupport.database.clock import elapsed, now
from chatsupport.database.connection import is_unavailable
from chatsupport.extensions import settings, socketio
from chatsupport.identity import AGENT
from chatsupport.services.assignment import availability, choice, reconciliation
from chatsupport.services.people import denials, identification
from chatsupport.services.presence import membership
from chatsupport.services.server import processes, readiness, totals
from chatsupport.services.sessions import inactivity, synchronization
from chatsupport.services.shared import leases, untold

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 60.0
DENIALS_SECONDS = 1.0
IDENTIFICATION_SECONDS = 15.0
LEASE_SECONDS = 15.0
RECONCILIATION_LEASE_SECONDS = 30.0
"""Longer than a reconciliation takes, its second look included."""
RECOVERY_SECONDS = 10.0
"""How long after a break it may take until every process beats again: an operation under way has to fail first."""
HOUSEKEEPING, RECONCILIATION = "housekeeping", "reconciliation"


class Housekeeper:
    """The timed work of one process."""

    def __init__(self) -> None:
        self._owner = uuid.uuid4().hex
        self._renewed_at = 0.0
        self._reconciled_at_start = False
        self._next_reconciliation = time.monotonic()

    def start(self) -> None:
        """Begin to work, each piece by itself: a heartbeat must not wait for a long sweep, nor fail with it."""
        interval = interval_seconds(settings.config)
        of_features = [work for each in feature.installed() for work in each.timed_work]
        for work, seconds in (
            (self.renew_leases, availability.heartbeat_seconds()),
            (synchronization.run, synchronization.INTERVAL_SECONDS),
            (self.look_for_absent_agents, interval),
            (self.look_for_inactive_sessions, interval),
            (self.reconcile, interval),
            (self.tell_what_is_untold, untold.SWEEP_SECONDS),
            (self.finish_identifications, IDENTIFICATION_SECONDS),
            (denials.enforce_recent, DENIALS_SECONDS),
            *((partial(self.do_if_the_one, each.work), each.seconds) for each in of_features),
        ):
            socketio.start_background_task(_repeat, work, lambda seconds=seconds: seconds)
        socketio.start_background_task(_repeat, self.beat, processes.here.pause)

    def beat(self) -> None:
        """Say that this process is there. After a break the agents' leases come first: nobody could renew them."""
        if processes.here.beat():
            self.renew_leases()

    def tick(self) -> None:
        """Do all that is due, one piece after the other."""
        self.renew_leases()
        self.look_for_absent_agents()
        self.look_for_inactive_sessions()
        self.reconcile()

    def renew_leases(self) -> None:
        """Renew the leases of the agents with sockets here, and see that they have no more access than they should."""
        for agent_id in availability.renew_all():
            broadcasts.close_sockets(agent_id, AGENT)
        self._renewed_at = elapsed()
        membership.evict_strangers()
        broadcasts.control("roles", here=True)

    def look_for_absent_agents(self) -> None:
        """Take the sessions from agents that are gone, if this process is the one to do so; and serve the queue.

        Somebody may wait beside a free agent, where a process never heard that the agent is free.
        """
        if elapsed() - self._renewed_at > availability.heartbeat_seconds():
            self.renew_leases()  # This process was late itself.
        time = now()
        if self._is_the_one():
            if self._all_could_do_their_part():
                availability.sweep(time)
            choice.drain_queue()

    def look_for_inactive_sessions(self) -> None:
        """See to sessions that stand still, if this process is the one to do so."""
        time = now()
        if self._is_the_one() and self._all_could_do_their_part():
            inactivity.sweep(time)

    def tell_what_is_untold(self) -> None:
        """Do what follows from changes that nobody told of, if this process is the one to do so."""
        untold.sweep(self._is_the_one)

    def finish_identifications(self) -> None:
        """Carry over what guests have left behind who became known, if this process is the one to do so."""
        if self._is_the_one():
            identification.finish()

    def do_if_the_one(self, work: Callable[[Callable[[], bool]], object]) -> None:
        """Do a feature's timed work, if this process is the one to do so."""
        if self._is_the_one():
            work(self._is_the_one)

    def reconcile(self) -> None:
        """Reconcile at the start and every minute, unless another process does so at this moment."""
        if time.monotonic() < self._next_reconciliation:
            return
        if self._reconciled_at_start and not self._is_the_one():
            return
        if not leases.hold(RECONCILIATION, self._owner, RECONCILIATION_LEASE_SECONDS):
            return
        try:
            reconciliation.run()
            if not self._reconciled_at_start:
                totals.measure()
        finally:
            leases.release(RECONCILIATION, self._owner)
        self._reconciled_at_start = True
        self._next_reconciliation = time.monotonic() + RECONCILE_SECONDS

    def _is_the_one(self) -> bool:
        return readiness.is_ready() and leases.hold(HOUSEKEEPING, self._owner, LEASE_SECONDS)

    def _all_could_do_their_part(self) -> bool:
        """Tell whether what was not done in time says something about people: processes and database did not stand
        still, and since then there was time to renew every lease. A sweep goes by a time that was read before.
        """
        recovery = min(RECOVERY_SECONDS, max(RECOVERY_SECONDS / 2, settings.config.agent_grace))
        return processes.here.steady_seconds() >= availability.heartbeat_seconds() + recovery


def interval_seconds(config: Config) -> float:
    """Return how often to look: a quarter of the shortest time that is configured, 0.25 to 5 s."""
    times = [config.agent_grace, config.no_reply_after, config.idle_end_after]
    return max(0.25, min(5.0, *(seconds / 4 for seconds in times if seconds is not None)))


def start() -> None:
    """Begin the timed work of this process."""
    Housekeeper().start()


def _repeat(work: Callable[[], None], pause: Callable[[], float]) -> None:
    """Do this again and again until the process ends, whatever goes wrong. An outage is told once."""
    is_waiting = False
    while True:
        try:
            work()
            is_waiting = False
        except PyMongoError as error:
            if is_unavailable(error):
                if not is_waiting:
                    logger.warning("Housekeeping waits for the database", extra={"reason": type(error).__name__})
                is_waiting = True
            else:
                logger.exception("Housekeeping failed; trying again")
        except Exception:
            logger.exception("Housekeeping failed; trying again")
        socketio.sleep(pause())
