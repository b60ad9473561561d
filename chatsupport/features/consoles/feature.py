"""What agents and supervisors see of the queue, the sessions and each other."""

from chatsupport.feature import Feature
from chatsupport.features.consoles import routes

FEATURE = Feature(
    name="consoles",
    blueprint=routes.blueprint,
)
