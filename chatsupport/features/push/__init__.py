"""Web push: alerts that reach an agent whose console is closed."""

from chatsupport.background import Every
from chatsupport.events import (
    AgentDeleted,
    AgentWentAway,
    MessageStored,
    SessionAssigned,
    SessionRequeued,
    SessionStarted,
    SignedOut,
)
from chatsupport.feature import Feature
from chatsupport.features.push import alerts, routes, sending, subscriptions
from chatsupport.features.push.documents import PushKeys, PushSubscription
from chatsupport.features.push.personal_data import PERSONAL_DATA

FEATURE = Feature(
    name="push",
    blueprint=routes.blueprint,
    documents=[PushSubscription, PushKeys],
    variables=[sending.VAPID_SUBJECT],
    reactions={
        SessionStarted: [alerts.waits],
        SessionAssigned: [alerts.assigned],
        SessionRequeued: [alerts.waits],
        MessageStored: [alerts.message_stored],
        AgentWentAway: [alerts.went_away],
        AgentDeleted: [subscriptions.on_deletion],
        SignedOut: [subscriptions.on_sign_out],
    },
    timed_work=[Every(subscriptions.LOOK_SECONDS, subscriptions.look)],
    personal_data=PERSONAL_DATA,
)
