"""Transcripts: a chat as a file."""

from chatsupport.feature import Feature
from chatsupport.features.transcripts import routes, service

FEATURE = Feature(
    name="transcripts",
    blueprint=routes.blueprint,
    transcript=service.for_user,
)
