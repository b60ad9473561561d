"""Where the time of one operation goes: a request, an event or a batch of messages.

An operation carries its id and the moments at which it reached each step. Noting a moment only sets an attribute. The
durations are computed only for the log line of a slow operation (SLOW_MS), and for the line that LOG_LEVEL=DEBUG writes
for each message. All moments are seconds of the monotonic clock.
"""

from chatsupport.observability.tracing.lines import batch, configure, finish, finish_command
from chatsupport.observability.tracing.operations import Operation, current, enter, leave, new_id

__all__ = ["Operation", "batch", "configure", "current", "enter", "finish", "finish_command", "leave", "new_id"]
