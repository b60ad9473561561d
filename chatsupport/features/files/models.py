"""Requests and answers about files, and their errors."""

from __future__ import annotations

from typing import Annotated, Literal

from bson import ObjectId
from pydantic import Field

from chatsupport.contract.base import Answer, Code, Model, Request, absent, example, refused
from chatsupport.contract.chat import Message, NewMessage
from chatsupport.contract.fields import Count, DocumentId, Id, Line, PersonId, PersonType, Place, Text
from chatsupport.contract.socket_events import Emitted
from chatsupport.documents.message import MAX_LENGTH
from chatsupport.errors import ChatSupportError, ConflictError, InvalidInputError, NotFoundError
from chatsupport.features.files.options import FileType

MAX_ALT = 300


def invalid(sentence: str) -> InvalidInputError:
    """Return the error for an upload that cannot be used."""
    return refused("file", "INVALID_FILE", sentence)


class FileNotFoundInChatError(NotFoundError):
    """No file has this address, or not any more."""

    code = "FILE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such file, or its address has run out. Read the message again for a new address.")


class FileTypeNotAllowedError(ChatSupportError):
    """The file's content is of no type that this server takes."""

    status = 415
    code = "FILE_TYPE_NOT_ALLOWED"

    def __init__(self, allowed: tuple[FileType, ...]) -> None:
        names = ", ".join(each.name for each in allowed)
        super().__init__(f"Files of this type cannot be sent. The content must be one of: {names}.")


class TooManyFilesError(ConflictError):
    """The session has as many files as it may have."""

    code = "TOO_MANY_FILES"

    def __init__(self, most: int) -> None:
        super().__init__(f"This session already has {most} files, which is the limit. Send a link instead.")


class NewFile(Request):
    """A file to a session, and what is said with it."""

    text: Annotated[str, Text(MAX_LENGTH), Code("INVALID_MESSAGE", too_long="MESSAGE_TOO_LONG")] | None = Field(
        default=None,
        validation_alias="message",
        description="A caption. Without it, the message's text is the file's name.",
    )
    alt: Annotated[str | None, Line(MAX_ALT), Code("INVALID_FILE")] = absent(
        "A description of the picture, for people who cannot see it."
    )

    client_message_id: Annotated[str, Text(64), Code("INVALID_CLIENT_MESSAGE_ID")] | None = absent(
        "As with a message: of two files with the same one, the first is stored."
    )
    sender_id: Annotated[PersonId, Code("INVALID_SENDER_ID")] | None = absent("As with a message.")
    sender_type: Annotated[PersonType, Code("INVALID_SENDER_TYPE")] | None = None

    model_config = example(message="The invoice", alt="", clientMessageId="m-2")

    def as_message(self) -> NewMessage:
        """Return the message of the file. Without a caption, it has no text yet."""
        fields = self.model_dump(include={"client_message_id", "sender_id", "sender_type"})
        return NewMessage.model_construct(text=self.text or "", **fields)


class FileAddress(Request):
    """The signature of an address. It is made by the server."""

    expires: str = Field(default="", description="When it runs out, in seconds since 1970.")
    signature: str = ""


class Attachment(Answer):
    """A file in a message."""

    id: Id
    name: str = Field(description="The file's name. It is text, not HTML: escape it when you show it.")
    type: str = Field(description="The media type, as the content says.")
    size: Count = Field(description="Bytes.")
    alt: str | None
    state: Literal["ready", "pending", "blocked"]
    width: Place = absent("Of a picture, in pixels.")
    height: Place = absent("Of a picture, in pixels.")
    url: str = absent("Where it can be read until the address runs out. Present if the state is `ready`.")
    thumbnail_url: str = absent("A small version of a picture.")


class WithAttachment(Model):
    """The fields that a message has only if it has a file, or a card with a picture."""

    attachment: Attachment = absent("The message's file.")
    picture: Attachment = absent("The picture of the message's card, which was sent before as a file.")


FileId = Annotated[ObjectId, DocumentId(FileNotFoundInChatError), Code("INVALID_FILE")]

EMITTED = {"message_updated": Emitted("the room", Message, "the message, whose file has another state now")}
