"""The feed of everything that happens, and webhooks."""

from chatsupport.background import Every
from chatsupport.events import MessageStored
from chatsupport.feature import Feature
from chatsupport.features.events import examination, relay, routes, switch
from chatsupport.features.events.documents import EventBatch, Feed, Hint
from chatsupport.features.events.personal_data import PERSONAL_DATA
from chatsupport.features.events.webhooks import delivering, service
from chatsupport.features.events.webhooks import routes as webhook_routes
from chatsupport.features.events.webhooks.documents import Delivery, Webhook
from chatsupport.recording import Recorder
from chatsupport.services.server.leases import HOUSEKEEPING

_ALL_ROUTES = (routes, webhook_routes)
"""They add their calls to one blueprint."""

FEATURE = Feature(
    name="events",
    blueprint=routes.blueprint,
    documents=[Feed, EventBatch, Hint, Webhook, Delivery],
    reactions={MessageStored: [relay.here.note]},
    recorder=Recorder(is_on=switch.here.must_mark, begin=switch.here.begin),
    variables=[switch.EVENT_DAYS, service.WEBHOOK_ALLOW, service.WEBHOOKS_BY_SUPERVISORS],
    timed_work=[
        Every(switch.LOOK_SECONDS, switch.here.look),
        Every(relay.ROUND_SECONDS, relay.here.work),
        Every(delivering.LOOK_SECONDS, delivering.here.work),
        Every(delivering.COUNT_SECONDS, delivering.count, under=HOUSEKEEPING),
        Every(600, switch.keep_up, under=HOUSEKEEPING),
    ],
    examinations={"events": examination.events},
    personal_data=PERSONAL_DATA,
)
