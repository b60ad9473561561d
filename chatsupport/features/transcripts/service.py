"""A chat as a file: text, HTML or JSON, with times in the visitor's time zone. Notes are left out.

The file is made while it is sent, some messages at a time, so a long chat needs no more memory than a short one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bson import ObjectId

from chatsupport import events, json_codec
from chatsupport.database.connection import answer_within
from chatsupport.documents import Agent
from chatsupport.events import HistoryRead
from chatsupport.identity import AGENT, Caller
from chatsupport.services.messages import history, message_log
from chatsupport.services.people import guest_names
from chatsupport.services.sessions import reading
from chatsupport.services.shared import access

Document = dict[str, Any]

PAGE = 200
UTC = "UTC"

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that could move the cursor of a terminal, or begin a new line."""
_STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:2em auto;padding:0 1em}dt{font-weight:600}\
time{color:#666;font-weight:400}dd{margin:0 0 1em;white-space:pre-wrap;overflow-wrap:anywhere}"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Transcript:
    """A chat to be written: the session as the caller sees it, its messages, and its time zone."""

    session: Document
    zone: ZoneInfo
    messages: Iterator[Document]


def transcript(caller: Caller, session_id: ObjectId, kind: str) -> Iterator[str]:
    """Return the file, part by part. Before this returns, access is checked and the first messages are read."""
    session = access.find_session(caller, session_id)
    events.happened(HistoryRead(caller, session))
    return _written(reading.describe(caller, session_id), kind)


def for_user(session_id: ObjectId, kind: str) -> Iterator[str]:
    """Return the file for the session's user, without checking access. For mails."""
    return _written(reading.describe_stored(session_id).for_user, kind)


def _written(shown: Document, kind: str) -> Iterator[str]:
    session_id = ObjectId(shown["id"])
    zone = _zone(shown)
    rows = _rows(session_id, shown["lastSeq"])
    first = next(rows, None)
    rows = chain([] if first is None else [first], rows)
    return _WRITERS[kind](Transcript(shown, zone, _with_names(rows, shown, zone)))


def _zone(session: Document) -> ZoneInfo:
    name = session.get("context", {}).get("timezone") or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # From an earlier version of the time zones.
        return ZoneInfo(UTC)


def _rows(session_id: ObjectId, last_seq: int) -> Iterator[Document]:
    seq = 0
    while seq < last_seq:
        # The time limit of a request no longer applies while its answer is being sent.
        with answer_within(message_log.MAX_WAIT_SECONDS):
            page = history.after(session_id, seq, PAGE)
        if not page:
            return
        yield from (message for message in page if message["seq"] <= last_seq)
        seq = page[-1]["seq"]


def _with_names(rows: Iterator[Document], session: Document, zone: ZoneInfo) -> Iterator[Document]:
    names = {(session["userId"], session["userType"]): guest_names.visitor_name(session)}
    for message in rows:
        sender = (message["senderId"], message["senderType"])
        if sender not in names:
            names[sender] = _name(*sender)
        time = datetime.fromisoformat(message["timestamp"].replace("Z", "+00:00")).astimezone(zone)
        for name in ("attachment", "picture"):
            if name in message:
                message[name] = _without_addresses(message[name])
        yield {**message, "senderName": names[sender], "localTime": time.isoformat(timespec="seconds")}


def _without_addresses(file: Document) -> Document:
    """Return a file without its addresses, which open it for everybody who has the transcript."""
    return {name: value for name, value in file.items() if name not in ("url", "thumbnailUrl")}


def _name(sender_id: str, sender_type: str) -> str:
    if sender_type != AGENT:
        return "Visitor" if sender_type == "user" else "System"
    with answer_within(message_log.MAX_WAIT_SECONDS):
        agent = Agent.objects(id=sender_id).only("name").first() if ObjectId.is_valid(sender_id) else None
    return "Agent" if agent is None else str(agent.name)


def _head(chat: Transcript) -> list[tuple[str, str]]:
    session = chat.session
    lines = [("Chat", session["id"]), ("Began", _shown(session["createdAt"], chat.zone))]
    if session["endedAt"] is not None:
        lines.append(("Ended", _shown(session["endedAt"], chat.zone)))
    return [*lines, ("Time zone", chat.zone.key)]


def _shown(time: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(time.replace('Z', '+00:00')).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _body(message: Document) -> str:
    if "erased" in message:
        return "(deleted)"
    text, file = str(message["message"]), message.get("attachment")
    return text if file is None or file["name"] == text else f"{text}\n[{file['name']}]"


def _text(chat: Transcript) -> Iterator[str]:
    yield "".join(f"{name}: {value}\n" for name, value in _head(chat)) + "\n"
    for message in chat.messages:
        # Lines of a message are indented, so that they cannot imitate another message.
        body = "\n".join(f"    {_plain(line)}" for line in _body(message).splitlines())
        yield f"[{message['localTime'].replace('T', ' ')}] {_plain(message['senderName'])}\n{body}\n\n"


def _plain(line: str) -> str:
    return _CONTROLS.sub("\ufffd", line)


def _html(chat: Transcript) -> Iterator[str]:
    escape: Callable[[str], str] = html.escape
    head = "".join(f"<p>{name}: {escape(value)}</p>\n" for name, value in _head(chat))
    yield (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Chat</title>\n<style>{_STYLE}</style>\n<h1>Chat</h1>\n{head}<dl>\n"
    )
    for message in chat.messages:
        name, time = escape(message["senderName"]), escape(message["localTime"])
        yield (
            f'<dt><bdi>{name}</bdi> <time datetime="{time}">{time.replace("T", " ")}</time></dt>\n'
            f'<dd dir="auto">{escape(_CONTROLS.sub(_visible, _body(message)))}</dd>\n'
        )
    yield "</dl>\n</html>\n"


def _visible(control: re.Match[str]) -> str:
    return "\n" if control[0] == "\r" else "\ufffd"


def _json(chat: Transcript) -> Iterator[str]:
    yield f'{{"session":{json_codec.dumps(chat.session)},"timeZone":{json_codec.dumps(chat.zone.key)},"messages":['
    for number, message in enumerate(chat.messages):
        yield ("," if number else "") + json_codec.dumps(message)
    yield "]}"


_WRITERS: dict[str, Callable[[Transcript], Iterator[str]]] = {"text": _text, "html": _html, "json": _json}
