"""The transactional outbox of the events that change a session's state: stored, but not announced yet.

Every update that changes a session's state adds a mark to its `untold` in the same write: started, assigned, requeued,
moved, ended. The process that made the change then tells the event, whose reactions free slots and tell people, and
notes the mark as told; marks are removed in batches, once a second. A process that is killed in between, that never
hears that its write was stored, or one of whose reactions fails, leaves the mark. Then a repeated call tells the event
(`tell_untold`), or the sweep does: it is rebuilt from the session and the mark, and the same reactions follow.

So an event may be told twice, and late: each reaction looks at the session as it is now, frees slots by their ids, and
says only what is still true.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from chatsupport import events, recording
from chatsupport.background import Buffered
from chatsupport.database.clock import now
from chatsupport.database.connection import lacks_index
from chatsupport.documents import Session
from chatsupport.documents.session import UNTOLD_INDEX
from chatsupport.events import SessionChange
from chatsupport.identity import Caller
from chatsupport.services.server.leases import HOUSEKEEPING

logger = logging.getLogger(__name__)

Document = dict[str, Any]
Told = tuple[list[ObjectId], Document]
Retell = Callable[[Document, Document], SessionChange | None]
AnyRetell = TypeVar("AnyRetell", bound=Retell)

STARTED, ASSIGNED, REQUEUED, MOVED, ENDED = "started", "assigned", "requeued", "moved", "ended"
"""The changes of a session's state. It is moved when it goes from one agent to another."""

CLEAR_SECONDS = 1.0
LATE = timedelta(seconds=3)
"""The age of a mark that nobody is about to announce. To announce it earlier would do no harm."""
TOO_LATE = timedelta(seconds=9)
"""The age of a mark that the holder of the lease should have announced: the holder may have been killed."""
SWEEP_SECONDS = 2.0
MAX_AT_ONCE = 500
REMEMBERED = 10_000

_RECORDED_AS = {
    STARTED: "session.started",
    ASSIGNED: "session.assigned",
    REQUEUED: "session.requeued",
    ENDED: "session.ended",
}
"""How changes are recorded. A move is recorded as the assignment that is stored with it."""

_retells: dict[str, Retell] = {}
_mutex = threading.Lock()
_not_recorded: dict[ObjectId, str] = {}
"""The marks of this process's changes in progress that are stored without being recorded, and their kinds."""
_ours: dict[ObjectId, bool] = {}
"""The marks that this process is about to announce (False), or has announced (True)."""
_removed: deque[ObjectId] = deque()
"""The announced marks that are removed. The last `REMEMBERED` stay in `_ours`: somebody may have read them before."""


def retells(*kinds: str) -> Callable[[AnyRetell], AnyRetell]:
    """Register how an event is rebuilt from marks of these kinds: by a function of the session as it is now, and the
    mark.

    It returns None if there is nothing to tell: whatever has happened since has a mark of its own.
    """

    def register(function: AnyRetell) -> AnyRetell:
        _retells.update(dict.fromkeys(kinds, function))
        return function

    return register


@contextmanager
def change(kind: str, caller: Caller | None = None, **about: Any) -> Iterator[Document]:
    """Yield the mark for a change that the block writes, and whose event it tells (`tell`) before it ends.

    `caller` asked for the change. If the block raises, the sweep or a repeated call tells the event. A block that ends
    without telling it has changed nothing.
    """
    by = {} if caller is None else {"callerId": caller.id, "callerType": caller.type}
    mark = {"id": ObjectId(), "kind": kind, "at": now(), **by, **about}
    with _held([mark]):
        yield mark


def origin(mark: Document) -> dict[str, Any]:
    """Return the fields of an event that come from its mark."""
    caller = Caller(mark["callerId"], mark["callerType"]) if "callerId" in mark else None
    return {"id": mark["id"], "at": mark["at"], "caller": caller}


@contextmanager
def _held(marks: list[Document]) -> Iterator[None]:
    """Keep other greenlets of this process from announcing these marks."""
    with _mutex:
        _ours.update((mark["id"], False) for mark in marks)
    try:
        yield
    finally:
        with _mutex:
            for mark in marks:
                _not_recorded.pop(mark["id"], None)
                if not _ours.get(mark["id"], True):
                    del _ours[mark["id"]]


def stored(*marks: Document) -> Document:
    """Return the values of a new session with these marks."""
    return {"untold": list(marks), **recording.kept(_recorded(marks))}


def pushed(mark: Document) -> Document:
    """Return the operators of an update that adds a mark to a session."""
    to_record = recording.pushed(_recorded([mark]))
    return {"$push": {"untold": mark, **to_record.get("$push", {})}}


def added(*marks: Document) -> Document:
    """Return the values of a pipeline update that adds marks to a session."""
    untold = {"$concatArrays": [{"$ifNull": ["$untold", []]}, {"$literal": list(marks)}]}
    return {"untold": untold, **recording.added(_recorded(marks))}


def _recorded(marks: Sequence[Document]) -> recording.Marks:
    """Return the marks by which these changes are recorded, and note for `tell` which get none."""
    to_record: recording.Marks = []
    for mark in marks:
        kind = _RECORDED_AS.get(mark["kind"])
        if kind is None:
            continue
        if made := recording.marks(kind, mark["id"], mark["at"]):
            to_record += made
        else:
            with _mutex:
                _not_recorded[mark["id"]] = kind
    return to_record


def tell(event: SessionChange, stored_with_it: Document | None = None) -> None:
    """Run the event's reactions, and remove its mark soon. If a reaction fails, the mark stays.

    `stored_with_it` is what the same write sets in the session: figures that can be worked out again from the mark.
    """
    with _mutex:
        kind = _not_recorded.pop(event.id, None)
    if kind is not None:
        recording.look_after(Session.collection(), event.session["_id"], kind, [])
    if events.happened(event):
        told(event.session["_id"], event.id, stored_with_it)


def told(session_id: ObjectId, mark_id: ObjectId, stored_with_it: Document | None = None) -> None:
    """Remove a mark soon: it was announced, or there is nothing to announce."""
    with _mutex:
        _ours[mark_id] = True
    _told.add(session_id, ([mark_id], stored_with_it or {}))


def is_in_progress(session: Document, kind: str) -> bool:
    """Tell whether this process is still making a change of this kind, which the session has a mark of."""
    return any(mark["kind"] == kind and _ours.get(mark["id"]) is False for mark in session.get("untold", ()))


def tell_untold(session: Document) -> bool:
    """Tell the events of a session that were not told, unless this process is doing so. False if there are none."""
    marks = [mark for mark in session.get("untold", ()) if mark["id"] not in _ours and mark["kind"] in _retells]
    with _held(marks):
        for mark in marks:
            event = _retells[mark["kind"]](session, mark)
            if event is None:
                told(session["_id"], mark["id"])
            else:
                tell(dataclasses.replace(event, is_late=True))
    return bool(marks)


def sweep(may_act: Callable[[], bool] = HOUSEKEEPING.hold) -> int:
    """Tell the events of old marks, if this process may, and those of very old ones in any case.

    Returns the number of their sessions.
    """
    time = now()
    due = {"untold.at": {"$lt": time - LATE}}
    try:
        found = list(Session.collection().find(due, hint=UNTOLD_INDEX, limit=MAX_AT_ONCE))
    except OperationFailure as error:
        if lacks_index(error):
            return 0
        raise
    late = [session for session in found if any(mark["id"] not in _ours for mark in session["untold"])]
    if late and not may_act():
        late = [session for session in late if min(mark["at"] for mark in session["untold"]) < time - TOO_LATE]
    completed = 0
    for session in late:
        try:
            completed += tell_untold(session)
        except Exception:
            about = {"session_id": str(session["_id"])}
            logger.exception("The events of a session cannot be reported yet; trying again", extra=about)
    if completed:
        logger.info("Reported events that had not been reported", extra={"event": "told_late", "sessions": completed})
    return completed


def _clear(batch: dict[ObjectId, Told]) -> None:
    """Remove the marks of announced events. A mark that stays is announced again."""
    removals = [
        UpdateOne(
            {"_id": session_id},
            {"$pull": {"untold": {"id": {"$in": ids}}}, **({"$set": values} if values else {})},
        )
        for session_id, (ids, values) in batch.items()
    ]
    # A removal lost in a failover is harmless.
    Session.collection().with_options(write_concern=WriteConcern(w=1)).bulk_write(removals, ordered=False)
    with _mutex:
        _removed.extend(itertools.chain.from_iterable(ids for ids, _ in batch.values()))
        while len(_removed) > REMEMBERED:
            _ours.pop(_removed.popleft(), None)


def _together(older: Told, newer: Told) -> Told:
    return older[0] + newer[0], {**older[1], **newer[1]}


_told: Buffered[ObjectId, Told] = Buffered(_clear, CLEAR_SECONDS, merge=_together)
"""For each session the marks that are to be removed, and what is stored by the same write."""
flush = _told.flush


def reset() -> None:
    """Forget what was announced, like a process that is killed."""
    _told.clear()
    with _mutex:
        _ours.clear()
        _removed.clear()
