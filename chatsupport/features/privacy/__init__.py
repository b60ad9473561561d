"""Privacy law: people get the data stored about them and can have it erased, and nothing is kept for too long."""

from chatsupport.background import Every
from chatsupport.feature import Feature
from chatsupport.features.privacy import erasure, retention, routes
from chatsupport.services.server.leases import HOUSEKEEPING

FEATURE = Feature(
    name="privacy",
    blueprint=routes.blueprint,
    variables=[retention.RETENTION_DAYS],
    timed_work=[Every(3.0, erasure.finish, under=HOUSEKEEPING), Every(600.0, retention.sweep, under=HOUSEKEEPING)],
)
