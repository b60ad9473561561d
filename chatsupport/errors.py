"""The errors clients see: a code, an HTTP status and a sentence that says what to do.

Nothing here knows Flask or Socket.IO; the two adapters (`blueprints/errors.py` and `sockets/errors.py`) turn a
`ChatSupportError` into an envelope. The codes are those of the wire contract and never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class ChatSupportError(Exception):
    """An error that may be shown to a client. `message` says what to do about it."""

    status: ClassVar[int] = 500
    code: str = "INTERNAL_ERROR"

    def __init__(
        self,
        message: str,
        *,
        details: Sequence[Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = list(details) if details is not None else None
        self.retry_after = retry_after
        """Seconds after which a retry may succeed; becomes the `Retry-After` header."""

    def envelope(self, request_id: str | None) -> dict[str, Any]:
        """Return the failure envelope, the same for REST bodies, acknowledgements and events."""
        envelope: dict[str, Any] = {
            "success": False,
            "code": self.code,
            "message": self.message,
            "requestId": request_id,
        }
        if self.details is not None:
            envelope["details"] = self.details
        return envelope


class InvalidRequestError(ChatSupportError):
    """The bytes are not a readable HTTP request. `realtime/http_requests.py` answers before Flask sees it."""

    status = 400
    code = "INVALID_REQUEST"


class InvalidInputError(ChatSupportError):
    """The client's input is invalid. The code names the field: `INVALID_USER_ID`, `INVALID_LIMIT`, …"""

    status = 400
    code = "INVALID_JSON"

    def __init__(self, code: str, message: str, *, details: Sequence[Any] | None = None) -> None:
        super().__init__(message, details=details)
        self.code = code


class AuthenticationError(ChatSupportError):
    """The caller has no credentials, or wrong ones."""

    status = 401
    code = "AUTH_REQUIRED"


class InvalidTokenError(AuthenticationError):
    """The token is not from this server, or is no longer valid."""

    code = "INVALID_TOKEN"


class TokenExpiredError(AuthenticationError):
    """The token has expired."""

    code = "TOKEN_EXPIRED"


class InvalidApiKeyError(AuthenticationError):
    """The API key is not one of this server's."""

    code = "INVALID_API_KEY"


class CredentialsError(AuthenticationError):
    """The email or the password is wrong, or there is no such agent; the answer does not say which."""

    code = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("The email or the password is wrong. A supervisor can set a new password for you.")


class ForbiddenError(ChatSupportError):
    """The caller is known, but not allowed to do this."""

    status = 403
    code = "FORBIDDEN"


class InvalidUserHashError(ForbiddenError):
    """This user id needs a `userHash`, and the request has none or a wrong one."""

    code = "INVALID_USER_HASH"


class BlockedError(ForbiddenError):
    """An operator has blocked this person or address."""

    code = "BLOCKED"

    def __init__(self) -> None:
        super().__init__("You have been blocked from this chat. If this is a mistake, contact the site in another way.")


class NotFoundError(ChatSupportError):
    """There is no such path, session or agent."""

    status = 404
    code = "NOT_FOUND"


class SessionNotFoundError(NotFoundError):
    """No session has this id, or the text is not an id."""

    code = "SESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No session has this id. Start one with POST /api/chat/start-session.")


class DepartmentNotFoundError(NotFoundError):
    """No department has this id."""

    code = "DEPARTMENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No department has this id. GET /api/departments lists the departments.")


class AgentNotFoundError(NotFoundError):
    """No agent has this id."""

    code = "AGENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No agent has this id. GET /api/agents lists the agents.")


class MethodNotAllowedError(ChatSupportError):
    """The path exists, but not with this method."""

    status = 405
    code = "METHOD_NOT_ALLOWED"


class PayloadTooLargeError(ChatSupportError):
    """The request body is too large."""

    status = 413
    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaTypeError(ChatSupportError):
    """The request body is not declared as JSON."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"


class ConflictError(ChatSupportError):
    """The state of the session or agent does not allow this."""

    status = 409
    code = "AGENT_BUSY"


class AgentAtCapacityError(ConflictError):
    """The agent has no free slot."""

    code = "AGENT_AT_CAPACITY"

    def __init__(self) -> None:
        super().__init__("This agent has no free slot. Choose another agent, or try again later.")


class EmailTakenError(ConflictError):
    """Another agent signs in with this email."""

    code = "EMAIL_TAKEN"

    def __init__(self) -> None:
        super().__init__("Another agent already uses this email. Give each agent its own email.")


class SessionEndedError(ConflictError):
    """The session has ended."""

    code = "SESSION_ENDED"

    def __init__(self) -> None:
        super().__init__("This session has ended. Start a new one with POST /api/chat/start-session.")


class WithAPersonError(ConflictError):
    """The session is with a person, or on its way to one, so no bot can hand it over."""

    code = "WITH_A_PERSON"

    def __init__(
        self, message: str = "A person already has this session. Write to that person in the session."
    ) -> None:
        super().__init__(message)


class RateLimitedError(ChatSupportError):
    """The caller does this too often."""

    status = 429
    code = "RATE_LIMITED"

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"Too many {what}. Try again in {retry_after} s.", retry_after=retry_after)


class CannotServeError(Exception):
    """This release must not use this database, now or later. The message says what to do; clients never see it."""


class DatabaseUnavailableError(ChatSupportError):
    """MongoDB does not answer, or this server is shutting down. Nothing was acknowledged; a retry is safe."""

    status = 503
    code = "DATABASE_UNAVAILABLE"

    def __init__(self, message: str = "The database is not answering. Try again in a few seconds.") -> None:
        super().__init__(message, retry_after=5)


class QueueFullError(ChatSupportError):
    """The queue has reached QUEUE_LIMIT. `details` has the numbers."""

    status = 503
    code = "QUEUE_FULL"

    def __init__(self, waiting: int, limit: int) -> None:
        super().__init__(
            f"{waiting} people are already waiting, and the queue has room for {limit}. Try again later.",
            details=[{"waiting": waiting, "limit": limit}],
            retry_after=60,
        )


class InternalError(ChatSupportError):
    """An error in the server. The log has the traceback under the request id."""

    def __init__(self) -> None:
        super().__init__("Something went wrong on the server. If it happens again, report it with the requestId.")
