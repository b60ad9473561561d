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
    """This is not HTTP that can be read. `realtime/http_requests.py` answers before any request is made of it."""

    status = 400
    code = "INVALID_REQUEST"


class InvalidInputError(ChatSupportError):
    """What the client sent cannot be used. The code names the field: `INVALID_USER_ID`, `INVALID_LIMIT`, …"""

    status = 400
    code = "INVALID_JSON"

    def __init__(self, code: str, message: str, *, details: Sequence[Any] | None = None) -> None:
        super().__init__(message, details=details)
        self.code = code


class AuthenticationError(ChatSupportError):
    """Nobody we know is calling: no credentials, or wrong ones."""

    status = 401
    code = "AUTH_REQUIRED"


class InvalidTokenError(AuthenticationError):
    """The token is none of ours, or is not valid any more."""

    code = "INVALID_TOKEN"


class TokenExpiredError(AuthenticationError):
    """The token has expired."""

    code = "TOKEN_EXPIRED"


class InvalidApiKeyError(AuthenticationError):
    """The API key is none of ours."""

    code = "INVALID_API_KEY"


class CredentialsError(AuthenticationError):
    """The email or the password is wrong, or there is no such agent; the answer does not say which."""

    code = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("The email or the password is wrong. A supervisor can set a new password for you.")


class ForbiddenError(ChatSupportError):
    """A known caller asks for what is not its to have."""

    status = 403
    code = "FORBIDDEN"


class InvalidUserHashError(ForbiddenError):
    """Nobody has vouched for this user id, and it needs that."""

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
    """No session has this id (or the id is none at all)."""

    code = "SESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No session has this id. Start one with POST /api/chat/start-session.")


class AgentNotFoundError(NotFoundError):
    """No agent has this id."""

    code = "AGENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("No agent has this id. GET /api/agents lists the agents.")


class MethodNotAllowedError(ChatSupportError):
    """The path exists, the method does not."""

    status = 405
    code = "METHOD_NOT_ALLOWED"


class PayloadTooLargeError(ChatSupportError):
    """The request body is larger than the server takes."""

    status = 413
    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaTypeError(ChatSupportError):
    """The request body is not declared as JSON."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"


class ConflictError(ChatSupportError):
    """The session or agent is in a state that does not allow this."""

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
    """The session takes no more messages."""

    code = "SESSION_ENDED"

    def __init__(self) -> None:
        super().__init__("This session has ended. Start a new one with POST /api/chat/start-session.")


class RateLimitedError(ChatSupportError):
    """The caller does this too often."""

    status = 429
    code = "RATE_LIMITED"

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"Too many {what}. Try again in {retry_after} s.", retry_after=retry_after)


class CannotServeError(Exception):
    """This release must not work on this database, now or later; the message says what to do. No client hears of it."""


class DatabaseUnavailableError(ChatSupportError):
    """MongoDB does not answer, or this server is leaving it. Nothing was acknowledged; a retry is safe."""

    status = 503
    code = "DATABASE_UNAVAILABLE"

    def __init__(self, message: str = "The database is not answering. Try again in a few seconds.") -> None:
        super().__init__(message, retry_after=5)


class QueueFullError(ChatSupportError):
    """As many people wait as QUEUE_LIMIT allows. `details` has the numbers."""

    status = 503
    code = "QUEUE_FULL"

    def __init__(self, waiting: int, limit: int) -> None:
        super().__init__(
            f"{waiting} people are already waiting, and the queue has room for {limit}. Try again later.",
            details=[{"waiting": waiting, "limit": limit}],
            retry_after=60,
        )


class InternalError(ChatSupportError):
    """A defect of the server. The log has the traceback under the request id."""

    def __init__(self) -> None:
        super().__init__("Something went wrong on the server. If it happens again, report it with the requestId.")
