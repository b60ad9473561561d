"""Tags, by which staff sort sessions."""

from chatsupport.events import HandedOver
from chatsupport.feature import Feature
from chatsupport.features.tags import routes, service

FEATURE = Feature(
    name=service.NAME,
    blueprint=routes.blueprint,
    reactions={HandedOver: [service.add_of_bot]},
    session_part=service.SESSION_PART,
    indexes=service.INDEXES,
    personal_data=service.PERSONAL_DATA,
    report=service.report,
)
