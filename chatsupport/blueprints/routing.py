"""The declaration of calls: `route` defines what the handler gets, what clients get, and what OpenAPI says."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, wraps
from typing import Any, get_type_hints

from bson import ObjectId
from flask import Flask
from pydantic import create_model
from pydantic.alias_generators import to_camel
from werkzeug.wrappers import Response

from chatsupport.blueprints.forms import FILE, Form
from chatsupport.blueprints.requests import caller, current, json_body, require_caller, success, with_headers
from chatsupport.contract import calls
from chatsupport.contract.base import Request
from chatsupport.contract.calls import Answers, Call, ErrorClass, Says
from chatsupport.errors import ChatSupportError
from chatsupport.identity import RENEWABLE, Caller
from chatsupport.services.shared.access import (
    find_session,
    find_session_of_staff,
    require_agent,
    require_manager,
    require_operator,
)

Handler = Callable[..., Any]

WEBHOOKS = "chatsupport.webhooks"
"""The application's extension with the calls that it makes itself, as OpenAPI describes them."""


@dataclass(frozen=True)
class Access:
    """The callers that may make a call."""

    needs_caller: bool = True
    expired_for: timedelta = timedelta(0)
    """How long ago a token may have expired."""
    check: Callable[[Caller], object] | None = None
    """Refuses callers that may not make the call.

    It is asked about wrong requests only, so that access comes first for them too. The service itself checks the caller
    of a right request.
    """
    check_session: Callable[[Caller, ObjectId], object] | None = None
    """The same for calls about a session, which it finds."""

    def refuse_strangers(self, path: Any) -> None:
        """Raise an error if the caller of a wrong request may not make the call at all. `path` is None if it is wrong
        too.
        """
        if self.check is not None:
            self.check(caller())
        if self.check_session is not None and path is not None:
            self.check_session(caller(), path.session_id)


CALLER = Access()
MEMBERS = Access(check_session=find_session)
STAFF = Access(check_session=find_session_of_staff)
AGENTS = Access(check=require_agent)
MANAGERS = Access(check=require_manager)
OPERATORS = Access(check=require_operator)
RENEWING_CALLER = Access(expired_for=RENEWABLE)
ANYBODY = Access(needs_caller=False)


def route(
    register: Callable[[Handler], Handler],
    *,
    answers: Answers,
    body: type[Request] | None = None,
    form: type[Request] | None = None,
    query: type[Request] | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[ErrorClass] = (),
    access: Access = CALLER,
) -> Callable[[Handler], Handler]:
    """Register a handler, as in `@route(blueprint.get("/sessions"), query=SessionFilter, answers={200: …})`.

    It gets the parts of the path, the body and the query as its annotations say, and returns the data of the answer:
    with its status, if there are several. A response is passed on as it is. Calls need a caller unless `access` says
    otherwise.

    With a `form`, the handler gets a `Form` of these fields and one file. It is not read yet: the handler does that.
    """

    def declare(handler: Handler) -> Handler:
        hints = get_type_hints(handler, include_extras=True)
        hints.pop("return", None)
        names = {model: name for name, model in hints.items() if model in (body, query, Form)}
        parts = {name: (hint, ...) for name, hint in hints.items() if name not in names.values()}
        path: type[Request] = create_model("Path", __base__=Request, **parts)  # type: ignore[call-overload]
        messages = {status: answer.message for status, answer in answers.items() if isinstance(answer, Says)}
        aliases = {name: to_camel(name) for name in parts}

        @wraps(handler)
        def view(**given: str) -> Any:
            if access.needs_caller:
                require_caller(access.expired_for)
            arguments: dict[str, Any] = {}
            read = None
            try:
                if given:
                    read = path.parse({aliases[name]: value for name, value in given.items()})
                    arguments = {name: getattr(read, name) for name in given}
                if query is not None:
                    arguments[names[query]] = query.parse(current().args.to_dict())
                if body is not None:
                    arguments[names[body]] = body.parse(with_headers(json_body(), headers or {}))
            except ChatSupportError:
                access.refuse_strangers(read)
                raise
            if form is None:
                outcome = handler(**arguments)
            else:
                with Form(form, headers or {}) as received:
                    outcome = handler(**arguments, **{names[Form]: received})
            if isinstance(outcome, Response):
                return outcome
            data, status = outcome if isinstance(outcome, tuple) else (outcome, next(iter(answers)))
            return success(messages[status], data, status)

        view.call = Call(  # type: ignore[attr-defined]
            name=to_camel(handler.__name__),
            documentation=handler.__doc__ or "",
            answers=answers,
            path=path,
            body=body or form,
            file=FILE if form else None,
            query=query,
            headers=headers or {},
            errors=errors,
            needs_caller=access.needs_caller,
        )
        register(view)
        return handler

    return declare


@lru_cache(maxsize=1)
def openapi(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of all calls of the application."""
    found, tags = [], {}
    for rule in app.url_map.iter_rules():
        call = getattr(app.view_functions[rule.endpoint], "call", None)
        if call is not None:
            blueprint = rule.endpoint.partition(".")[0]
            tag = blueprint.capitalize()
            tags[tag] = (sys.modules[app.blueprints[blueprint].import_name].__doc__ or "").partition("\n\n")[0]
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            method = next(iter((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            found.append((method, path, tag, call))
    return calls.document(found, tags, app.extensions.get(WEBHOOKS, {}))
