"""All timed work of the core, in one table; features add theirs (`Feature.timed_work`).

It runs inside the server, so no further service is needed. Each piece of work consists of conditional updates, so two
processes may do it at once, as after a long stop, without harm.
"""

from __future__ import annotations

from chatsupport import command_notices, feature
from chatsupport.background import Every
from chatsupport.services.assignment import agent_presence, reconciliation, reservations, transitions
from chatsupport.services.people import denials
from chatsupport.services.server import processes
from chatsupport.services.server.leases import HOUSEKEEPING
from chatsupport.services.sessions import handoffs, identification, inactivity, told_here
from chatsupport.services.shared import outbox

CORE = (
    Every(processes.here.pause, agent_presence.beat),
    Every(denials.ENFORCE_SECONDS, denials.enforce_recent),
    Every(denials.SURVEY_SECONDS, denials.survey),
    Every(command_notices.LOOK_SECONDS, command_notices.Reader().look),
    Every(agent_presence.heartbeat_seconds, agent_presence.renew),
    Every(agent_presence.heartbeat_seconds, told_here.evict_strangers),
    Every(told_here.INTERVAL_SECONDS, told_here.catch_up),
    Every(agent_presence.look_seconds, agent_presence.look, under=HOUSEKEEPING),
    Every(agent_presence.look_seconds, inactivity.look, under=HOUSEKEEPING),
    Every(agent_presence.look_seconds, reconciliation.Reconciler(HOUSEKEEPING).look),
    Every(handoffs.LOOK_SECONDS, handoffs.look, under=HOUSEKEEPING),
    Every(reservations.pause, reservations.look),
    Every(transitions.LATE_LOOK_SECONDS, transitions.requeue_late),
    Every(outbox.SWEEP_SECONDS, outbox.sweep),
    Every(identification.FINISH_SECONDS, identification.finish, under=HOUSEKEEPING),
)


def all_work() -> tuple[Every, ...]:
    """Return the timed work of the core and of the features of this process's application."""
    return (*CORE, *(work for each in feature.installed() for work in each.timed_work))


def start() -> None:
    """Start the timed work of this process. Each piece has its own greenlet, so a long one does not delay others."""
    for work in all_work():
        work.start()
