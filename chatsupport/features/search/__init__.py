"""Full-text search in sessions, from an index that is kept in the background."""

from chatsupport.background import Every
from chatsupport.events import (
    MessageStored,
    SessionAssigned,
    SessionEnded,
    SessionMoved,
    SessionRequeued,
    SessionStarted,
    SessionUpdated,
)
from chatsupport.feature import Feature
from chatsupport.features.search import indexing, routes, sweeps
from chatsupport.features.search.documents import SearchEntry
from chatsupport.features.search.personal_data import PERSONAL_DATA
from chatsupport.services.server.leases import HOUSEKEEPING

SESSION_EVENTS: tuple[type, ...] = (
    SessionStarted,
    SessionAssigned,
    SessionRequeued,
    SessionMoved,
    SessionEnded,
    SessionUpdated,
)

FEATURE = Feature(
    name="search",
    blueprint=routes.blueprint,
    documents=[SearchEntry],
    reactions={
        MessageStored: [indexing.note_message],
        **{event: [indexing.note_session] for event in SESSION_EVENTS},
    },
    timed_work=[
        Every(indexing.TURN_SECONDS, indexing.take_turn),
        Every(sweeps.OPEN_SECONDS, sweeps.look_at_open, under=HOUSEKEEPING),
        Every(sweeps.ALL_SECONDS, sweeps.look_at_all, under=HOUSEKEEPING),
    ],
    personal_data=PERSONAL_DATA,
)
