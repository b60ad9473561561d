"""What a message of an agent or a system may show beside its text: choices to be clicked, or a card."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from chatsupport.contract.base import Model, absent
from chatsupport.contract.fields import FileOfMessage, HttpsUrl, Text

MAX_OPTIONS, MAX_BUTTONS = 10, 3
QUICK_REPLIES, CARD = "quick_replies", "card"


class Option(Model):
    """A choice. A click sends a message with its title, and with `replyTo`."""

    title: Annotated[str, Text(40)]
    value: Annotated[str, Text(200)] = Field(description="For the program that reads the answer.")


class Button(Model):
    """A link of a card."""

    title: Annotated[str, Text(40)]
    url: HttpsUrl


class Content(Model):
    """Quick replies, with `options`; or a card, with `title` and what else it has."""

    type: Literal["quick_replies", "card"]
    options: Annotated[list[Option], Field(max_length=MAX_OPTIONS)] | None = absent("Of quick replies: 1 to 10.")
    title: Annotated[str, Text(80)] | None = absent("Of a card.")
    text: Annotated[str, Text(500)] | None = absent("Of a card.")
    file_id: FileOfMessage | None = absent(
        "Of a card: the id of a picture that was sent in the same session. The message then has `picture`."
    )
    buttons: Annotated[list[Button], Field(max_length=MAX_BUTTONS)] | None = absent("Of a card: at most 3.")

    @model_validator(mode="after")
    def _is_of_its_type(self) -> Content:
        if self.type == QUICK_REPLIES and not self.options:
            raise ValueError("must have options if its type is quick_replies.")
        if self.type == CARD and self.title is None:
            raise ValueError("must have a title if its type is card.")
        return self

    @property
    def shows_picture(self) -> bool:
        """Tell whether it is a card with a picture."""
        return self.type == CARD and self.file_id is not None

    def stored(self) -> dict[str, Any]:
        """Return it as messages keep and show it: without what its type does not have."""
        names = {"type", "options"} if self.type == QUICK_REPLIES else {"type", "title", "text", "file_id", "buttons"}
        return self.model_dump(by_alias=True, include=names, exclude_none=True)
