"""Transcripts: a chat as a file to keep."""

from chatsupport.feature import Feature
from chatsupport.features.transcripts import routes

FEATURE = Feature(
    name="transcripts",
    blueprint=routes.blueprint,
)
