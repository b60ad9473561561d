"""The metrics of this process and of the whole system, for Prometheus."""

from chatsupport.feature import Feature
from chatsupport.features.metrics import routes
from chatsupport.features.metrics.reactions import REACTIONS

FEATURE = Feature(
    name="metrics",
    blueprint=routes.blueprint,
    variables=[routes.METRICS_TOKEN],
    reactions=REACTIONS,
)
