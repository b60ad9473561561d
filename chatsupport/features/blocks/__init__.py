"""Blocks: people and addresses that an operator keeps out."""

from chatsupport.feature import Feature
from chatsupport.features.blocks import routes

FEATURE = Feature(
    name="blocks",
    blueprint=routes.blueprint,
)
