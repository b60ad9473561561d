"""Reports: how many sessions ended, how long people waited, and which agents answered."""

from chatsupport.background import Every
from chatsupport.feature import Feature
from chatsupport.features.reports import rollups, routes
from chatsupport.features.reports.documents import Rollup
from chatsupport.services.server.leases import HOUSEKEEPING

FEATURE = Feature(
    name="reports",
    blueprint=routes.blueprint,
    documents=[Rollup],
    needs_ended_since=rollups.sweep,  # Rolled-up hours stay in the reports.
    timed_work=[Every(60.0, rollups.keep_up, under=HOUSEKEEPING)],
)
