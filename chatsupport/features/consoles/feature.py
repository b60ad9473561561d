"""What agents and supervisors see of the queue, the sessions and each other."""

from chatsupport.background import Every
from chatsupport.feature import Feature
from chatsupport.features.consoles import roles, routes
from chatsupport.services.assignment import availability

FEATURE = Feature(
    name="consoles",
    blueprint=routes.blueprint,
    timed_work=[Every(availability.heartbeat_seconds, roles.check_all)],
)
