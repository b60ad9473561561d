"""Pushes reach an agent whose console is closed: the page subscribes, and its service worker shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import CDPSession, Page, expect

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
HAS_FOCUS = """clients.matchAll({ type: "window", includeUncontrolled: true })
    .then((all) => all.some(({ focused }) => focused))"""
"""The browser tells the worker a moment after the page."""
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


def deliver(devtools: CDPSession, origin: str, registrations: list[str], push: dict[str, object]) -> None:
    """Let the browser deliver a push to the worker, as after decryption."""
    wait_until(lambda: devtools.send("ServiceWorker.enable") is not None and registrations)
    told = {"origin": origin, "registrationId": registrations[-1], "data": json.dumps(push)}
    devtools.send("ServiceWorker.deliverPushMessage", told)


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
    registrations: list[str] = []
    devtools.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda told: registrations.extend(one["registrationId"] for one in told["registrations"]),
    )
    devtools.send("ServiceWorker.enable")
    origin = server.url.removesuffix("/chat") + "/"
    deliver(devtools, origin, registrations, browser.received[0])
    wait_until(lambda: worker.evaluate(SHOWN) == [["New chat", "Open the console to answer.", session_id]])
    assert worker.evaluate(CLICK) == f"{server.url}/console#/mine/{session_id}"
    wait_until(lambda: worker.evaluate(SHOWN) == [])

    # With a console open, a click shows the chat there.
    again = Console(somebody, server).sign_in(ada)
    wait_until(lambda: again.page.evaluate("window.asked !== undefined"))  # It subscribes again by itself.
    # Playwright lets every page have the focus, but the agent looks elsewhere.
    somebody.context.new_cdp_session(again.page).send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    blank.bring_to_front()
    wait_until(lambda: not again.page.evaluate("document.hasFocus()"))
    wait_until(lambda: not worker.evaluate(HAS_FOCUS))
    deliver(devtools, origin, registrations, {"type": "waiting", "waiting": 2})
    wait_until(lambda: worker.evaluate(SHOWN) == [["2 visitors are waiting", "Open the console to answer.", "queue"]])
    worker.evaluate(CLICK)
    expect(again.page.locator(".list h1")).to_have_text("Queue")

    again.page.get_by_role("button", name="Sign out").click()
    wait_until(lambda: subscriptions(operator, ada.id) == 0)
    assert again.page.evaluate("unsubscribed") is True
