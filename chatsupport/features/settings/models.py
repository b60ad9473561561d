"""The settings, with the limits of each."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from chatsupport.contract.base import Answer, Code, Model, Reads, Request, absent, example
from chatsupport.contract.fields import BotId, Count, HttpsUrl, Id, Line, Text, Time, time_zones
from chatsupport.contract.schemas import LARGEST

MAX_END_REASONS, MAX_QUESTIONS, MAX_OPTIONS = 20, 8, 20
MAX_SPANS, MAX_EXCEPTIONS = 10, 400
DEFAULT_COLOR = "#0f766e"

_COLOR = re.compile(r"#[0-9a-f]{6}")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def _matching(pattern: re.Pattern[str], wording: str) -> Reads:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {wording}.")
        return value

    return Reads(read, pattern=f"^{pattern.pattern}$")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _each_once(items: list[str]) -> list[str]:
    if len(set(items)) < len(items):
        raise ValueError("must not have the same entry twice.")
    return items


def _time_zone(value: Any) -> str:
    if not isinstance(value, str) or value not in time_zones():
        raise ValueError("must be the name of a time zone, such as Europe/Berlin.")
    return value


def _date(value: Any) -> str:
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass  # Such as February 30.
    raise ValueError("must be a date such as 2026-12-24.")


def _span(value: Any) -> list[str]:
    is_pair = isinstance(value, list) and len(value) == 2
    if not is_pair or not all(isinstance(time, str) and _TIME_OF_DAY.fullmatch(time) for time in value):
        raise ValueError('must be two times from 00:00 to 24:00, such as ["09:00", "17:30"].')
    if value[0] >= value[1]:
        raise ValueError("must end after it begins. Hours past midnight are a span of the next day.")
    return list(value)


def _in_order(spans: list[list[str]]) -> list[list[str]]:
    if any(earlier[1] > later[0] for earlier, later in pairwise(spans)):
        raise ValueError("must be in order, and must not overlap.")
    return spans


def _dates_differ(days: list[ExceptionalDay]) -> list[ExceptionalDay]:
    if len({day.date for day in days}) < len(days):
        raise ValueError("must not have the same date twice.")
    return sorted(days, key=lambda day: day.date)


Span = Annotated[
    list[str],
    Reads(
        _span, type="array", items={"type": "string", "pattern": f"^({_TIME_OF_DAY.pattern})$"}, minItems=2, maxItems=2
    ),
]
Spans = Annotated[list[Span], Field(max_length=MAX_SPANS), AfterValidator(_in_order)]
Day = Annotated[Spans, Field(default_factory=list)]


class Weekly(Model):
    """The opening hours of each day of the week: spans such as `["09:00", "17:30"]`. A day without spans is closed."""

    mon: Day
    tue: Day
    wed: Day
    thu: Day
    fri: Day
    sat: Day
    sun: Day


class ExceptionalDay(Model):
    """A date with opening hours of its own."""

    date: Annotated[str, Reads(_date, format="date")]
    spans: Spans = Field(description="Empty if the chat is closed on that day.")
    name: Annotated[str, Line(60)] | None = absent("Such as the name of a holiday.")


class OpeningHours(Model):
    """The hours in which your team answers, on the clocks of one time zone."""

    time_zone: Annotated[str, Reads(_time_zone)] = Field(description="An IANA name, such as `Europe/Berlin`.")
    weekly: Weekly
    exceptions: Annotated[list[ExceptionalDay], Field(max_length=MAX_EXCEPTIONS), AfterValidator(_dates_differ)] = (
        Field(default_factory=list)
    )


Words = Annotated[str, Line(300)] | None


class Texts(Model):
    """Your own texts for the chat bubble. Null means the built-in text, in the visitor's language."""

    greeting: Words = absent("Shown above a new conversation.")
    away: Words = absent("Shown while no agent is present.")
    ended: Words = absent("Shown below an ended chat.")


class Look(Model):
    """The look of the chat bubble on pages that do not set it themselves."""

    title: Annotated[str, Line(60)] | None = absent(
        "The heading. Null means the built-in one, in the visitor's language."
    )
    color: Annotated[str, _matching(_COLOR, "a color such as #0f766e"), BeforeValidator(_lower)] = DEFAULT_COLOR
    position: Literal["right", "left"] = Field(
        default="right",
        description="The side of the page. In languages written from right to left, `right` means the left side.",
    )
    theme: Literal["auto", "light", "dark"] = "auto"
    logo_url: HttpsUrl | None = None
    language: (
        Annotated[str, _matching(_LANGUAGE, "a language such as de or pt-BR, or null: the visitor's own")] | None
    ) = None


class EndReason(Model):
    """A reason for ending a chat, which the console offers."""

    label: Annotated[str, Text(60)]
    is_public: bool = Field(description="If true, the visitor sees it. Otherwise only your team does.")


class Question(Model):
    """A question to the visitor before a chat begins."""

    key: Annotated[str, _matching(_KEY, "a letter, then at most 39 letters, digits or underscores")] = Field(
        description="Answers to `name`, `email` and `phone` go into `visitor`, all others into `fields`."
    )
    label: Annotated[str, Text(80)]
    type: Literal["text", "email", "phone", "select"]
    options: (
        Annotated[list[Annotated[str, Text(80)]], Field(max_length=MAX_OPTIONS), AfterValidator(_each_once)] | None
    ) = absent("The choices of a `select`. Not allowed with other types.")
    required: bool

    @model_validator(mode="after")
    def _has_options_to_select(self) -> Question:
        if (self.type == "select") != bool(self.options):
            raise ValueError("must have options if its type is select, and only then.")
        return self


def _keys_differ(questions: list[Question]) -> list[Question]:
    if len({question.key for question in questions}) < len(questions):
        raise ValueError("must not have the same key twice.")
    return questions


WRONG = Code("INVALID_SETTINGS")
Hours = Annotated[OpeningHours | None, WRONG]
EndReasons = Annotated[list[EndReason], Field(max_length=MAX_END_REASONS), WRONG]
PreChat = Annotated[list[Question], Field(max_length=MAX_QUESTIONS), AfterValidator(_keys_differ), WRONG]


class NewSettings(Request):
    """All new settings."""

    version: Annotated[int, Field(ge=0, le=LARGEST), WRONG] = Field(
        description="The version of the settings that you have read and changed."
    )
    hours: Hours = Field(description="When the chat is open. Null means always.")
    texts: Annotated[Texts, WRONG]
    widget: Annotated[Look, WRONG]
    end_reasons: EndReasons = Field(description="At most 20: `label` (1 to 60 characters) and `isPublic`.")
    pre_chat: PreChat = Field(
        description="At most 8 questions: `key`, `label` (1 to 80 characters), `type`, `options`, `required`."
    )
    bot_id: Annotated[BotId, WRONG] | None = Field(
        description="The bot that gets new sessions first, except those of departments with a bot of their own."
    )

    model_config = example(
        version=0,
        hours={
            "timeZone": "Europe/Berlin",
            "weekly": {"mon": [["09:00", "12:30"], ["13:30", "17:00"]], "tue": [["09:00", "17:00"]]},
            "exceptions": [{"date": "2026-12-24", "spans": [], "name": "Christmas Eve"}],
        },
        texts={"greeting": "Welcome! What can we do for you?", "away": None, "ended": None},
        widget={
            "title": "Fern & Clay",
            "color": "#2f5d46",
            "position": "right",
            "theme": "auto",
            "logoUrl": None,
            "language": None,
        },
        endReasons=[{"label": "Solved", "isPublic": True}],
        preChat=[{"key": "email", "label": "Your email", "type": "email", "required": False}],
        botId=None,
    )


class StoredSettings(Answer):
    """All current settings."""

    version: Count = Field(description="It grows with each change, and is 0 before the first.")
    hours: Hours
    texts: Texts
    widget: Look
    end_reasons: EndReasons
    pre_chat: PreChat
    bot_id: Id | None
    updated_by: Id | None = Field(description="The supervisor who has changed them last. Null if that was a system.")
    updated_at: Time | None
