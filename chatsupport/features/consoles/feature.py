"""What agents and supervisors see of the queue, the sessions and each other."""

from chatsupport.feature import Feature

FEATURE = Feature(
    name="consoles",
)
