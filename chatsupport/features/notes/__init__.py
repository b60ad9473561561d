"""Notes on sessions, for staff only."""

from chatsupport.events import HandedOver, NoteAdded
from chatsupport.feature import Feature
from chatsupport.features.notes import routes, service
from chatsupport.features.notes.documents import Note
from chatsupport.features.notes.models import EMITTED
from chatsupport.features.notes.personal_data import PERSONAL_DATA
from chatsupport.recording import NOTE_CREATED, Recorded

FEATURE = Feature(
    name="notes",
    blueprint=routes.blueprint,
    emitted=EMITTED,
    documents=[Note],
    reactions={NoteAdded: [service.tell_staff], HandedOver: [service.keep_summary]},
    personal_data=PERSONAL_DATA,
    recorded=[Recorded(kind=NOTE_CREATED, documents=Note, serialize=service.serialize)],
)
