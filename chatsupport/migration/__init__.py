"""Take over the data of the Node.js system, in place.

Its collections and fields are the same as ours, but messages have no `seq`, a user may have two open sessions, an agent
may have more people than its limit, and our own fields are missing. Each step does only what is left to do, so an
interrupted migration is simply run again.
"""

from chatsupport.migration.steps import STEPS, Step, is_needed, mark_current

__all__ = ["STEPS", "Step", "is_needed", "mark_current"]
