"""Departments. Everybody may list them; supervisors and systems change them."""

from __future__ import annotations

import base64
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chatsupport import events, serializers
from chatsupport.contract.base import refused
from chatsupport.database.clock import now
from chatsupport.documents import Department
from chatsupport.documents.department import MAX_DEPARTMENTS
from chatsupport.errors import DepartmentNotFoundError
from chatsupport.events import Administered
from chatsupport.features.departments.models import (
    DepartmentChanges,
    DepartmentPage,
    DepartmentTakenError,
    NewDepartment,
)
from chatsupport.identity import USER, Caller
from chatsupport.services.assignment import reservations
from chatsupport.services.people import agents, departments
from chatsupport.services.shared import access

Document = dict[str, Any]

CREATED, CHANGED, DELETED = ("department_created", "department_changed", "department_deleted")


def list_page(caller: Caller, wanted: DepartmentPage) -> Document:
    """Return one page of the departments by name. Users see only ids and names."""
    after: Document = {}
    if wanted.cursor is not None:
        after = {"key": {"$gt": wanted.cursor[0]}}
    rows = list(Department.collection().find(after, sort=[("key", 1)], limit=wanted.limit + 1))
    page, more = rows[: wanted.limit], len(rows) > wanted.limit
    shown = [_serialize(row, for_user=caller.type == USER) for row in page]
    return serializers.page("departments", shown, _cursor(page[-1]) if more else None)


def create(caller: Caller, new: NewDepartment) -> Document:
    """Make a department. Raises `DepartmentTakenError`. For supervisors and operators."""
    access.require_manager(caller)
    if new.bot_id is not None:
        agents.require_bot(new.bot_id, "INVALID_DEPARTMENT")
    if len(departments.read()) >= MAX_DEPARTMENTS:
        raise refused("name", "INVALID_DEPARTMENT", f"There are {MAX_DEPARTMENTS} departments. Delete one first.")
    time = now()
    department = {
        "_id": ObjectId(),
        "name": new.name,
        "key": new.name.casefold(),
        "overflowAfter": new.overflow_after,
        "botId": new.bot_id,
        "createdAt": time,
        "updatedAt": time,
    }
    try:
        Department.collection().insert_one(department)
    except DuplicateKeyError:
        raise DepartmentTakenError from None
    return _done(CREATED, caller, department)


def change(caller: Caller, department_id: ObjectId, changes: DepartmentChanges) -> Document:
    """Change the given fields of a department. Raises `DepartmentNotFoundError` or `DepartmentTakenError`.

    A new `overflowAfter` also holds for sessions that wait already. For supervisors and operators.
    """
    access.require_manager(caller)
    if changes.bot_id is not None:
        agents.require_bot(changes.bot_id, "INVALID_DEPARTMENT")
    values: Document = {"updatedAt": now()}
    if "name" in changes.given:
        values |= {"name": changes.name, "key": changes.name.casefold()}
    if "overflow_after" in changes.given:
        values["overflowAfter"] = changes.overflow_after
    if "bot_id" in changes.given:
        values["botId"] = changes.bot_id
    try:
        department = Department.collection().find_one_and_update(
            {"_id": department_id}, {"$set": values}, return_document=ReturnDocument.AFTER
        )
    except DuplicateKeyError:
        raise DepartmentTakenError from None
    return _done(CHANGED, caller, department)


def delete(caller: Caller, department_id: ObjectId) -> Document:
    """Delete a department and return it. Every agent may have its sessions then, and no agent has it in its list.

    Raises `DepartmentNotFoundError` also if it was deleted before, but first completes that deletion. For supervisors
    and operators.
    """
    access.require_manager(caller)
    deleted = Department.collection().find_one_and_delete({"_id": department_id})
    reservations.dissolve(department_id)
    return _done(DELETED, caller, deleted)


def _done(action: str, caller: Caller, department: Document | None) -> Document:
    departments.read()
    if department is None:
        raise DepartmentNotFoundError
    about = {"department_id": str(department["_id"]), "name": department["name"]}
    events.happened(Administered(caller, action, about))
    return _serialize(department)


def _cursor(department: Document) -> str:
    return f"{department['_id']}-{base64.urlsafe_b64encode(department['key'].encode()).decode()}"


def _serialize(department: Document, *, for_user: bool = False) -> Document:
    shown = {"id": str(department["_id"]), "name": department["name"]}
    if for_user:
        return shown
    return {
        **shown,
        "overflowAfter": department["overflowAfter"],
        "botId": serializers.id_or_none(department.get("botId")),
        "createdAt": serializers.iso(department["createdAt"]),
        "updatedAt": serializers.iso(department["updatedAt"]),
    }
