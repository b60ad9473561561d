"""Reports: how much there was to do, how long people waited, and who did it."""

from chatsupport.feature import Feature, TimedWork
from chatsupport.features.reports import rollups, routes
from chatsupport.features.reports.documents import Rollup

FEATURE = Feature(
    name="reports",
    blueprint=routes.blueprint,
    documents=[Rollup],
    needs_ended_since=rollups.sweep,  # What is rolled up stays in the reports.
    timed_work=[TimedWork(rollups.keep_up, 60.0)],
)
