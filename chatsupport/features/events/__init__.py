"""The feed of everything that happens."""

from chatsupport.background import Every
from chatsupport.events import MessageStored
from chatsupport.feature import Feature
from chatsupport.features.events import recorder, relay, routes
from chatsupport.features.events.documents import EventBatch, Feed, Hint
from chatsupport.features.events.personal_data import PERSONAL_DATA
from chatsupport.recording import Recorder
from chatsupport.services.server.leases import HOUSEKEEPING

FEATURE = Feature(
    name="events",
    blueprint=routes.blueprint,
    documents=[Feed, EventBatch, Hint],
    reactions={MessageStored: [relay.here.note]},
    recorder=Recorder(is_on=recorder.here.must_mark, begin=recorder.here.begin),
    variables=[recorder.EVENT_DAYS],
    timed_work=[
        Every(recorder.LOOK_SECONDS, recorder.here.look),
        Every(relay.ROUND_SECONDS, relay.here.work),
        Every(600, recorder.keep_up, under=HOUSEKEEPING),
    ],
    personal_data=PERSONAL_DATA,
)
