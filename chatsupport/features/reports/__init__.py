"""Reports: how much there was to do, how long people waited, and who did it."""

from chatsupport.background import Every
from chatsupport.feature import Feature
from chatsupport.features.reports import rollups, routes
from chatsupport.features.reports.documents import Rollup
from chatsupport.services.server.leases import HOUSEKEEPING

FEATURE = Feature(
    name="reports",
    blueprint=routes.blueprint,
    documents=[Rollup],
    needs_ended_since=rollups.sweep,  # What is rolled up stays in the reports.
    timed_work=[Every(60.0, rollups.keep_up, under=HOUSEKEEPING)],
)
