"""The departments, as this process knows them: as they were two seconds ago at most, and whatever it changed itself.

It looks up departments that it does not know. `reservations` is about the sessions that wait for departments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bson import ObjectId

from chatsupport import recording
from chatsupport.background import Remembered
from chatsupport.database.clock import now
from chatsupport.documents import Agent, Department
from chatsupport.documents.agent import ANY_STATE
from chatsupport.errors import DepartmentNotFoundError

Document = dict[str, Any]

TRUSTED_SECONDS = 2.0

_ANY: Document = {"key": {"$gt": ""}}
ALL: Document = {"coll": Department._meta["collection"], "pipeline": [{"$match": _ANY}]}
"""The argument of `$unionWith` that adds all departments to the rows of an aggregation."""

_known: Remembered[dict[ObjectId, Document]] = Remembered()


def known() -> Mapping[ObjectId, Document]:
    """Return the departments by their ids, as they were a moment ago."""
    return found if (found := _known.get()) is not None else read()


def read() -> Mapping[ObjectId, Document]:
    """Return the departments by their ids as they are now, and remember them."""
    return remember(Department.collection().find(_ANY))


def remember(departments: Iterable[Document]) -> Mapping[ObjectId, Document]:
    """Remember all departments, which were just read. Returns them by their ids."""
    found = {department["_id"]: department for department in departments}
    _known.keep(found, TRUSTED_SECONDS)
    return found


def take_off_lists(department_ids: Iterable[ObjectId]) -> None:
    """Take departments that are gone off the lists of agents."""
    gone = {"departmentIds": {"$in": list(department_ids)}}
    for agent in list(Agent.collection().find({**ANY_STATE, **gone}, {"_id": 1})):
        marks = recording.marks(recording.AGENT_CHANGED)
        change = {"$pull": gone, "$set": {"updatedAt": now()}, **recording.pushed(marks)}
        if Agent.collection().update_one({"_id": agent["_id"], **gone}, change).modified_count:
            recording.look_after(Agent.collection(), agent["_id"], recording.AGENT_CHANGED, marks)


def tidy(department_ids: Iterable[ObjectId]) -> None:
    """Take those of these departments off the lists of agents that were deleted while they were put there."""
    if (wanted := set(department_ids)) and (gone := wanted - read().keys()):
        take_off_lists(gone)


def require(department_ids: Iterable[ObjectId]) -> None:
    """Raise `DepartmentNotFoundError` if one of these does not exist."""
    wanted = set(department_ids)
    if not wanted <= known().keys() and not wanted <= read().keys():
        raise DepartmentNotFoundError
