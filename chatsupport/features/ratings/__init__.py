"""Ratings of sessions by their users."""

from chatsupport.events import SessionRated
from chatsupport.feature import Feature
from chatsupport.features.ratings import routes, service
from chatsupport.features.ratings.documents import Score
from chatsupport.features.ratings.models import EMITTED

FEATURE = Feature(
    name=service.NAME,
    blueprint=routes.blueprint,
    emitted=EMITTED,
    documents=[Score],
    reactions={SessionRated: [service.tell_staff]},
    session_part=service.SESSION_PART,
    personal_data=service.PERSONAL_DATA,
    report=service.report,
)
