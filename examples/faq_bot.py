"""A bot that answers frequent questions and hands everything else over. It hears of messages by a webhook.

API_KEY=… python examples/faq_bot.py
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import queue
import threading
import time
from typing import Any

import chat
from flask import Flask, request

ANSWERS = {
    "Delivery": (("deliver", "parcel", "ship"), "We deliver within three days. Your mail has a link to follow it."),
    "Returns": (("return", "refund", "broken"), "You can return everything within 30 days. The parcel has a label."),
    "Opening hours": (("open", "hours", "closed"), "Our shop is open from Monday to Friday, 9 to 17."),
}
TOPICS = {"type": "quick_replies", "options": [{"title": topic, "value": topic} for topic in [*ANSWERS, "A person"]]}
SORRY = "I will get somebody who can help you."
PORT = int(os.environ.get("BOT_PORT", "8100"))

bot = chat.Bot("FAQ bot")
key = {"X-API-Key": os.environ["API_KEY"]}
new_hook = {"url": f"http://127.0.0.1:{PORT}/", "types": ["message.created", "session.assigned", "session.ended"]}
for hook in chat.call("GET", "/api/webhooks", headers=key)["webhooks"]:
    if hook["url"] == new_hook["url"]:
        chat.call("DELETE", f"/api/webhooks/{hook['id']}", headers=key)  # Its secret was shown only once.
SECRET = base64.b64decode(chat.call("POST", "/api/webhooks", new_hook, headers=key)["secret"].removeprefix("whsec_"))
app, events, handled = Flask(__name__), queue.Queue(), set()
# A webhook gets the events of all sessions, so the bot remembers which are its own.
own = {session["id"] for session in bot.get("/api/chat/sessions", status="active", limit=100)["sessions"]}


def answer(event_id: str, kind: str, data: dict[str, Any]) -> None:
    """Answer one event. The server tells an answer that comes twice from a new one by the event's id."""
    if kind == "session.assigned" and data.get("agentId") == bot.id:
        own.add(data["id"])
    elif kind in ("session.assigned", "session.ended"):
        own.discard(data.get("id"))
    elif kind == "message.created" and data.get("senderType") == "user" and data["sessionId"] in own:
        asked = data["message"].casefold()
        found = [text for words, text in ANSWERS.values() if any(word in asked for word in words)]
        if found:
            bot.say(data["sessionId"], found[0], event_id, TOPICS)
        elif data["seq"] == 1:  # Often "Hello": it says nothing yet.
            bot.say(data["sessionId"], "Hello! What can I help you with?", event_id, TOPICS)
        else:
            bot.hand_over(data["sessionId"], SORRY, f"The FAQ bot knew no answer to: {data['message']}")


def work() -> None:
    """Answer one event after the other."""
    while True:
        event_id, event = events.get()
        try:
            answer(event_id, event["type"], event["data"])
        except Exception:  # The next event must be answered all the same.
            app.logger.exception("No answer to %s", event_id)


@app.post("/")
def receive() -> tuple[str, int]:
    """Take an event at once, and answer it afterwards."""
    given, sent_at = request.headers.get("webhook-signature", ""), request.headers.get("webhook-timestamp", "0")
    signed = f"{request.headers.get('webhook-id')}.{sent_at}.".encode() + request.get_data()
    expected = "v1," + base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    if not any(hmac.compare_digest(expected, one) for one in given.split()) or abs(time.time() - int(sent_at)) > 300:
        return "", 401
    if request.headers["webhook-id"] not in handled:
        handled.add(request.headers["webhook-id"])
        events.put((request.headers["webhook-id"], request.get_json()))
    return "", 204


if __name__ == "__main__":
    threading.Thread(target=work, daemon=True).start()
    app.run(port=PORT)
