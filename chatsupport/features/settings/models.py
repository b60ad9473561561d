"""The settings, with the limits of each."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from chatsupport.contract.base import Answer, Code, Model, Reads, Request, absent, example
from chatsupport.contract.fields import Count, Line, Text, Time
from chatsupport.contract.schemas import LARGEST

MAX_END_REASONS, MAX_QUESTIONS, MAX_OPTIONS = 20, 8, 20
DEFAULT_COLOR = "#0f766e"

_COLOR = re.compile(r"#[0-9a-f]{6}")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}")
_URL = re.compile(r"https://[!-~]{1,1992}")

Item = TypeVar("Item")


def _matching(pattern: re.Pattern[str], wording: str) -> Reads:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {wording}.")
        return value

    return Reads(read, pattern=f"^{pattern.pattern}$")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _is_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_good = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        is_good = False
    if not is_good or set("\"'<>\\^`{|}") & set(value):
        raise ValueError("must be an address such as https://example.com/logo.svg, or null.")
    return value


def _nothing_yet(what: str) -> Reads:
    def read(value: Any) -> None:
        if value is not None:
            raise ValueError(f"must be null: {what} cannot be set yet.")

    return Reads(read, type="null")


def _at_most(most: int) -> Any:
    def check(items: list[Item]) -> list[Item]:
        if len(items) > most:
            raise ValueError(f"must have at most {most} entries.")
        return items

    return AfterValidator(check)


def _each_once(items: list[str]) -> list[str]:
    if len(set(items)) < len(items):
        raise ValueError("must not have the same entry twice.")
    return items


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
    logo_url: (
        Annotated[
            str,
            _matching(_URL, "an https address of at most 2000 characters, or null"),
            AfterValidator(_is_address),
        ]
        | None
    ) = None
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
    options: Annotated[list[Annotated[str, Text(80)]], _at_most(MAX_OPTIONS), AfterValidator(_each_once)] | None = (
        absent("The choices of a `select`. Not allowed with other types.")
    )
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
Hours = Annotated[None, _nothing_yet("opening hours"), WRONG]
EndReasons = Annotated[list[EndReason], _at_most(MAX_END_REASONS), WRONG]
PreChat = Annotated[list[Question], _at_most(MAX_QUESTIONS), AfterValidator(_keys_differ), WRONG]
BotId = Annotated[None, _nothing_yet("a bot"), WRONG]


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
    bot_id: BotId = Field(description="The bot that answers first.")

    model_config = example(
        version=0,
        hours=None,
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
    bot_id: BotId
    updated_at: Time | None
