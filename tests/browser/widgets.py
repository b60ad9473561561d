"""The chat bubble as a visitor sees it: Playwright's locators look into the shadow root by themselves."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.server import Server, wait_until
from tests.e2e.sockets import PythonSocket


class Widget:
    """The bubble in a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.bubble = page.locator("chat-support .bubble")
        self.badge = page.locator("chat-support .badge")
        self.panel = page.get_by_role("dialog")
        self.status = self.panel.locator("header [role=status]")
        self.log = self.panel.get_by_role("log")
        self.rows = self.log.locator("> div")
        self.texts = self.rows.locator("> p")
        self.field = self.panel.get_by_role("textbox", name=re.compile("^(Your message|Ihre Nachricht|رسالتك)$"))
        self.send_button = self.panel.locator("form > textarea + button")
        self.menu_button = self.panel.get_by_role("button", name="Menu")
        self.card = self.log.locator("> .card")
        self.lines = self.log.locator("> .line")
        self.names = self.rows.locator("> b:not(:empty)")
        self.typing = self.panel.locator(".typing")

    def open(self) -> Widget:
        """Open the chat."""
        self.bubble.click()
        expect(self.panel).to_be_visible()
        return self

    def write(self, text: str) -> None:
        """Write a message and send it with Enter."""
        self.field.fill(text)
        self.field.press("Enter")

    def end(self) -> None:
        """End the chat, and confirm it."""
        self.choose("End chat")
        self.panel.get_by_role("group", name="End this chat?").get_by_role("button", name="End", exact=True).click()

    def choose(self, item: str) -> None:
        """Open the menu, and click one of its items."""
        self.menu_button.click()
        self.panel.locator(".menu").get_by_role("button", name=item).click()

    def all_texts(self) -> list[str]:
        """Return the messages' texts, in order."""
        return self.texts.all_inner_texts()

    def wait_for_texts(self, *texts: str) -> None:
        """Wait until exactly these messages are shown, in this order."""
        expect(self.texts).to_have_text(list(texts), use_inner_text=True)
        # Above, any blank is as good as another. The bubble may also show all of them anew at any moment.
        wait_until(lambda: self.all_texts() == list(texts), otherwise=lambda: f"shown: {self.all_texts()}")

    def session_id(self) -> str:
        """Return the session's id, once there is one."""
        entries = "Object.keys(localStorage).filter((key) => key.startsWith('chat-support'))"
        script = f"{entries}.map((key) => JSON.parse(localStorage.getItem(key)).sessionId).find(Boolean)"
        found: list[str | None] = []  # The next look may find none again: the widget may be changing its visitor.
        wait_until(lambda: found.append(self.page.evaluate(script)) or found[-1], otherwise=lambda: "no session")
        return str(found[-1])


class Agent:
    """An agent with a socket."""

    def __init__(self, server: Server, name: str = "Ada", max_users: int = 50) -> None:
        operator = server.operator()
        self._operator = operator
        self.id = operator.create_agent(name, maxUsers=max_users)
        self.socket = PythonSocket(server.url, {"token": operator.token(self.id, "agent")})

    def join(self, widget: Widget) -> str:
        """Join the visitor's session, once its first message is stored."""
        session_id = widget.session_id()
        wait_until(lambda: self._operator.history(session_id))
        self.socket.join(session_id)
        return session_id

    def say(self, session_id: str, text: str) -> None:
        """Send a message in the agent's name with the operator's key, which is not rate limited."""
        fields = {"senderId": self.id, "senderType": "agent"}
        assert self._operator.send(session_id, text, **fields).status == 201

    def leave(self) -> None:
        """Disconnect, and delete the agent."""
        self.socket.close()
        self._operator.request("DELETE", f"/api/agents/{self.id}")
