"""Web push: which browsers are pushed to, of what, and that a push service holds nothing up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from chatsupport import background
from chatsupport.database.clock import now
from chatsupport.documents import Agent
from chatsupport.features.push import alerts, keys, subscriptions
from chatsupport.features.push.documents import PushKeys, PushSubscription
from chatsupport.services.assignment import agent_presence
from chatsupport.services.shared import outbound
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.commands import COMMANDS
from tests.concurrency import eventually, run_together
from tests.features.push.services import Browser, PushService, verified
from tests.sockets import Sockets

KEY, SUBSCRIPTION = "/api/push/key", "/api/push/subscription"


@pytest.fixture
def service() -> Iterator[PushService]:
    service = PushService()
    yield service
    service.close()


@pytest.fixture
def browser(service: PushService) -> Browser:
    return Browser(service)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for buffer in (alerts._of_agents, alerts._waiting):
        monkeypatch.setattr(buffer, "seconds", 0.02)
        assert eventually(lambda buffer=buffer: buffer.is_idle)  # type: ignore[misc]


@pytest.fixture
def agent_api(apis: Apis, ada: str) -> Api:
    return apis.agent(ada)


def subscribe(api: Api, browser: Browser) -> dict[str, Any]:
    return data_of(api.put(SUBSCRIPTION, browser.subscription))


def count() -> int:
    return PushSubscription.collection().count_documents({})


def nothing_more(service: PushService) -> None:
    """Wait until all that was noted is looked at and sent, or not."""
    assert eventually(lambda: alerts._of_agents.is_idle and alerts._waiting.is_idle)
    seen = len(service.got)
    time.sleep(0.1)
    assert len(service.got) == seen


def test_an_agent_without_a_console_gets_a_push_for_a_new_chat(
    agent_api: Api, operator: Api, service: PushService, browser: Browser
) -> None:
    public_key = data_of(agent_api.get(KEY))["publicKey"]
    shown = subscribe(agent_api, browser)

    session_id = operator.start("u1")["sessionId"]
    service.wait_for(1)

    assert shown["endpoint"] == browser.subscription["endpoint"]
    assert browser.received == [{"type": "assigned", "sessionId": session_id}]
    _, headers, body = service.got[0]
    claims = verified(headers, public_key)
    assert claims["aud"] == service.origin
    assert time.time() < claims["exp"] < time.time() + 24 * 3600
    assert (headers["Content-Encoding"], headers["Urgency"], headers["Topic"]) == ("aes128gcm", "high", session_id)
    assert int(headers["TTL"]) > 0
    assert session_id.encode() not in body


def test_a_message_is_pushed_without_its_text_and_only_to_its_agent(
    apis: Apis, agent_api: Api, user: Api, session_id: str, service: PushService, browser: Browser, operator: Api
) -> None:
    other = Browser(service, "b2")
    subscribe(agent_api, browser)
    subscribe(apis.agent(operator.create_agent("Ben")["id"]), other)

    user.send(session_id, "My number is 4111")
    service.wait_for(1)
    agent_api.send(session_id, "Thanks")
    nothing_more(service)

    assert browser.received == [{"type": "message", "sessionId": session_id}]
    assert other.received == []


def test_an_agent_gets_pushes_only_after_its_console_closes(
    agent_api: Api, ada: str, user: Api, session_id: str, service: PushService, browser: Browser, sockets: Sockets
) -> None:
    subscribe(agent_api, browser)
    console = sockets.agent(ada)
    user.send(session_id)
    nothing_more(service)
    assert service.got == []

    # As another process sees it, which has none of the agent's sockets.
    elsewhere = dict(agent_presence._connections)
    agent_presence._connections.clear()
    user.send(session_id)
    nothing_more(service)
    assert service.got == []
    agent_presence._connections.update(elsewhere)

    console.close()
    left = {"presentUntil": now() + agent_presence._grace() - timedelta(seconds=2)}
    Agent.collection().update_one({"_id": ObjectId(ada)}, {"$set": left})
    user.send(session_id)
    service.wait_for(1)


def test_waiting_visitors_are_pushed_if_no_agent_is_present(
    agent_api: Api, ada: str, apis: Apis, operator: Api, session_id: str, service: PushService, browser: Browser
) -> None:
    offline = Browser(service, "b2")
    subscribe(apis.agent(operator.create_agent("Ben", isOnline=False)["id"]), offline)
    subscribe(agent_api, browser)

    operator.start("u2")  # Ada is there, though busy.
    nothing_more(service)
    assert service.got == []

    lease_is_over = {"presentUntil": now() - timedelta(seconds=1)}
    Agent.collection().update_one({"_id": ObjectId(ada)}, {"$set": lease_is_over})
    operator.start("u3")
    service.wait_for(1)
    nothing_more(service)
    assert browser.received == [{"type": "waiting", "waiting": 2}]
    assert offline.received == []

    agent_presence.sweep()  # Her own session waits too.
    service.wait_for(2)
    assert browser.received[1] == {"type": "waiting", "waiting": 3}


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_no_longer_exists_is_forgotten(
    agent_api: Api, user: Api, session_id: str, service: PushService, browser: Browser, status: int
) -> None:
    subscribe(agent_api, browser)
    service.status = status

    user.send(session_id)

    assert eventually(lambda: count() == 0)


def test_a_failed_push_is_not_repeated_and_the_browser_is_kept(
    agent_api: Api, user: Api, session_id: str, service: PushService, browser: Browser
) -> None:
    subscribe(agent_api, browser)
    service.status, service.headers = 307, {"Location": f"{service.origin}/elsewhere"}

    user.send(session_id)
    service.wait_for(1)
    nothing_more(service)

    assert [path for path, _, _ in service.got] == [browser.path]
    assert count() == 1


def test_signing_out_ends_pushes(apis: Apis, ada: str, session_id: str, user: Api, service: PushService) -> None:
    ending, staying = Browser(service), Browser(service, "b2")
    subscribe(apis.agent(ada), staying)
    token = operator_token(apis, ada)
    subscribe(apis.bearer(token), ending)

    assert apis.bearer(token).post("/api/auth/logout").status_code == 200
    user.send(session_id)
    service.wait_for(1)
    nothing_more(service)

    assert ending.received == []
    assert len(staying.received) == 1
    assert count() == 1


def operator_token(apis: Apis, agent_id: str) -> str:
    issued = data_of(apis.operator().post("/api/auth/token", {"userId": agent_id, "userType": "agent"}))
    return str(issued["token"])


@pytest.mark.parametrize("how", ["revoke", "block", "delete"])
def test_a_denied_agent_gets_no_pushes(
    apis: Apis, operator: Api, ada: str, user: Api, session_id: str, service: PushService, browser: Browser, how: str
) -> None:
    subscribe(apis.bearer(operator_token(apis, ada)), browser)
    person = {"userId": ada, "userType": "agent"}
    if how == "revoke":
        operator.post("/api/auth/revoke", person)
    elif how == "block":
        operator.post("/api/blocks", person)
    else:
        operator.delete(f"/api/agents/{ada}")

    user.send(session_id)
    assert eventually(lambda: count() == 0)
    assert service.got == []


@pytest.mark.features("privacy")
def test_browsers_are_exported_and_erased_with_their_agent(
    agent_api: Api, ada: str, operator: Api, browser: Browser
) -> None:
    shown = subscribe(agent_api, browser)

    exported = data_of(operator.get(f"/api/users/{ada}/export", userType="agent"))
    assert exported["pushSubscriptions"] == [{name: shown[name] for name in ("endpoint", "createdAt")}]
    assert "pushSubscriptions" not in data_of(operator.get("/api/users/u1/export"))

    data_of(operator.delete(f"/api/users/{ada}?userType=agent"))
    assert count() == 0


def test_the_newest_ten_browsers_are_kept(apis: Apis, ada: str, service: PushService) -> None:
    browsers = [Browser(service, f"b{number}") for number in range(13)]
    for browser in browsers[:3]:
        subscribe(apis.agent(ada), browser)

    run_together(*(lambda browser=browser: subscribe(apis.agent(ada), browser) for browser in browsers[3:]))  # type: ignore[misc]

    kept = {row["endpoint"] for row in PushSubscription.collection().find()}
    assert kept == {browser.subscription["endpoint"] for browser in browsers[3:]}


def test_a_browser_belongs_to_one_agent(apis: Apis, agent_api: Api, operator: Api, browser: Browser) -> None:
    ben = apis.agent(operator.create_agent("Ben")["id"])
    subscribe(agent_api, browser)
    subscribe(ben, browser)

    assert data_of(agent_api.delete(SUBSCRIPTION)) == {"deleted": 0}
    assert data_of(ben.client.delete(SUBSCRIPTION, headers=ben.headers, query_string={"endpoint": "x"})) == {
        "deleted": 0
    }
    endpoint = browser.subscription["endpoint"]
    response = ben.client.delete(SUBSCRIPTION, headers=ben.headers, query_string={"endpoint": endpoint})
    assert data_of(response) == {"deleted": 1}


def test_a_subscription_may_be_named_in_the_body_too(agent_api: Api, browser: Browser) -> None:
    subscribe(agent_api, browser)
    for endpoint, deleted in (("x", 0), (browser.subscription["endpoint"], 1)):
        body = {"endpoint": endpoint}
        response = agent_api.client.delete(SUBSCRIPTION, headers=agent_api.headers, json=body)
        assert data_of(response) == {"deleted": deleted}


def test_only_agents_subscribe(apis: Apis, operator: Api, user: Api, browser: Browser) -> None:
    for caller in (user, operator):
        assert_failure(caller.get(KEY), 403, "FORBIDDEN")
        assert_failure(caller.put(SUBSCRIPTION, browser.subscription), 403, "FORBIDDEN")
        assert_failure(caller.delete(SUBSCRIPTION), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().get(KEY), 401, "AUTH_REQUIRED")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"endpoint": None}, "endpoint"),
        ({"endpoint": {"$gt": ""}}, "endpoint"),
        ({"endpoint": ""}, "endpoint"),
        ({"endpoint": "ftp://127.0.0.1/a"}, "endpoint"),
        ({"endpoint": "https://u:p@push.example.com/a"}, "endpoint"),
        ({"endpoint": "http://10.0.0.1/a"}, "endpoint"),
        ({"endpoint": "https://169.254.169.254/latest"}, "endpoint"),
        ({"endpoint": "https://push.example.com/\ud800"}, "endpoint"),
        ({"endpoint": "https://push.example.com/" + "a" * 2000}, "endpoint"),
        ({"keys": None}, "keys"),
        ({"keys": {}}, "keys.p256dh"),
        ({"keys": {"p256dh": "BA" + "A" * 85, "auth": "A" * 22}}, "keys.p256dh"),
        ({"keys": {"p256dh": "A", "auth": "A" * 22}}, "keys.p256dh"),
        ({"keys": {"auth": 7}}, "keys.p256dh"),
        ({"keys": {"auth": "A" * 21}}, "keys.p256dh"),
    ],
)
def test_wrong_fields_of_a_subscription_are_named(
    agent_api: Api, browser: Browser, changes: dict[str, Any], field: str
) -> None:
    refused = assert_failure(
        agent_api.put(SUBSCRIPTION, {**browser.subscription, **changes}), 400, "INVALID_SUBSCRIPTION"
    )

    assert refused["details"][0]["field"] == field
    assert count() == 0


def test_production_accepts_only_https(make_app: MakeApp, service: PushService, browser: Browser) -> None:
    app = make_app(app_env="production")
    apis = Apis(app)
    agent = apis.agent(apis.operator().create_agent("Ada")["id"])

    for endpoint in (browser.subscription["endpoint"], "https://127.0.0.1/a", "http://93.184.216.34/a"):
        body = {**browser.subscription, "endpoint": endpoint}
        assert_failure(agent.put(SUBSCRIPTION, body), 400, "INVALID_SUBSCRIPTION")
    assert agent.put(SUBSCRIPTION, {**browser.subscription, "endpoint": "https://93.184.216.34/a"}).status_code == 200


def test_all_processes_have_the_same_keys(agent_api: Api) -> None:
    def first_call() -> str:
        keys._known.clear()
        return keys.pair().public

    made = run_together(*[first_call] * 6)

    assert len(set(made)) == 1
    assert PushKeys.collection().count_documents({}) == 1
    assert data_of(agent_api.get(KEY))["publicKey"] == made[0]


def test_a_hanging_push_service_delays_no_chat_and_no_other_service(
    apis: Apis, operator: Api, ada: str, session_id: str, user: Api, service: PushService, browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(outbound, "SECONDS", 2.0)
    hanging = PushService()
    try:
        hanging.hangs.set()
        for number in range(9):
            subscribe(apis.agent(ada), Browser(hanging, f"b{number}"))
        subscribe(apis.agent(ada), browser)

        began = time.monotonic()
        assert user.send(session_id).status_code == 201
        service.wait_for(1)
        # In turns, each for its time.
        assert len(hanging.got) <= 2 + 2 * ((time.monotonic() - began) // outbound.SECONDS)
        assert eventually(lambda: len(hanging.got) >= 4)
        assert time.monotonic() - began > 1.9
    finally:
        hanging.close()


def test_pushes_cost_a_message_no_command(agent_api: Api, user: Api, session_id: str, browser: Browser) -> None:
    with COMMANDS.counted() as before:
        user.send(session_id)
    subscribe(agent_api, browser)
    with COMMANDS.counted() as after:
        user.send(session_id)

    assert after == before


def test_other_processes_learn_of_a_subscription(agent_api: Api, browser: Browser) -> None:
    subscribe(agent_api, browser)
    subscriptions.forget()
    subscriptions.look()
    assert subscriptions.any_known()

    PushSubscription.collection().update_many({}, {"$set": {"expiresAt": now()}})
    subscriptions.look()
    assert not subscriptions.any_known()
    assert background.flush_all() == []
