"""Departments. Everybody with credentials lists them; supervisors, API keys and systems change them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import MANAGERS, route
from chatsupport.contract.calls import Says
from chatsupport.contract.fields import DepartmentId
from chatsupport.features.departments import service as departments
from chatsupport.features.departments.models import (
    Department,
    DepartmentChanges,
    DepartmentPage,
    Departments,
    DepartmentTakenError,
    NewDepartment,
)

blueprint = Blueprint("departments", __name__, url_prefix="/api/departments")

Json = dict[str, Any]


@route(blueprint.get(""), query=DepartmentPage, answers={200: Says("Departments", Departments)})
def list_departments(page: DepartmentPage) -> Json:
    """List the departments, sorted by name.

    For everybody with credentials. Users get only `id` and `name`.
    """
    return departments.list_page(caller(), page)


@route(
    blueprint.post(""),
    body=NewDepartment,
    answers={201: Says("Department created", Department)},
    errors=[DepartmentTakenError],
    access=MANAGERS,
)
def create_department(new: NewDepartment) -> Json:
    """Make a department.

    For supervisors, API keys and systems.
    """
    return departments.create(caller(), new)


@route(
    blueprint.patch("/<department_id>"),
    body=DepartmentChanges,
    answers={200: Says("Department changed", Department)},
    errors=[DepartmentTakenError],
    access=MANAGERS,
)
def update_department(department_id: DepartmentId, changes: DepartmentChanges) -> Json:
    """Change the given fields of a department.

    A new `overflowAfter` also holds for the sessions that wait already.
    """
    return departments.change(caller(), department_id, changes)


@route(blueprint.delete("/<department_id>"), answers={200: Says("Department deleted", Department)}, access=MANAGERS)
def delete_department(department_id: DepartmentId) -> Json:
    """Delete a department.

    Every agent may have its sessions then, and it is taken off the lists of agents.
    """
    return departments.delete(caller(), department_id)
