"""Live updates for agents and supervisors: the queue, sessions and agents."""

from chatsupport.background import Every
from chatsupport.feature import Feature
from chatsupport.features.consoles import roles, routes, service
from chatsupport.features.consoles.models import EMITTED
from chatsupport.features.consoles.orders import CheckRole, TellConsoles
from chatsupport.features.consoles.reactions import REACTIONS
from chatsupport.services.assignment import agent_presence
from chatsupport.services.sessions import told_here

FEATURE = Feature(
    name="consoles",
    blueprint=routes.blueprint,
    emitted=EMITTED,
    reactions=REACTIONS,
    orders={TellConsoles: service.obey, CheckRole: roles.obey},
    timed_work=[
        Every(agent_presence.heartbeat_seconds, roles.check_all),
        Every(told_here.INTERVAL_SECONDS, service.tell_here),
    ],
)
