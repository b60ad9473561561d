"""The audit log: who did what to which session, agent or person."""

from chatsupport.feature import Feature
from chatsupport.features.audit import routes
from chatsupport.features.audit.documents import AuditEntry

FEATURE = Feature(
    name="audit",
    blueprint=routes.blueprint,
    documents=[AuditEntry],
)
