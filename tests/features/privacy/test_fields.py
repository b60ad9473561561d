"""Whoever adds a text to sessions or messages has to say what an erasure does with it."""

from __future__ import annotations

import pytest
from mongoengine import BooleanField, DateTimeField, FloatField, IntField, LongField, ObjectIdField

from chatsupport.documents import Message, Session
from chatsupport.documents.base import CHANGED, KEPT, REMOVED, removed_by_erasure

NAME_NOBODY = (BooleanField, DateTimeField, FloatField, IntField, LongField, ObjectIdField)
"""Figures, times, and ids that we have made."""


@pytest.mark.parametrize("document", [Session, Message])
def test_each_text_says_what_an_erasure_does(document: type[Session | Message]) -> None:
    texts = [field for field in document._fields.values() if not isinstance(field, NAME_NOBODY)]

    assert texts
    silent = [field.name for field in texts if getattr(field, "erasure", None) not in (REMOVED, CHANGED, KEPT)]
    assert not silent, f"Give {silent} an `erasure`: see chatsupport/documents/base.py."


def test_an_erasure_removes_what_says_so() -> None:
    assert removed_by_erasure(Session) == ["guestId", "internalReason"]
    assert removed_by_erasure(Message) == ["clientMessageId", "content", "features"]
