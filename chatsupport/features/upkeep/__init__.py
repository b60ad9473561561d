"""Checks for operators."""

from chatsupport.feature import Feature
from chatsupport.features.upkeep.doctor import doctor

FEATURE = Feature(
    name="upkeep",
    commands=[doctor],
)
