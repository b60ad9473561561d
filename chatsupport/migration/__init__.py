"""Taking over the data of the Node.js system, in place.

Its collections and fields are ours, but messages have no `seq`, a user may have two open sessions, an agent may hold
more people than it can, and nothing of what we add is there. Each step does only what is still to be done, so that a
migration that was interrupted is simply run again.
"""

from chatsupport.migration.steps import STEPS, Step, is_needed, mark_current

__all__ = ["STEPS", "Step", "is_needed", "mark_current"]
