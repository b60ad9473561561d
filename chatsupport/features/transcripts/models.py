"""Requests and answers about transcripts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chatsupport.contract.base import Answer, Code, Request
from chatsupport.contract.chat import Message, Session


class TranscriptQuery(Request):
    """The format of the file."""

    format: Annotated[Literal["text", "html", "json"], Code("INVALID_FORMAT")] = "text"


class TranscriptMessage(Message):
    """A message, with the name of its sender and the time in the visitor's time zone."""

    sender_name: str
    local_time: Annotated[str, Field(description="ISO 8601, with the offset of the time zone.")]


class Transcript(Answer):
    """A chat as a file."""

    session: Session
    time_zone: str
    messages: list[TranscriptMessage]
