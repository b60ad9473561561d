"""The calls that list, make, change and delete departments. The core keeps sessions for the agents of a department."""

from chatsupport.background import Every
from chatsupport.feature import Feature
from chatsupport.features.departments import routes, starvation
from chatsupport.services.server.leases import HOUSEKEEPING

FEATURE = Feature(
    name="departments",
    blueprint=routes.blueprint,
    timed_work=[Every(starvation.LOOK_SECONDS, starvation.look, under=HOUSEKEEPING)],
)
