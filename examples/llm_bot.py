"""A bot that lets a language model answer, and hands over when the model says so. It reads the feed of events.

    API_KEY=… LLM_URL=https://api.example.com/v1 LLM_KEY=… LLM_MODEL=… python examples/llm_bot.py

LLM_URL is any server with the chat completions of the OpenAI API. LLM_POSITION is a file in which the bot keeps its
position in the feed, so that after a restart it does not begin with the oldest event.
"""

from __future__ import annotations

import json
import logging
import os
import time
import urllib.request
from pathlib import Path
from typing import Any

import chat

URL = os.environ["LLM_URL"].rstrip("/") + "/chat/completions"
HAND_OVER = "HAND OVER:"
INSTRUCTIONS = os.environ.get("LLM_INSTRUCTIONS", "You answer the visitors of a shop, in two sentences at most.") + (
    f" If you are not sure, or if the visitor wants a person, answer only with {HAND_OVER} and a summary of the "
    "conversation for the colleague who goes on."
)
logger = logging.getLogger(__name__)
SORRY = "I will get somebody who can help you."
POSITION = Path(os.environ["LLM_POSITION"]) if os.environ.get("LLM_POSITION") else None


def ask(messages: list[dict[str, Any]]) -> str:
    """Return what the model answers to a conversation. Raises `OSError` or `ValueError` if it does not."""
    roles = {"user": "user", "agent": "assistant", "system": "system"}
    conversation = [{"role": roles[message["senderType"]], "content": message["message"]} for message in messages]
    body = {
        "model": os.environ.get("LLM_MODEL", "default"),
        "messages": [{"role": "system", "content": INSTRUCTIONS}, *conversation],
    }
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get('LLM_KEY', '')}"}
    request = urllib.request.Request(URL, json.dumps(body).encode(), headers)  # noqa: S310 the address is the operator's
    with urllib.request.urlopen(request, timeout=15) as response:  # noqa: S310
        try:
            return str(json.load(response)["choices"][0]["message"]["content"] or "").strip()
        except (KeyError, IndexError, TypeError):
            raise ValueError("The model's answer has another form.") from None


def answer(bot: chat.Bot, session_id: str) -> None:
    """Answer the last message of a session, if it is the visitor's."""
    last_seq = bot.get(f"/api/chat/session/{session_id}")["lastSeq"]
    messages = bot.get(f"/api/chat/messages/{session_id}", before=last_seq + 1, limit=30)["messages"]
    if not messages or messages[-1]["senderType"] != "user":
        return
    try:
        text = ask(messages)
    except (OSError, ValueError) as error:
        text = f"{HAND_OVER} The language model did not answer ({type(error).__name__})."
    if text.startswith(HAND_OVER) or not text:
        bot.hand_over(session_id, SORRY, text.removeprefix(HAND_OVER).strip() or "The model said nothing.")
    else:
        bot.say(session_id, text, f"llm-{messages[-1]['seq']}")


def follow(bot: chat.Bot) -> None:
    """Answer what visitors write, whatever happens. It answers only what is open, so it may see an event again."""
    position = int(POSITION.read_text()) if POSITION is not None and POSITION.exists() else 0
    while True:
        try:
            page = bot.get("/api/events", after=position, types="message.created", wait=25, limit=100)
            for session_id in dict.fromkeys(event["data"].get("sessionId") for event in page["events"]):
                if session_id:
                    answer_if_allowed(bot, session_id)
            position = page["position"]
            if POSITION is not None:
                POSITION.write_text(str(position))
        except Exception as error:
            if isinstance(error, chat.RefusedError) and error.code == "POSITION_GONE":
                position = 0
            logger.exception("Trying again")
            time.sleep(1)


def answer_if_allowed(bot: chat.Bot, session_id: str) -> None:
    """Answer in a session, unless it has ended, or a person has it now."""
    try:
        answer(bot, session_id)
    except chat.RefusedError as error:
        if error.status not in (403, 404, 409):
            raise


if __name__ == "__main__":
    follow(chat.Bot("LLM bot"))
