"""Pushes reach an agent whose console is closed: the page subscribes, and its service worker shows them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import CDPSession, Page, Worker, expect

from tests.browser.conftest import MakePerson
from tests.browser.consoles import Console, hire
from tests.browser.people import violations
from tests.e2e.rest import Rest
from tests.e2e.server import Servers, wait_until
from tests.features.push.services import Browser, PushService

pytestmark = [pytest.mark.features("push"), pytest.mark.whole_chromium]

SUBSCRIBED = """
(() => {{
    const given = {given};
    const subscription = {{
        endpoint: given.endpoint,
        toJSON: () => given,
        unsubscribe: async () => {{ window.unsubscribed = true; return true; }},
    }};
    PushManager.prototype.subscribe = async (options) => {{ window.asked = options; return subscription; }};
    PushManager.prototype.getSubscription = async () => (window.asked ? subscription : null);
}})();
"""
"""Stands for the push service of the browser's maker, which is on the internet."""
SHOWN = "registration.getNotifications().then((all) => all.map(({ title, body, tag }) => [title, body, tag]))"
CLICK = """async () => {
    const [notification] = await registration.getNotifications();
    const waitUntil = (promise) => (self.opening = promise);
    const click = Object.assign(new Event("notificationclick"), { notification, waitUntil });
    clients.openWindow = async (url) => (self.opened = url);  // Browsers open and focus windows only for real clicks.
    dispatchEvent(click);
    await self.opening.catch(() => {});
    return self.opened;
}"""


@pytest.fixture
def service() -> Iterator[PushService]:
    service = PushService()
    yield service
    service.close()


class Delivery:
    """Delivers pushes to the worker, as the browser does after decryption."""

    def __init__(self, devtools: CDPSession, worker: Worker, origin: str) -> None:
        self._devtools = devtools
        self._worker = worker
        self._origin = origin
        self._registrations: list[str] = []
        devtools.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda told: self._registrations.extend(one["registrationId"] for one in told["registrations"]),
        )

    def deliver(self, push: dict[str, object], *shown: str) -> None:
        """Deliver a push, and wait until exactly this is shown.

        The worker shows nothing while a console has the focus, and the browser tells it late that a page has lost the
        focus or is gone. So the push is delivered again every two seconds.
        """
        wait_until(lambda: self._devtools.send("ServiceWorker.enable") is not None and self._registrations)
        told = {"origin": self._origin, "registrationId": self._registrations[-1], "data": json.dumps(push)}
        for attempt in range(200):
            if attempt % 20 == 0:
                self._devtools.send("ServiceWorker.deliverPushMessage", told)
            if self._worker.evaluate(SHOWN) == [[*shown]]:
                return
            time.sleep(0.1)
        raise AssertionError(self._worker.evaluate(SHOWN))


def subscriptions(operator: Rest, agent_id: str) -> int:
    exported = operator.get("/api/users/export", userId=agent_id, userType="agent").data
    return len(exported["pushSubscriptions"])


def test_a_push_reaches_a_closed_console_under_a_path(
    servers: Servers, person: MakePerson, service: PushService
) -> None:
    server = servers.start(BASE_PATH="/chat")
    server.url += "/chat"
    operator = server.operator()
    ada = hire(operator, "Ada", maxUsers=5)
    browser = Browser(service)
    somebody = person(permissions=["notifications"])
    somebody.context.add_init_script(SUBSCRIBED.format(given=json.dumps(browser.subscription)))
    console = Console(somebody, server).sign_in(ada)
    console.page.get_by_role("button", name="Alerts").click()
    console.dialog("Alerts").get_by_label("Also while the console is closed").check()
    wait_until(lambda: subscriptions(operator, ada.id) == 1)
    key = server.bearer(operator.token(ada.id, "agent")).get("/api/push/key").data["publicKey"]
    assert console.page.evaluate("asked") == {"userVisibleOnly": True, "applicationServerKey": key}
    assert not violations(console.page)
    workers = somebody.context.service_workers
    worker = workers[0] if workers else somebody.context.wait_for_event("serviceworker")
    assert worker.url == f"{server.url}/console-worker.js"
    assert worker.evaluate("registration.scope") == f"{server.url}/console"

    console.page.close()
    session_id = operator.start("maria")
    wait_until(lambda: browser.received == [{"type": "assigned", "sessionId": session_id}])

    blank: Page = somebody.context.new_page()
    devtools = somebody.context.new_cdp_session(blank)
    delivery = Delivery(devtools, worker, server.url.removesuffix("/chat") + "/")
    delivery.deliver(browser.received[0], "New chat", "Open the console to answer.", session_id)
    assert worker.evaluate(CLICK) == f"{server.url}/console#/mine/{session_id}"
    wait_until(lambda: worker.evaluate(SHOWN) == [])

    # With a console open, a click shows the chat there.
    again = Console(somebody, server).sign_in(ada)
    wait_until(lambda: again.page.evaluate("window.asked !== undefined"))  # It subscribes again by itself.
    # Playwright lets every page have the focus, but the agent looks elsewhere.
    somebody.context.new_cdp_session(again.page).send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    blank.bring_to_front()
    wait_until(lambda: not again.page.evaluate("document.hasFocus()"))
    delivery.deliver(
        {"type": "waiting", "waiting": 2}, "2 visitors are waiting", "Open the console to answer.", "queue"
    )
    worker.evaluate(CLICK)
    expect(again.page.locator(".list h1")).to_have_text("Queue")

    again.page.get_by_role("button", name="Sign out").click()
    wait_until(lambda: subscriptions(operator, ada.id) == 0)
    assert again.page.evaluate("unsubscribed") is True
