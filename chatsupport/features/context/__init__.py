"""Details of a visitor for staff: name, address, pages, language, time zone, device and fields of the site."""

from chatsupport.events import GuestIdentified
from chatsupport.feature import Feature
from chatsupport.features.context import routes, service, socket_events
from chatsupport.features.context.personal_data import PERSONAL_DATA

FEATURE = Feature(
    name=service.NAME,
    blueprint=routes.blueprint,
    socket_events=socket_events.events,
    reactions={GuestIdentified: [service.verify]},
    session_part=service.SESSION_PART,
    personal_data=PERSONAL_DATA,
)
