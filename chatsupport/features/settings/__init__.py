"""Settings of the chat that supervisors change without a restart, in one document."""

from chatsupport.background import Every
from chatsupport.feature import Feature
from chatsupport.features.settings import hours, orders, questions, routes, service, widget
from chatsupport.features.settings.documents import Settings

FEATURE = Feature(
    name="settings",
    blueprint=routes.blueprint,
    documents=[Settings],
    orders={orders.ReadSettings: service.obey},
    timed_work=[Every(service.LOOK_SECONDS, service.look)],
    session_part=questions.SESSION_PART,
    widget=widget.options,
    hours=hours.opening,
    bot=service.bot,
)
