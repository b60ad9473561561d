"""Canned replies: frequent answers of agents, with shortcuts."""

from chatsupport.feature import Feature
from chatsupport.features.replies import routes
from chatsupport.features.replies.documents import Reply

FEATURE = Feature(
    name="replies",
    blueprint=routes.blueprint,
    documents=[Reply],
)
