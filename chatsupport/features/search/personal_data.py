"""The words of a person's sessions go with the texts that they are from."""

from __future__ import annotations

from collections.abc import Sequence

from bson import ObjectId

from chatsupport.features.search import indexing
from chatsupport.personal_data import Erasure, PersonalData


def _erase_in_sessions(_: Erasure, session_ids: Sequence[ObjectId]) -> None:
    indexing.forget(session_ids)
    _note(session_ids)


def _erase_texts_in(session_ids: Sequence[ObjectId]) -> None:
    indexing.forget(session_ids)
    _note(session_ids)


def _note(session_ids: Sequence[ObjectId]) -> None:
    for session_id in session_ids:
        indexing.note(session_id)


PERSONAL_DATA = PersonalData(
    export=lambda _: {},
    erase_in_sessions=_erase_in_sessions,
    erase_texts_in=_erase_texts_in,
    delete_with_sessions=indexing.forget,
)
