"""Turn errors into failure envelopes, for acknowledgements, the `error` event and refused connections."""

from __future__ import annotations

import logging
import uuid

from socketio.exceptions import ConnectionRefusedError

from chatsupport.database.connection import is_unavailable
from chatsupport.errors import ChatSupportError, DatabaseUnavailableError, InternalError

logger = logging.getLogger(__name__)


def as_chat_support_error(error: Exception) -> ChatSupportError:
    """Return the error to show to the client. Anything unexpected is logged with its traceback."""
    if isinstance(error, ChatSupportError):
        return error
    if is_unavailable(error):
        logger.warning("The database is unavailable", extra={"reason": type(error).__name__})
        return DatabaseUnavailableError()
    logger.error("Unexpected error", exc_info=error)
    return InternalError()


def refuse(error: ChatSupportError) -> ConnectionRefusedError:
    """Return the exception that refuses a connection with the failure envelope as its `data`."""
    return ConnectionRefusedError(error.message, error.envelope(uuid.uuid4().hex))
