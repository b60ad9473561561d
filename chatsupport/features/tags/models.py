"""Tags: what clients ask for, and what they get."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chatsupport.contract.base import Answer, Code, Request, absent, example, record
from chatsupport.contract.fields import Count, Text

MAX_TAGS, MAX_LENGTH = 10, 40


class NewTags(Request):
    """The tags of a session, in place of those it had."""

    tags: Annotated[list[Annotated[str, Text(MAX_LENGTH)]], Field(max_length=MAX_TAGS), Code("INVALID_TAGS")] = Field(
        description=f"At most {MAX_TAGS}, each of 1 to {MAX_LENGTH} characters, trimmed. A repeat is dropped, also one "
        "in other capitals. None takes the tags away."
    )

    model_config = example(tags=["VIP", "refund"])


class TagFilter(Request):
    """Which tag the sessions of a list have."""

    tag: Annotated[str, Text(MAX_LENGTH), Code("INVALID_TAGS")] | None = Field(
        default=None, description="Only the sessions with this tag, in any capitals."
    )


class ShownTags(Answer):
    """The tags of a session."""

    tags: list[str] = absent("For staff only.")


Tags = record("Tags", tags=list[record("Tag", tag=str, count=Count)])  # type: ignore[misc]
