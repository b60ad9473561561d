"""What visitors are asked before a chat begins: a start by a user needs the answers.

An answer is what the start says of the visitor: its name, email or phone, or one of its fields. Some other feature
keeps these; where none takes them, nobody can answer, and nobody is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatsupport import session_parts
from chatsupport.contract.chat import StartSession
from chatsupport.contract.people import email
from chatsupport.errors import InvalidInputError
from chatsupport.features.settings import service
from chatsupport.identity import USER
from chatsupport.services.sessions.starting import Start
from chatsupport.session_parts import SessionPart

OF_VISITOR = ("name", "email", "phone")


def check(start: Start) -> None:
    """Raise `InvalidInputError` with INVALID_CONTEXT where a user's start lacks an answer, or has one that is none."""
    questions = service.current()["preChat"]
    if not questions or start.caller.type != USER:
        return
    told = [start.wanted.more(model) for model in session_parts.fields_of(StartSession)]
    answers = next((one for one in told if hasattr(one, "visitor") and hasattr(one, "fields")), None)
    if answers is None:
        return
    problems = [problem for question in questions if (problem := _problem(question, answers))]
    if problems:
        raise InvalidInputError("INVALID_CONTEXT", problems[0]["message"], details=problems)


def _problem(question: Mapping[str, Any], answers: Any) -> dict[str, str] | None:
    key = question["key"]
    if key in OF_VISITOR:
        field, answer = f"visitor.{key}", getattr(answers.visitor, key, None)
    else:
        field, answer = f"fields.{key}", (answers.fields or {}).get(key)
    if answer is None or answer == "":
        wrong = "is required" if question["required"] else None
    elif question["type"] == "select":
        wrong = None if answer in question["options"] else f"must be one of {', '.join(question['options'])}"
    elif question["type"] == "email":
        wrong = None if _is_email(answer) else "must be an email address"
    else:
        wrong = None
    return {"field": field, "message": f"{field} {wrong}."} if wrong else None


def _is_email(answer: object) -> bool:
    try:
        email(answer)
    except ValueError:
        return False
    return True


SESSION_PART = SessionPart(on_start=check)
