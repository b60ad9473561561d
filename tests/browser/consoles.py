"""The agents' console in a browser, as an agent uses it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.people import Person
from tests.e2e.proxy import Proxy
from tests.e2e.recording import Socket
from tests.e2e.rest import Rest
from tests.e2e.server import Server
from tests.e2e.sockets import PythonSocket

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Agent:
    """Somebody who may sign in."""

    id: str
    name: str
    email: str


def hire(operator: Rest, name: str, **fields: Any) -> Agent:
    """Make an agent with an email. To sign in by the form takes a password too."""
    email = f"{name.lower()}@example.com"
    return Agent(operator.create_agent(name, email=email, **fields), name, email)


def clear(operator: Rest) -> None:
    """End all sessions and delete all agents, so that a test begins without any."""
    for agent in operator.get("/api/agents").data["agents"]:
        operator.request("DELETE", f"/api/agents/{agent['id']}")
    for session in operator.get("/api/chat/sessions", status="waiting", limit=100).data["sessions"]:
        operator.post(f"/api/chat/end-session/{session['id']}")


class Visitor:
    """Somebody with a question, over REST and a socket."""

    def __init__(self, server: Server, user_id: str) -> None:
        self.rest = server.bearer(server.operator().token(user_id))
        self.session_id = self.rest.start(user_id)
        self._server = server
        self._socket: Socket | None = None

    @property
    def socket(self) -> Socket:
        """The visitor's socket, in the session's room."""
        if self._socket is None:
            token = self.rest.headers["Authorization"].removeprefix("Bearer ")
            self._socket = PythonSocket(self._server.url, {"token": token}, transports=["websocket"])
            self._socket.join(self.session_id)
        return self._socket

    def say(self, text: str) -> None:
        """Send a message."""
        assert self.rest.send(self.session_id, text).status == 201

    def texts(self) -> list[str]:
        """Return the stored messages of the session."""
        return [message["message"] for message in self.rest.history(self.session_id)]

    def close(self) -> None:
        """Leave."""
        if self._socket is not None:
            self._socket.close()


class Console:
    """One tab with the console."""

    def __init__(self, person: Person, server: Server | Proxy) -> None:
        self.page: Page = person.tab()
        self._server = server
        self.composer = self.page.get_by_label("Message", exact=True)
        self.bubbles = self.page.locator(".messages .bubble")
        self.rows = self.page.locator(".list .row")
        self.banner = self.page.locator(".banner")
        self.notice = self.page.locator(".notice")

    def load(self) -> Console:
        """Load the page."""
        self.page.goto(f"{self._server.url}/console")
        return self

    def sign_in(self, agent: Agent) -> Console:
        """Load the page with a token of the agent's, as after a reload, and wait for the lists."""
        assert isinstance(self._server, Server)
        token = self._server.operator().token(agent.id, "agent")
        kept = json.dumps({"token": token, "agentId": agent.id})
        self.page.add_init_script(f"""
            if (!window.name && window.origin !== "null") {{
                sessionStorage.setItem("chat-console-token", {json.dumps(kept)});
                window.name = "signed in";
            }}
        """)
        return self.load().wait()

    def sign_in_by_form(self, agent: Agent) -> Console:
        """Load the page, sign in as agents do, and wait for the lists."""
        self.load()
        self.page.get_by_label("Email").fill(agent.email)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        return self.wait()

    def wait(self) -> Console:
        """Wait until the lists are there."""
        expect(self.page.locator(".shell")).to_be_visible()
        expect(self.page.locator(".skeletons")).to_be_hidden()
        return self

    def go(self, name: str) -> None:
        """Open a list."""
        self.page.get_by_role("navigation", name="Lists").get_by_role("button", name=name).click()

    def row(self, user_id: str) -> Locator:
        """Return a visitor's row in the open list."""
        return self.rows.filter(has=self.page.get_by_text(user_id, exact=True))

    def open(self, user_id: str) -> None:
        """Open a visitor's chat from the list."""
        self.row(user_id).click()
        expect(self.page.locator(".conversation-title")).to_have_text(user_id)

    def write(self, text: str) -> None:
        """Write into the open chat and press Enter."""
        self.composer.fill(text)
        self.composer.press("Enter")

    def expect_texts(self, *texts: str) -> None:
        """Wait until exactly these messages are shown, in this order."""
        expect(self.bubbles).to_have_text(list(texts))

    def badge(self, user_id: str) -> Locator:
        """Return the number of unread messages in a row."""
        return self.row(user_id).locator(".badge")

    def dialog(self, title: str) -> Locator:
        """Return an open dialog."""
        return self.page.get_by_role("dialog", name=title)

    def end(self) -> None:
        """End the chat in the open dialog, without the seconds in which that can be undone."""
        self.dialog("End the chat").get_by_role("button", name="End the chat").click()
        self.page.locator(".toast", has_text=" ends.").get_by_label("Dismiss").click()

    def expect_title(self, unread: int) -> None:
        """Wait until the window's title shows this count."""
        expect(self.page).to_have_title(re.compile(rf"^\({unread}\) " if unread else "^Chat Support$"))
