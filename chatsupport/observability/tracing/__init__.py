"""Where the time of one operation goes: a request, an event, a batch of messages.

An operation carries its id, and the moments at which something happened to it. Noting them is a few attributes; what
they mean is worked out only for the line of a slow one (SLOW_MS), and for the line that LOG_LEVEL=DEBUG has of each
message. All moments are of the monotonic clock, in seconds.
"""

from chatsupport.observability.tracing.lines import batch, configure, finish, finish_command
from chatsupport.observability.tracing.operations import Operation, current, enter, leave

__all__ = ["Operation", "batch", "configure", "current", "enter", "finish", "finish_command", "leave"]
