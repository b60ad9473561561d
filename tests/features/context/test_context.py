"""What staff know of a visitor: told at the start or later, merged, and shown to each as the contract says."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chatsupport.documents import Session
from chatsupport.identity import expected_user_hash
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.applications import MakeApp
from tests.commands import COMMANDS, remember_for_long
from tests.concurrency import run_together
from tests.sockets import Socket, Sockets, assert_refused, succeeded

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
GRACE = {"name": "Grace Hopper", "email": "Grace@example.com", "phone": "+1 555 0100"}
CART = {"url": "https://shop.example/cart?a=1#b", "title": "Cart", "referrer": "https://search.example/"}
TOLD = {
    "visitor": GRACE,
    "page": CART,
    "locale": "en-GB",
    "timezone": "Europe/London",
    "fields": {"plan": "pro", "orders": 3, "spent": 12.5, "isMember": True},
}
PATH = "/api/chat/session"


def start(caller: Api, user_id: str = "u1", **told: Any) -> str:
    response = caller.post("/api/chat/start-session", {"userId": user_id, **told})
    assert response.status_code == 201, response.json
    return str(data_of(response)["sessionId"])


def context_for(caller: Api, session_id: str) -> dict[str, Any]:
    context: dict[str, Any] = caller.session(session_id)["context"]
    return context


def update(caller: Api, session_id: str, **told: Any) -> dict[str, Any]:
    response = caller.patch(f"{PATH}/{session_id}", told)
    assert response.status_code == 200, response.json
    context: dict[str, Any] = data_of(response)["context"]
    return context


@pytest.fixture
def visitor(apis: Apis) -> Api:
    """The user u1, in a browser."""
    return apis.anonymous(Authorization=f"Bearer {make_token('u1')}", **{"User-Agent": FIREFOX})


def test_staff_see_the_details_from_a_start(visitor: Api, operator: Api, apis: Apis, ada: str) -> None:
    session_id = start(visitor, **TOLD)

    for staff in (operator, apis.agent(ada)):
        context = context_for(staff, session_id)
        (visited,) = context.pop("pages")
        assert visited.pop("at").endswith("Z")
        assert visited == CART
        assert context == {
            **TOLD,
            "device": {"browser": "Firefox", "os": "Linux", "kind": "desktop"},
            "isVerified": False,
        }
    (listed,) = data_of(operator.get("/api/chat/sessions"))["sessions"]
    assert listed["context"]["visitor"] == GRACE


def test_the_user_sees_only_its_own_details(visitor: Api, session_id: str) -> None:
    assert update(visitor, session_id, **TOLD) == TOLD
    assert context_for(visitor, session_id) == TOLD
    assert data_of(visitor.get("/api/chat/session/current"))["session"]["context"] == TOLD


def test_a_session_without_details_has_none(visitor: Api, operator: Api, session_id: str) -> None:
    nothing = {
        "visitor": {"name": None, "email": None, "phone": None},
        "page": None,
        "locale": None,
        "timezone": None,
        "fields": {},
    }

    assert context_for(visitor, session_id) == nothing
    of_staff = {**nothing, "pages": [], "device": None, "isVerified": True}  # Started by an API key.
    assert context_for(operator, session_id) == of_staff
    Session.collection().update_many({}, {"$unset": {"features": ""}})
    assert context_for(operator, session_id) == {**of_staff, "isVerified": False}


def test_null_and_empty_texts_count_as_left_out(visitor: Api) -> None:
    told = {
        "visitor": {"name": " ", "email": None},
        "page": {"url": "https://a.example", "title": "", "referrer": ""},
        "locale": "",
        "timezone": None,
        "fields": None,
    }
    context = context_for(visitor, start(visitor, **told))

    assert context["visitor"] == {"name": None, "email": None, "phone": None}
    assert context["page"] == {"url": "https://a.example", "title": None, "referrer": None}
    assert (context["locale"], context["timezone"], context["fields"]) == (None, None, {})


def test_texts_are_trimmed(visitor: Api) -> None:
    told = {"visitor": {"name": " Grace  H \n"}, "fields": {"plan": "  pro "}, "locale": " de "}
    context = context_for(visitor, start(visitor, **told))

    assert (context["visitor"]["name"], context["fields"], context["locale"]) == ("Grace  H", {"plan": "pro"}, "de")


def test_a_repeated_start_does_not_change_the_details(visitor: Api) -> None:
    session_id = start(visitor, **TOLD)
    again = visitor.post("/api/chat/start-session", {"userId": "u1", "locale": "fr"})

    assert (again.status_code, data_of(again)["sessionId"]) == (200, session_id)
    assert context_for(visitor, session_id)["locale"] == "en-GB"


def test_an_update_is_merged_and_null_removes(visitor: Api, session_id: str) -> None:
    update(visitor, session_id, **TOLD)

    context = update(
        visitor, session_id, visitor={"email": None, "phone": "2"}, locale=None, fields={"orders": 4, "spent": None}
    )
    assert context["visitor"] == {"name": "Grace Hopper", "email": None, "phone": "2"}
    assert (context["locale"], context["timezone"]) == (None, "Europe/London")
    assert context["fields"] == {"plan": "pro", "orders": 4, "isMember": True}

    context = update(visitor, session_id, visitor=None, page=None, fields=None)
    assert context["visitor"] == {"name": None, "email": None, "phone": None}
    assert (context["page"], context["fields"]) == (None, {})


def test_the_last_five_pages_are_kept_oldest_first(visitor: Api, operator: Api, session_id: str) -> None:
    for number in range(7):
        update(visitor, session_id, page={"url": f"https://shop.example/{number}", "title": f"Page {number}"})
    update(visitor, session_id, page={"title": "A new title"})

    context = context_for(operator, session_id)
    assert [page["url"][-1] for page in context["pages"]] == ["2", "3", "4", "5", "6"]
    assert context["page"] == {"url": "https://shop.example/6", "title": "A new title", "referrer": None}
    assert context["pages"][-1]["title"] == "A new title"
    times = [page["at"] for page in context["pages"]]
    assert times == sorted(times)

    context = update(visitor, session_id, page={"url": "https://shop.example/6"})
    assert context["page"]["title"] == "A new title", "the same page"
    context = update(visitor, session_id, page={"url": "https://shop.example/2"})
    assert context["page"]["title"] is None, "another page has another title"
    assert context_for(operator, session_id)["pages"][-1]["url"] == "https://shop.example/2"


def test_users_do_not_see_the_fields_that_staff_set_last(visitor: Api, operator: Api, session_id: str) -> None:
    update(visitor, session_id, fields={"plan": "pro", "orders": 3})
    assert update(operator, session_id, fields={"orders": 4, "risk": "low"})["fields"] == {
        "plan": "pro",
        "orders": 4,
        "risk": "low",
    }
    assert context_for(visitor, session_id)["fields"] == {"plan": "pro"}

    assert update(visitor, session_id, fields={"orders": 5})["fields"] == {"plan": "pro", "orders": 5}
    assert update(visitor, session_id, fields=None)["fields"] == {}
    assert context_for(operator, session_id)["fields"] == {"risk": "low"}
    assert update(operator, session_id, fields=None)["fields"] == {}


def test_fields_from_a_systems_start_belong_to_staff(operator: Api, visitor: Api) -> None:
    session_id = start(operator, **TOLD)

    assert context_for(operator, session_id)["fields"] == TOLD["fields"]
    assert context_for(operator, session_id)["device"] is None, "the request was none of the user's"
    assert context_for(visitor, session_id) == {**TOLD, "fields": {}}
    update(visitor, session_id, locale="de")
    assert context_for(operator, session_id)["device"]["browser"] == "Firefox"


def test_only_ids_with_a_valid_hash_are_verified(make_app: MakeApp) -> None:
    app = make_app()
    apis, operator = Apis(app), Apis(app).operator()

    def started_by(user_id: str, token: str) -> str:
        return start(apis.bearer(token), user_id)

    def token(caller: Api, **body: Any) -> str:
        return str(data_of(caller.post("/api/auth/token", body))["token"])

    claimed = started_by("u1", token(apis.anonymous(), userId="u1"))
    by_key = started_by("u2", token(operator, userId="u2"))
    guest = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
    of_guest = started_by(guest["userId"], guest["token"])
    renewed = start(operator, "u3")

    verified = {name: context_for(operator, name)["isVerified"] for name in (claimed, by_key, of_guest, renewed)}
    assert verified == {claimed: False, by_key: True, of_guest: False, renewed: True}
    assert "isVerified" not in context_for(apis.user("u1"), claimed)

    # A guest who becomes a user is verified where that user is.
    user = apis.bearer(token(operator, userId="u4"))
    carried = user.post("/api/auth/identify", {"guestToken": guest["token"]})
    assert data_of(carried)["sessionId"] == of_guest
    assert context_for(operator, of_guest)["isVerified"] is True


def test_a_user_hash_makes_an_id_verified(make_app: MakeApp) -> None:
    secret = "s" * 32
    apis = Apis(make_app(identity_secret=secret))
    body = {"userId": "u1", "userHash": expected_user_hash("u1", secret)}
    token = data_of(apis.anonymous().post("/api/auth/token", body))["token"]

    assert context_for(apis.operator(), start(apis.bearer(token)))["isVerified"] is True


def test_staff_and_the_user_each_get_the_details_they_may_see(
    visitor: Api, sockets: Sockets, user_socket: Socket, agent_socket: Socket, session_id: str
) -> None:
    system, stranger = sockets.operator(), sockets.user("u2")
    system.join(session_id)
    tab = sockets.user("u1")  # Has not joined.
    update(visitor, session_id, **TOLD)

    for socket in (user_socket, tab):
        (session,) = socket.wait_for("session_updated")
        assert session["context"] == TOLD
    for socket in (agent_socket, system):
        (session,) = socket.wait_for("session_updated")
        assert session["context"] == {
            **TOLD,
            "pages": session["context"]["pages"],
            "device": {"browser": "Firefox", "os": "Linux", "kind": "desktop"},
            "isVerified": True,
        }
    assert stranger.heard("session_updated") == []


def test_who_has_left_hears_no_more(operator: Api, sockets: Sockets, session_id: str) -> None:
    system = sockets.operator()
    system.join(session_id)
    system.call("leave_session", {"sessionId": session_id})
    update(operator, session_id, locale="de")

    assert system.heard("session_updated") == []


def test_the_event_has_the_same_effect_as_the_call(user_socket: Socket, operator: Api, session_id: str) -> None:
    answer = user_socket.call("update_session", {"sessionId": session_id, "page": CART, "fields": {"plan": "pro"}})

    assert succeeded(answer)["context"]["page"] == CART
    assert context_for(operator, session_id)["fields"] == {"plan": "pro"}
    assert_refused(user_socket.call("update_session", {"sessionId": session_id, "locale": 3}), "INVALID_CONTEXT")
    wrong = {"sessionId": session_id, "userId": "u2", "locale": "de"}
    assert_refused(user_socket.call("update_session", wrong), "FORBIDDEN")


def test_only_participants_may_change_the_details(apis: Apis, operator: Api, session_id: str, ben: str) -> None:
    for stranger in (apis.user("u2"), apis.agent(ben)):
        assert_failure(stranger.patch(f"{PATH}/{session_id}", {"locale": "de"}), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().patch(f"{PATH}/{session_id}", {}), 401, "AUTH_REQUIRED")
    assert_failure(operator.patch(f"{PATH}/{'0' * 24}", {}), 404, "SESSION_NOT_FOUND")


def test_an_ended_session_accepts_no_details(visitor: Api, session_id: str) -> None:
    update(visitor, session_id, locale="de")
    visitor.end(session_id)

    assert_failure(visitor.patch(f"{PATH}/{session_id}", {"locale": "fr"}), 409, "SESSION_ENDED")
    assert context_for(visitor, session_id)["locale"] == "de"


def test_concurrent_updates_are_all_kept(operator: Api, apis: Apis, session_id: str) -> None:
    names = [f"f{number}" for number in range(4)]
    updates = [
        lambda name=name: apis.operator().patch(f"{PATH}/{session_id}", {"fields": {name: True}}) for name in names
    ]

    assert {response.status_code for response in run_together(*updates)} == {200}
    assert context_for(operator, session_id)["fields"] == dict.fromkeys(names, True)


def test_an_update_without_a_change_is_not_announced(visitor: Api, session_id: str, agent_socket: Socket) -> None:
    update(visitor, session_id, **TOLD)
    agent_socket.wait_for("session_updated")
    agent_socket.forget()
    before = Session.collection().find_one({})
    update(visitor, session_id, **TOLD)

    assert agent_socket.heard("session_updated") == []
    assert Session.collection().find_one({}) == before


def test_updates_are_limited(make_app: MakeApp) -> None:
    apis = Apis(make_app(rate_limits=True, rate_limit_updates="2/minute"))
    session_id = apis.operator().start("u1")["sessionId"]
    user = apis.user("u1")
    for locale in ("de", "fr"):
        update(user, session_id, locale=locale)

    assert_failure(user.patch(f"{PATH}/{session_id}", {"locale": "en"}), 429, "RATE_LIMITED")


def test_context_costs_a_start_no_command(apis: Apis, operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_for_long(monkeypatch)
    for user_id in ("u8", "u9"):  # One gets Ada; the other one waits, and counts the queue.
        operator.start(user_id)
    with COMMANDS.counted() as plain:
        start(apis.user("u2"), "u2")
    with COMMANDS.counted() as told:
        start(apis.user("u3"), "u3", **TOLD)

    assert told == plain


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"visitor": "Grace"}, "visitor"),
    ({"visitor": ["Grace"]}, "visitor"),
    ({"visitor": {"name": "x" * 101}}, "visitor.name"),
    ({"visitor": {"name": {"$gt": ""}}}, "visitor.name"),
    ({"visitor": {"name": "a\x00b"}}, "visitor.name"),
    ({"visitor": {"email": "grace"}}, "visitor.email"),
    ({"visitor": {"email": "a" * 250 + "@example.com"}}, "visitor.email"),
    ({"visitor": {"phone": 5550100}}, "visitor.phone"),
    ({"visitor": {"phone": "1" * 41}}, "visitor.phone"),
    ({"page": "https://a.example"}, "page"),
    ({"page": {"url": "javascript:alert(1)"}}, "page.url"),
    ({"page": {"url": " JavaScript:alert(1)"}}, "page.url"),
    ({"page": {"url": "java\nscript:alert(1)"}}, "page.url"),
    ({"page": {"url": "https://user:pass@a.example/"}}, "page.url"),
    ({"page": {"url": "https://" + "u" * 1900 + "@a.example/"}}, "page.url"),
    ({"page": {"url": "https://a.example/" + "x" * 1990}}, "page.url"),
    ({"page": {"url": "https:///nowhere"}}, "page.url"),
    ({"page": {"url": "https://[::1"}}, "page.url"),
    ({"page": {"url": "https://a.example:port/"}}, "page.url"),
    ({"page": {"url": "https://a.example/a b"}}, "page.url"),
    ({"page": {"url": "//a.example/"}}, "page.url"),
    ({"page": {"url": "file:///etc/passwd"}}, "page.url"),
    ({"page": {"url": 3}}, "page.url"),
    ({"page": {**CART, "title": "x" * 201}}, "page.title"),
    ({"page": {**CART, "referrer": "android-app://a"}}, "page.referrer"),
    ({"locale": "en_GB"}, "locale"),
    ({"locale": "e"}, "locale"),
    ({"locale": "en-" + "a" * 9}, "locale"),
    ({"locale": "en" + "-a" * 50}, "locale"),
    ({"locale": ["en"]}, "locale"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"timezone": "../../etc/passwd"}, "timezone"),
    ({"timezone": 2}, "timezone"),
    ({"fields": [1]}, "fields"),
    ({"fields": "plan=pro"}, "fields"),
    ({"fields": {f"f{number}": 1 for number in range(21)}}, "fields"),
    ({"fields": {f"f{number}": 1 for number in range(5_000)}}, "fields"),
    ({"fields": {"$where": "1"}}, "fields"),
    ({"fields": {"a.b": 1}}, "fields"),
    ({"fields": {"__proto__": 1}}, "fields"),
    ({"fields": {"": 1}}, "fields"),
    ({"fields": {"a\x00": 1}}, "fields"),
    ({"fields": {"\ud800": 1}}, "fields"),
    ({"fields": {"plan\n": 1}}, "fields"),
    ({"fields": {"x" * 41: 1}}, "fields"),
    ({"fields": {"plan": "x" * 501}}, "fields.plan"),
    ({"fields": {"plan": "a\ud800"}}, "fields.plan"),
    ({"fields": {"plan": {"a": 1}}}, "fields.plan"),
    ({"fields": {"plan": [1]}}, "fields.plan"),
    ({"fields": {"plan": 2**53}}, "fields.plan"),
    ({"fields": {"plan": -(2**53)}}, "fields.plan"),
    ({"visitor": {"name": "\udc00"}}, "visitor.name"),
]


@pytest.mark.parametrize(("told", "field"), WRONG, ids=[f"{number} {field}" for number, (_, field) in enumerate(WRONG)])
def test_bad_context_is_refused_and_named(visitor: Api, session_id: str, told: dict[str, Any], field: str) -> None:
    for response in (
        visitor.patch(f"{PATH}/{session_id}", told),
        visitor.post("/api/chat/start-session", {"userId": "u1", **told}),
    ):
        failure = assert_failure(response, 400, "INVALID_CONTEXT")
        assert [detail["field"] for detail in failure["details"]] == [field]
        assert failure["message"].startswith(field)


def test_nan_and_infinity_are_not_json(visitor: Api, session_id: str) -> None:
    for number in ("NaN", "Infinity", "1e999"):
        response = visitor.client.patch(
            f"{PATH}/{session_id}",
            data=f'{{"fields": {{"plan": {number}}}}}',
            headers={**visitor.headers, "Content-Type": "application/json"},
        )
        assert response.status_code == 400, number


def test_a_page_must_have_a_url(visitor: Api) -> None:
    nowhere = {"page": {"title": "No address"}}
    response = visitor.post("/api/chat/start-session", {"userId": "u1", **nowhere})

    assert_failure(response, 400, "INVALID_CONTEXT")
    assert Session.collection().count_documents({}) == 0
    failure = assert_failure(visitor.patch(f"{PATH}/{start(visitor)}", nowhere), 400, "INVALID_CONTEXT")
    assert failure["details"][0]["field"] == "page.url"


def test_several_wrong_fields_are_all_named(visitor: Api, session_id: str) -> None:
    told = {"visitor": {"email": "x", "phone": 3}, "timezone": "x", "unknown": {"$gt": 1}}
    failure = assert_failure(visitor.patch(f"{PATH}/{session_id}", told), 400, "INVALID_CONTEXT")

    assert [detail["field"] for detail in failure["details"]] == ["visitor.email", "visitor.phone", "timezone"]


def test_the_total_number_of_fields_is_limited(visitor: Api, operator: Api, session_id: str) -> None:
    update(visitor, session_id, fields={f"f{number}": number for number in range(20)})
    response = visitor.patch(f"{PATH}/{session_id}", {"fields": {"one": "more"}})

    assert_failure(response, 400, "INVALID_CONTEXT")
    update(visitor, session_id, fields={"one": "more", "f0": None})
    assert len(context_for(operator, session_id)["fields"]) == 20


@pytest.mark.features("privacy")
def test_details_are_exported_and_erased(visitor: Api, operator: Api, session_id: str) -> None:
    update(visitor, session_id, **TOLD)
    update(operator, session_id, fields={"risk": "low"})
    (exported,) = data_of(operator.get("/api/users/u1/export"))["sessions"]
    assert exported["context"] == TOLD

    assert operator.delete("/api/users/u1").status_code == 200
    assert "Grace" not in str(Session.collection().find_one({}))
    assert "context" not in Session.collection().find_one({})["features"]  # type: ignore[index]


@pytest.mark.features("audit")
def test_changes_by_staff_are_in_the_audit_log_without_their_content(
    visitor: Api, operator: Api, session_id: str
) -> None:
    update(visitor, session_id, locale="de")
    update(operator, session_id, visitor=GRACE, fields={"risk": "low"})

    (entry,) = data_of(operator.get("/api/audit", action="update"))["entries"]
    assert (entry["callerType"], entry["sessionId"], entry["userId"]) == ("system", session_id, "u1")
    assert entry["details"] == {"changed": "fields, visitor"}


def test_only_the_beginning_of_a_long_header_is_read(apis: Apis, operator: Api) -> None:
    began = time.thread_time()
    browser = apis.anonymous(Authorization=f"Bearer {make_token('u1')}", **{"User-Agent": "Version/" + "1." * 20_000})
    session_id = start(browser)

    assert context_for(operator, session_id)["device"] is None
    assert time.thread_time() - began < 2
