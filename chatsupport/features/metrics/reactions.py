"""What is measured when something happens."""

from __future__ import annotations

from chatsupport import serializers
from chatsupport.events import MessageStored, SessionAssigned, Table
from chatsupport.features.metrics import first_replies
from chatsupport.observability import metrics


def first_assigned(event: SessionAssigned) -> None:
    """Measure how long a session waited for its first agent. An event that is told late may have been measured."""
    session = event.session
    if not event.is_late and session["assignedAt"] == session["firstAssignedAt"]:
        waited = serializers.milliseconds_between(session["createdAt"], session["assignedAt"])
        metrics.ASSIGNMENT.observe(waited / 1000)


REACTIONS: Table = {
    SessionAssigned: [first_assigned],
    MessageStored: [first_replies.note],
}
