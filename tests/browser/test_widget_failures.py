"""Failures between a visitor and the server, and the fate of the messages."""

from __future__ import annotations

import hashlib
import hmac
import re

from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.people import pass_time, violations
from tests.browser.sites import Site
from tests.browser.widgets import Agent, Widget
from tests.e2e.proxy import UpgradeBreaker
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers, wait_until

NO_CONNECTION = ["Failed to load resource", "WebSocket connection to", "net::ERR_"]


def test_a_killed_server_neither_loses_nor_doubles_a_message(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    visitor.expected = NO_CONNECTION
    widget = Widget(visitor.open(site.embed(server.url))).open()
    widget.write("before")
    session_id = agent.join(widget)
    widget.wait_for_texts("before")

    server.kill()
    expect(widget.status).to_have_text("Connecting…")
    widget.write("while it is away")
    widget.write("and more")
    widget.wait_for_texts("before", "while it is away", "and more")
    expect(widget.rows.last.locator("small")).to_contain_text("Sending…")
    widget.page.reload()
    assert not widget.page.locator("chat-support").count()  # No agent is present to serve it.
    server.start()
    agent.say(session_id, "missed meanwhile")
    widget.page.reload()

    widget.wait_for_texts("before", "missed meanwhile", "while it is away", "and more")
    expect(widget.rows.last.locator("small")).to_contain_text("Sent")
    server.kill()
    widget.write("again")
    server.start()
    agent.say(session_id, "missed as well")
    everything = ["before", "missed meanwhile", "while it is away", "and more", "missed as well", "again"]
    expect(widget.texts).to_have_count(len(everything))
    expect(widget.log).not_to_contain_text("Sending…")
    stored = [message["message"] for message in operator.history(session_id)]
    assert sorted(stored) == sorted(everything)
    widget.wait_for_texts(*stored)


def test_a_websocket_that_breaks_at_the_end_of_its_upgrade_is_noticed_at_once(
    server: Server, site: Site, person: MakePerson, agent: Agent
) -> None:
    visitor = person()
    visitor.expected = NO_CONNECTION
    proxy = UpgradeBreaker(("127.0.0.1", server.port))
    widget = Widget(visitor.open(site.embed(f"http://localhost:{proxy.port}"))).open()
    wait_until(proxy.has_cut.is_set)
    widget.write("Hello")
    session_id = agent.join(widget)
    agent.say(session_id, "Hi")
    widget.wait_for_texts("Hello", "Hi")
    proxy.close()


def test_a_silent_network_loses_no_message(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    visitor.expected = NO_CONNECTION
    page = visitor.open("about:blank")
    page.clock.install()
    page.goto(site.embed(server.url))
    widget = Widget(page).open()
    widget.write("before")
    expect(widget.rows.last).to_contain_text("Sent")
    session_id = agent.join(widget)
    with server.frozen():
        widget.write("into the silence")
        for _ in range(6):
            page.clock.run_for(13_000)  # Pings do not come either.
        expect(widget.rows.last).to_contain_text("Sending…")
    page.clock.run_for(15_000)  # If the message was not on its way yet, the next attempt may be far away.
    agent.socket.wait_for("new_message", lambda message: message["message"] == "into the silence")
    expect(widget.rows.last).to_contain_text("Sent", timeout=60_000)  # The next attempt may be 18 s away.
    assert [message["message"] for message in operator.history(session_id)] == ["before", "into the silence"]


def test_a_refused_message_can_be_sent_again(servers: Servers, site: Site, person: MakePerson) -> None:
    server = servers.start(FRONTEND_URLS=site.origin, RATE_LIMITS="on", RATE_LIMIT_MESSAGES="1/8 seconds")
    operator = server.operator()
    operator.create_agent("Ada")
    page = person().open("about:blank")
    page.clock.install()
    page.goto(site.embed(server.url))
    widget = Widget(page).open()
    widget.write("one")
    widget.write("two")
    retry = widget.panel.get_by_role("button", name="Try again")
    expect(widget.rows.first.locator("small")).to_have_text("")
    expect(widget.rows.last.locator("small")).to_contain_text("Sending…")
    while (
        not retry.is_visible()
    ):  # Temporary failures are tried again, six times in all, after longer and longer pauses.
        pass_time(page, 1)
        page.wait_for_timeout(50)
    expect(widget.rows.last.locator("small")).to_contain_text("Not sent")
    retry.click()
    expect(widget.rows.last.locator("small")).to_contain_text("Sent")
    widget.wait_for_texts("one", "two")

    history = operator.history(widget.session_id())
    assert [message["message"] for message in history] == ["one", "two"]
    assert len({message["clientMessageId"] for message in history}) == 2


def test_an_end_without_a_connection_is_shown_and_happens_later(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    visitor.expected = NO_CONNECTION
    widget = Widget(visitor.open(site.embed(server.url))).open()
    widget.write("Hello")
    session_id = agent.join(widget)
    expect(widget.status).to_have_text("You are talking to Ada")
    # The menu's code is loaded on use.
    widget.menu_button.click()
    expect(widget.panel.get_by_role("button", name="End chat")).to_be_visible()
    widget.menu_button.click()
    visitor.context.set_offline(True)
    with server.frozen():
        widget.end()
        expect(widget.status).to_have_text("Ending the chat…")
        expect(widget.field).to_be_hidden()
    visitor.context.set_offline(False)

    expect(widget.status).to_have_text("This chat has ended")
    assert operator.get(f"/api/chat/session/{session_id}").data["status"] == "ended"


def test_a_blocked_visitor_is_offered_nothing_that_would_be_refused(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    visitor.expected = ["403", "400"]
    widget = Widget(visitor.open(site.embed(server.url, user_id="pest"))).open()
    widget.write("Hello")
    agent.join(widget)

    blocked = operator.post("/api/blocks", {"userId": "pest"})
    assert blocked.status == 201
    expect(widget.status).to_have_text("You cannot write to us here.")
    for offer in (widget.field, widget.panel.get_by_role("button", name=re.compile("Start new chat"))):
        expect(offer).to_be_hidden()
    expect(widget.panel.get_by_role("button", name="Close chat")).to_be_visible()
    assert not violations(widget.page)


def test_a_visitor_sees_the_place_in_the_queue_and_then_the_agent(
    servers: Servers, site: Site, person: MakePerson
) -> None:
    server = servers.start(FRONTEND_URLS=site.origin, QUEUE_LIMIT="2")
    address = site.embed(server.url)
    agent = Agent(server, max_users=1)
    busy = server.operator().start("somebody else")
    first, second = (Widget(person().open(address)).open() for _ in range(2))
    first.write("first")
    expect(first.status).to_have_text("Number 1 in the queue")
    second.write("second")
    expect(second.status).to_have_text("Number 2 in the queue")
    second.page.reload()
    expect(second.status).to_have_text("Number 2 in the queue")
    expect(second.card).to_contain_text(re.compile("Number 2 in the queue.*Waiting since .*leave this page", re.DOTALL))

    visitor = person()
    visitor.expected = ["503"]
    third = Widget(visitor.open(address)).open()
    third.write("third")
    expect(third.rows.last).to_contain_text("Not sent")
    expect(third.status).to_contain_text("Too many people are waiting")

    server.operator().post(f"/api/chat/end-session/{busy}")
    expect(first.status).to_have_text("You are talking to Ada")
    expect(second.status).to_contain_text("Number 1 in the queue")
    third.panel.get_by_role("button", name="Try again").click()
    expect(third.rows.last).to_contain_text("Sent")
    expect(third.status).to_have_text("Number 2 in the queue")
    first.end()
    expect(second.status).to_have_text("You are talking to Ada")
    server.operator().post(f"/api/chat/end-session/{second.session_id()}")
    expect(second.status).to_have_text("This chat has ended")
    agent.leave()


def test_an_invalid_token_is_replaced(
    server: Server, site: Site, person: MakePerson, agent: Agent, operator: Rest
) -> None:
    visitor = person()
    # A long poll in progress gets 400 when the server closes the connection.
    visitor.expected = ["401", "400"]
    widget = Widget(visitor.open(site.embed(server.url, user_id="visitor-7"))).open()
    widget.write("one")
    widget.wait_for_texts("one")
    expect(widget.rows.last.locator("small")).to_contain_text("Sent")
    session = operator.get(f"/api/chat/session/{widget.session_id()}").data
    assert session["userId"] == "visitor-7"
    operator.post("/api/auth/revoke", {"userId": "visitor-7"})
    widget.write("two")
    widget.write("three")
    widget.wait_for_texts("one", "two", "three")
    expect(widget.rows.last.locator("small")).to_contain_text("Sent")


def test_refused_and_silent_visitors_are_told_so(servers: Servers, site: Site, person: MakePerson) -> None:
    # After its start, a server waits before it ends anything. A short grace period makes this wait short.
    times = {"IDLE_END_AFTER": "4", "AGENT_GRACE": "2"}
    server = servers.start(FRONTEND_URLS=site.origin, IDENTITY_SECRET="secret", **times)
    visitor = person()
    visitor.expected = ["403"]
    widget = Widget(visitor.open(site.embed(server.url, user_id="somebody", user_hash="wrong"))).open()

    expect(widget.status).to_have_text(re.compile("cannot be reached"))
    right = hmac.new(b"secret", b"somebody", hashlib.sha256).hexdigest()
    widget.page.evaluate("(userHash) => ChatSupport.identify({ userId: 'somebody', userHash })", right)
    expect(widget.status).to_have_text("")

    # Here, a silent visitor is warned, and a message after the warning counts.
    agent = Agent(server)
    widget.write("hello")
    expect(widget.status).to_have_text("This chat ends soon unless you write")
    widget.write("still there")
    expect(widget.status).not_to_contain_text("ends soon")
    expect(widget.status).to_have_text("This chat has ended")
    agent.leave()
