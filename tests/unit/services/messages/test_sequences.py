"""A process remembers the last seqs of its sessions."""

from __future__ import annotations

import pytest
from bson import ObjectId

from chatsupport.services.messages import sequences
from chatsupport.services.messages.sequences import LastSeqs


def test_the_last_seqs_of_the_latest_sessions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "MAX_HINTS", 2)
    first, second, third = (ObjectId() for _ in range(3))
    last_seqs = LastSeqs()
    for session_id, seq in ((first, 1), (second, 7), (first, 2), (third, 1)):
        last_seqs.remember(session_id, seq)

    assert last_seqs.known([first, second, third]) == {first: 2, third: 1}
    assert last_seqs.read(first) == 2
    last_seqs.forget(first)
    assert last_seqs.known([first, third]) == {third: 1}


def test_a_forgotten_seq_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = ObjectId()
    monkeypatch.setattr(sequences, "last_seq", {session_id: 5}.__getitem__)
    last_seqs = LastSeqs()
    last_seqs.remember(session_id, 3)
    last_seqs.forget(session_id)

    assert last_seqs.read(session_id) == 5
