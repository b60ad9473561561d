"""Files and pictures in a chat."""

from chatsupport.background import Every
from chatsupport.contract.chat import Message
from chatsupport.feature import Feature
from chatsupport.features.files import attachments, options, personal_data, routes, scanning, storage
from chatsupport.features.files.documents import FileChunk, StoredFile
from chatsupport.features.files.models import EMITTED, WithAttachment
from chatsupport.services.server.leases import HOUSEKEEPING
from chatsupport.session_parts import SessionPart

FEATURE = Feature(
    name=attachments.NAME,
    blueprint=routes.blueprint,
    emitted=EMITTED,
    documents=[StoredFile, FileChunk],
    session_part=SessionPart(
        fields={Message: WithAttachment}, show_message=attachments.show, picture=attachments.picture
    ),
    variables=[*options.VARIABLES, scanning.SCAN_URL],
    timed_work=[
        Every(60.0, storage.sweep, under=HOUSEKEEPING),
        Every(5.0, scanning.look, under=HOUSEKEEPING),
    ],
    personal_data=personal_data.PERSONAL_DATA,
    widget=options.of_widget,
)
