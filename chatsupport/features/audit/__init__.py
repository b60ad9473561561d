"""The audit log: who did what to which session, agent or person."""

from chatsupport.feature import Feature
from chatsupport.features.audit import routes, service
from chatsupport.features.audit.documents import AuditEntry
from chatsupport.features.audit.personal_data import PERSONAL_DATA
from chatsupport.features.audit.reactions import REACTIONS

FEATURE = Feature(
    name="audit",
    blueprint=routes.blueprint,
    documents=[AuditEntry],
    variables=[service.AUDIT_DAYS],
    reactions=REACTIONS,
    personal_data=PERSONAL_DATA,
)
