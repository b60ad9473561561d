"""Tags: what clients ask for, and what they get."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chatsupport.contract.base import Answer, Code, Request, absent, example, record
from chatsupport.contract.fields import MAX_TAG_LENGTH, MAX_TAGS, Count, Tag


class NewTags(Request):
    """The tags of a session, in place of those it had."""

    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS), Code("INVALID_TAGS")] = Field(
        description=f"At most {MAX_TAGS}, each of 1 to {MAX_TAG_LENGTH} characters, trimmed. A repeat is dropped, also "
        "one in other capitals. None takes the tags away."
    )

    model_config = example(tags=["VIP", "refund"])


class TagFilter(Request):
    """Which tag the sessions of a list have."""

    tag: Annotated[Tag, Code("INVALID_TAGS")] | None = Field(
        default=None, description="Only the sessions with this tag, in any capitals."
    )


class ShownTags(Answer):
    """The tags of a session."""

    tags: list[str] = absent("For staff only.")


Tags = record("Tags", tags=list[record("Tag", tag=str, count=Count)])  # type: ignore[misc]
