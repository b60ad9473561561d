"""The kinds of fields. Each limit is written here or in a model, and nowhere else."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from bson import ObjectId
from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from chatsupport.contract.base import Code, Reads, too_long
from chatsupport.contract.schemas import LARGEST
from chatsupport.contract.text import UNSTORABLE, is_visible, trimmed
from chatsupport.errors import AgentNotFoundError, ChatSupportError, DepartmentNotFoundError, SessionNotFoundError

NEXT_CURSOR, PAGE_BEFORE = "the nextCursor of the previous page, unchanged", "The nextCursor of the previous page."
DEFAULT_PAGE, MAX_PAGE = 50, 100
MAX_TAGS, MAX_TAG_LENGTH = 10, 40

_DIGITS = re.compile(r"[0-9]{1,16}")
_CURSOR = re.compile(r"([0-9]{1,14})-([0-9a-f]{24})")
_HTTPS = re.compile(r"https://[!-~]{1,1992}")
_EPOCH = datetime.fromtimestamp(0, timezone.utc)
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=timezone.utc), datetime(9000, 1, 1, tzinfo=timezone.utc)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)


class Text(Reads):
    """A text, trimmed: 1 to `most` characters, at least one of them visible."""

    def __init__(self, most: int) -> None:
        super().__init__(self._text, minLength=1, maxLength=most)
        self.most = most

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError
        text = trimmed(value)
        if not is_visible(text):
            raise ValueError("must contain at least one visible character.")
        if len(text) > self.most:
            raise too_long(self.most)
        if UNSTORABLE.search(text):
            raise ValueError("must not contain NUL or unpaired surrogates.")
        return text


class PersonText(Text):
    """A person's id. Ids that no path could contain are refused."""

    def _text(self, value: Any) -> str:
        text = super()._text(value)
        if text in (".", ".."):
            raise ValueError("must not be . or .., because no path could contain it.")
        return text


class Line(Reads):
    """A text of at most `most` characters, trimmed. `instead` replaces one without visible characters."""

    def __init__(self, most: int, instead: str | None = None) -> None:
        super().__init__(self._line, minLength=0, maxLength=most)
        self.most = most
        self.instead = instead

    def _line(self, value: Any) -> str | None:
        if value is None:
            return self.instead
        text = trimmed(value) if isinstance(value, str) else None
        if text is None or len(text) > self.most or UNSTORABLE.search(text):
            raise ValueError
        return text if is_visible(text) else self.instead


def null_is(value: object) -> BeforeValidator:
    """Read null as this value, as if the field were left out."""
    return BeforeValidator(lambda given: value if given is None else given)


class DocumentId(Reads):
    """The id of a document. A text that is not an id means "not found"."""

    def __init__(self, not_found: type[ChatSupportError]) -> None:
        super().__init__(self._id)
        self.not_found = not_found

    def _id(self, value: Any) -> ObjectId:
        if not isinstance(value, str):
            raise ValueError
        if not ObjectId.is_valid(value):
            raise PydanticCustomError("not_found", "is not a valid id.")
        return ObjectId(value)


def _https(value: Any) -> str:
    wrong = "must be an address such as https://example.com/page, of at most 2000 characters."
    if not isinstance(value, str) or not _HTTPS.fullmatch(value):
        raise ValueError(wrong)
    try:
        parts = urlsplit(value)
        is_good = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        is_good = False
    if not is_good or set("\"'<>\\^`{|}") & set(value):
        raise ValueError(wrong)
    return value


def _bot_id(value: Any) -> ObjectId:
    if not isinstance(value, str) or not ObjectId.is_valid(value):
        raise ValueError("must be the id of an agent whose kind is bot, or null.")
    return ObjectId(value)


def _file_of_message(value: Any) -> str:
    if not isinstance(value, str) or not ObjectId.is_valid(value):
        raise ValueError
    return value.lower()


def _number(value: Any) -> Any:
    """Read a decimal number of a query string. Signs, spaces and digits of other scripts are refused."""
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else str(value)


def _cursor(value: Any) -> tuple[datetime, ObjectId]:
    match = _CURSOR.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    return _EPOCH + timedelta(milliseconds=int(match[1])), ObjectId(match[2])


def _moment(value: Any) -> datetime:
    """Return a time in UTC. Without an offset it counts as UTC; without a time, as the beginning of the day."""
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    text = match[0].replace("Z", "+00:00")
    if match[3]:
        text = text.replace(match[3], f"{match[3]:0<7}")  # Python 3.10 reads only 3 or 6 digits.
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise ValueError from None
    if not _EARLIEST <= time <= _LATEST:
        raise ValueError
    return time


@cache
def time_zones() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


# Sent by clients.
PersonType = Literal["user", "agent", "system"]
PersonId = Annotated[str, PersonText(128), Code("INVALID_USER_ID")]
UserType = Annotated[PersonType, null_is("user"), Code("INVALID_USER_TYPE")]
AgentId = Annotated[ObjectId, DocumentId(AgentNotFoundError), Code("INVALID_AGENT")]
DepartmentId = Annotated[ObjectId, DocumentId(DepartmentNotFoundError), Code("INVALID_DEPARTMENT")]
BotId = Annotated[ObjectId, Reads(_bot_id)]
"""The request says with which `Code` it is refused."""
SessionId = Annotated[ObjectId, DocumentId(SessionNotFoundError), Code("INVALID_SESSION_ID")]
Seq = Annotated[int, Field(ge=0, le=LARGEST), Code("INVALID_CURSOR")]
Tag = Annotated[str, Text(MAX_TAG_LENGTH)]
Reason = Annotated[str, Text(200), Code("INVALID_REASON")]

HttpsUrl = Annotated[
    str,
    Reads(_https, maxLength=2000, pattern=f"^{_HTTPS.pattern}$"),
]
FileOfMessage = Annotated[str, Reads(_file_of_message, "the id of a file", pattern="^[0-9a-fA-F]{24}$")]

# In a query string: always texts.
Digits = BeforeValidator(_number)
Limit = Annotated[
    int, Field(ge=1, le=MAX_PAGE, description="The largest number of entries."), Digits, Code("INVALID_LIMIT")
]
Cursor = Annotated[
    tuple[datetime, ObjectId],
    Reads(_cursor, NEXT_CURSOR, description=PAGE_BEFORE),
    Code("INVALID_CURSOR"),
]

Moment = Annotated[
    datetime,
    Reads(
        _moment,
        "a date or time of ISO 8601, such as 2026-11-22 or 2026-11-22T09:00:00Z (send + as %2B)",
        examples=["2026-11-22", "2026-11-22T09:00:00Z"],
    ),
]
"""The request says with which `Code` it is refused."""
Bound = Annotated[Moment, Code("INVALID_RANGE")]

# Sent by the server.
Id = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
Time = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$",
        }
    ),
]
Count = Annotated[int, Field(ge=0)]
Place = Annotated[int, Field(ge=1)]
Status = Literal["waiting", "active", "ended"]
