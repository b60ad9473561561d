"""What the law asks for: people get what is kept of them, and have it erased; nothing is kept for too long."""

from chatsupport.feature import Feature, TimedWork
from chatsupport.features.privacy import erasure, retention, routes

FEATURE = Feature(
    name="privacy",
    blueprint=routes.blueprint,
    timed_work=[TimedWork(erasure.finish, 3.0), TimedWork(retention.sweep, 600.0)],
)
