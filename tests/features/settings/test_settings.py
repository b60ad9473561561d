"""Settings: who reads and writes them, what they refuse, one writer at a time, and how soon everybody goes by them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chatsupport import orders
from chatsupport.features.settings import service
from chatsupport.features.settings.documents import Settings
from chatsupport.features.settings.hours import DAYS
from chatsupport.features.settings.orders import ReadSettings
from chatsupport.services.server import processes
from chatsupport.web import bundle
from tests.api import Api, Apis, assert_failure, data_of
from tests.commands import COMMANDS
from tests.concurrency import eventually, run_together

PATH = "/api/settings"


def settings_of(api: Api) -> dict[str, Any]:
    return data_of(api.get(PATH))


def change(api: Api, **sections: Any) -> dict[str, Any]:
    """Change some sections, as a client does that reads everything first."""
    return data_of(api.put(PATH, {**settings_of(api), **sections}))


def look(**changes: Any) -> dict[str, Any]:
    return {**service.DEFAULTS["widget"], **changes}


def week(monday: Any, *exceptions: dict[str, Any]) -> dict[str, Any]:
    """Return opening hours on Mondays."""
    return {"timeZone": "Europe/Berlin", "weekly": {"mon": monday}, "exceptions": list(exceptions)}


def given(api: Api) -> dict[str, Any]:
    """Return what the loader of the chat bubble is given by this feature."""
    match = re.search(rb"\)\((\{.*\})\);?\s*\Z", api.get("/widget.js").data)
    assert match
    told: dict[str, Any] = json.loads(match[1])
    told.pop("files", None)  # The feature of files gives it.
    return told


@pytest.fixture
def supervisor(apis: Apis, operator: Api) -> Api:
    return apis.agent(operator.create_agent("Sue", role="supervisor")["id"])


def test_settings_have_defaults_that_can_be_written_back(operator: Api) -> None:
    before = settings_of(operator)

    after = change(operator)

    assert before["version"] == 0
    assert before["hours"] is before["botId"] is None
    assert before["widget"]["color"] == "#0f766e"
    assert before["endReasons"][0] == {"label": "Solved", "isPublic": True}
    assert {**after, "updatedAt": None} == {**before, "version": 1}


def test_the_last_author_of_the_settings_is_named(apis: Apis, operator: Api) -> None:
    sue = operator.create_agent("Sue", role="supervisor")["id"]

    assert change(apis.agent(sue))["updatedBy"] == settings_of(operator)["updatedBy"] == sue
    assert change(operator)["updatedBy"] is None


def test_agents_read_supervisors_write_and_users_do_neither(
    apis: Apis, operator: Api, supervisor: Api, ada: str, user: Api
) -> None:
    whole = settings_of(operator)

    assert settings_of(apis.agent(ada)) == settings_of(supervisor) == whole
    assert_failure(user.get(PATH), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().get(PATH), 401, "AUTH_REQUIRED")
    for caller in (user, apis.agent(ada)):
        assert_failure(caller.put(PATH, whole), 403, "FORBIDDEN")
    assert data_of(supervisor.put(PATH, whole))["version"] == 1
    assert data_of(operator.put(PATH, settings_of(operator)))["version"] == 2


def test_all_settings_are_stored(operator: Api) -> None:
    wanted = {
        "texts": {"greeting": "Hi $set {$ne: 1} ", "away": "\u202f", "ended": None},
        "widget": look(title=" Fern & Clay ", color="#2F5D46", position="left", theme="dark", language="pt-BR"),
        "endReasons": [{"label": "$gone", "isPublic": False}],
        "preChat": [
            {"key": "email", "label": "Your email", "type": "email", "required": True},
            {"key": "topic", "label": "About", "type": "select", "options": ["A", "B"], "required": False},
        ],
        "hours": week(
            [["00:00", "12:00"], ["12:00", "24:00"]],
            {"date": "2027-01-01", "spans": []},
            {"date": "2026-12-24", "spans": [["09:00", "12:00"]], "name": " Christmas Eve "},
        ),
    }

    changed = change(operator, **wanted)

    assert changed["texts"] == {"greeting": "Hi $set {$ne: 1}", "away": None, "ended": None}
    assert changed["widget"] == {**wanted["widget"], "title": "Fern & Clay", "color": "#2f5d46"}  # type: ignore[dict-item]
    assert changed["endReasons"] == wanted["endReasons"]
    assert changed["preChat"] == wanted["preChat"]
    assert changed["hours"] == {
        "timeZone": "Europe/Berlin",
        "weekly": {"mon": [["00:00", "12:00"], ["12:00", "24:00"]], **{day: [] for day in DAYS[1:]}},
        "exceptions": [
            {"date": "2026-12-24", "spans": [["09:00", "12:00"]], "name": "Christmas Eve"},
            {"date": "2027-01-01", "spans": [], "name": None},
        ],
    }
    assert settings_of(operator) == changed


QUESTION = {"key": "topic", "label": "About", "type": "text", "required": True}


@pytest.mark.parametrize(
    ("section", "value", "field"),
    [
        ("version", "1", "version"),
        ("version", True, "version"),
        ("version", -1, "version"),
        ("hours", [], "hours"),
        ("hours", {"timeZone": "Europe/Berlin"}, "hours.weekly"),
        ("hours", {"weekly": {}}, "hours.timeZone"),
        ("hours", {"timeZone": "../etc/passwd", "weekly": {}}, "hours.timeZone"),
        ("hours", {"timeZone": "europe/berlin", "weekly": {}}, "hours.timeZone"),
        ("hours", {"timeZone": ["UTC"], "weekly": {}}, "hours.timeZone"),
        ("hours", week(None), "hours.weekly.mon"),
        ("hours", week([["09:00"]]), "hours.weekly.mon.0"),
        ("hours", week([["09:00", "24:01"]]), "hours.weekly.mon.0"),
        ("hours", week([["9:00", "10:00"]]), "hours.weekly.mon.0"),
        ("hours", week([["09:00", "17:00\n"]]), "hours.weekly.mon.0"),
        ("hours", week([[9, 17]]), "hours.weekly.mon.0"),
        ("hours", week([["09:00", "09:00"]]), "hours.weekly.mon.0"),
        ("hours", week([["22:00", "02:00"]]), "hours.weekly.mon.0"),
        ("hours", week([["09:00", "12:00"], ["11:59", "13:00"]]), "hours.weekly.mon"),
        ("hours", week([["13:00", "14:00"], ["09:00", "12:00"]]), "hours.weekly.mon"),
        ("hours", week([[f"{hour:02}:00", f"{hour:02}:01"] for hour in range(11)]), "hours.weekly.mon"),
        ("hours", week([], {"date": "2026-02-30", "spans": []}), "hours.exceptions.0.date"),
        ("hours", week([], {"date": "20261224", "spans": []}), "hours.exceptions.0.date"),
        ("hours", week([], {"date": "2026-12-24"}), "hours.exceptions.0.spans"),
        ("hours", week([], {"date": "2026-12-24", "spans": [["09:00", "08:00"]]}), "hours.exceptions.0.spans.0"),
        ("hours", week([], {"date": "2026-12-24", "spans": [], "name": "x" * 61}), "hours.exceptions.0.name"),
        ("hours", week([], *[{"date": "2026-12-24", "spans": []}] * 2), "hours.exceptions"),
        ("hours", week([], *[{"date": "2026-12-24", "spans": []}] * 401), "hours.exceptions"),
        ("botId", "6b02b4cd299fb66dc017f7e1", "botId"),
        ("botId", "a bot", "botId"),
        ("texts", None, "texts"),
        ("texts", [], "texts"),
        ("texts", {"greeting": "x" * 301}, "texts.greeting"),
        ("texts", {"away": {"$gt": ""}}, "texts.away"),
        ("texts", {"ended": "a\x00b"}, "texts.ended"),
        ("widget", look(title="x" * 61), "widget.title"),
        ("widget", look(color="red"), "widget.color"),
        ("widget", look(color="#fff"), "widget.color"),
        ("widget", look(color="#2f5d46\n"), "widget.color"),
        ("widget", look(color=None), "widget.color"),
        ("widget", look(position="top"), "widget.position"),
        ("widget", look(theme="neon"), "widget.theme"),
        ("widget", look(logoUrl="http://example.com/a.png"), "widget.logoUrl"),
        ("widget", look(logoUrl="javascript:alert(1)"), "widget.logoUrl"),
        ("widget", look(logoUrl="https://user:pw@example.com/a.png"), "widget.logoUrl"),
        ("widget", look(logoUrl="https://[::1/a.png"), "widget.logoUrl"),
        ("widget", look(logoUrl="https:///a.png"), "widget.logoUrl"),
        ("widget", look(logoUrl='https://example.com/"a'), "widget.logoUrl"),
        ("widget", look(logoUrl="https://example.com/" + "a" * 2000), "widget.logoUrl"),
        ("widget", look(language="german"), "widget.language"),
        ("endReasons", {}, "endReasons"),
        ("endReasons", [{"label": "x", "isPublic": True}] * 21, "endReasons"),
        ("endReasons", [{"label": " ", "isPublic": True}], "endReasons.0.label"),
        ("endReasons", [{"label": "x", "isPublic": "yes"}], "endReasons.0.isPublic"),
        ("endReasons", ["Solved"], "endReasons.0"),
        ("preChat", [{**QUESTION, "key": f"q{number}"} for number in range(9)], "preChat"),
        ("preChat", [QUESTION, QUESTION], "preChat"),
        ("preChat", [{**QUESTION, "key": "1st"}], "preChat.0.key"),
        ("preChat", [{**QUESTION, "key": "a" * 41}], "preChat.0.key"),
        ("preChat", [{**QUESTION, "key": "a.b"}], "preChat.0.key"),
        ("preChat", [{**QUESTION, "label": "x" * 81}], "preChat.0.label"),
        ("preChat", [{**QUESTION, "type": "password"}], "preChat.0.type"),
        ("preChat", [{**QUESTION, "type": "select"}], "preChat.0"),
        ("preChat", [{**QUESTION, "options": ["a"]}], "preChat.0"),
        ("preChat", [{**QUESTION, "type": "select", "options": ["a", "a"]}], "preChat.0.options"),
        ("preChat", [{**QUESTION, "type": "select", "options": []}], "preChat.0"),
        ("preChat", [{**QUESTION, "required": None}], "preChat.0.required"),
    ],
)
def test_a_wrong_setting_is_named_and_changes_nothing(operator: Api, section: str, value: Any, field: str) -> None:
    refused = assert_failure(operator.put(PATH, {**service.DEFAULTS, section: value}), 400, "INVALID_SETTINGS")

    assert refused["details"][0]["field"] == field
    assert refused["message"] == refused["details"][0]["message"]
    assert refused["message"].startswith((f"{field} must ", f"{field} is required and must "))
    assert settings_of(operator)["version"] == 0


def test_each_wrong_field_is_named(operator: Api) -> None:
    body = {
        **service.DEFAULTS,
        "texts": {"away": 1},
        "widget": look(color="red", theme="neon", logoUrl="http://a.example/"),
    }
    del body["endReasons"]

    refused = assert_failure(operator.put(PATH, body), 400, "INVALID_SETTINGS")

    assert [detail["field"] for detail in refused["details"]] == [
        "texts.away",
        "widget.color",
        "widget.theme",
        "widget.logoUrl",
        "endReasons",
    ]
    assert "https://" in refused["details"][3]["message"]
    assert_failure(operator.put(PATH), 400, "INVALID_SETTINGS")


def test_a_change_based_on_an_older_version_is_refused(operator: Api) -> None:
    stale = settings_of(operator)
    change(operator, texts={"greeting": "First", "away": None, "ended": None})

    assert_failure(operator.put(PATH, stale), 409, "SETTINGS_CHANGED")
    assert_failure(operator.put(PATH, {**stale, "version": 2}), 409, "SETTINGS_CHANGED")
    assert settings_of(operator)["texts"]["greeting"] == "First"


@pytest.mark.parametrize("version", [0, 1])
def test_of_concurrent_changes_one_is_made(apis: Apis, operator: Api, version: int) -> None:
    if version:
        change(operator)
    read = settings_of(operator)

    answers = run_together(
        *(
            lambda number=number: apis.operator().put(  # type: ignore[misc]
                PATH, {**read, "texts": {"greeting": f"{number}", "away": None, "ended": None}}
            )
            for number in range(8)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert settings_of(operator)["version"] == version + 1
    assert Settings.collection().count_documents({}) == 1


def test_a_change_is_in_the_audit_log(operator: Api, supervisor: Api) -> None:
    change(supervisor, endReasons=[], widget=look(theme="dark"))

    entry = data_of(operator.get("/api/audit", action="settings_changed"))["entries"][0]
    assert entry["callerType"] == "agent"
    assert entry["details"] == {"version": 1, "changed": ["widget", "endReasons"]}


def test_the_bubble_gets_only_settings_that_differ_from_the_built_in_ones(apis: Apis, operator: Api) -> None:
    page = apis.anonymous()
    before = page.get("/widget.js").headers["ETag"]
    assert given(page) == {}

    change(operator, widget=look(title="</script>", color="#2f5d46"), texts={"greeting": "Hi \u2028%SETTINGS%"})

    # By the short key that it has in the tables of texts, as browsers get them.
    texts = {bundle.short("hello"): "Hi \u2028%SETTINGS%"}
    assert given(page) == {"title": "</script>", "color": "#2f5d46", "texts": texts}
    after = page.get("/widget.js")
    assert after.headers["ETag"] != before
    unchanged = apis.anonymous(**{"If-None-Match": after.headers["ETag"]}).get("/widget.js")
    assert unchanged.status_code == 304


def test_another_process_reads_the_settings_when_told_and_by_itself(operator: Api) -> None:
    change(operator, widget=look(theme="dark"))

    service.forget()  # As a process that has not heard of it.
    orders.give(ReadSettings())
    assert eventually(lambda: service.current()["version"] == 1)

    service.forget()
    service.refresh()
    assert service.current()["widget"]["theme"] == "dark"


def test_a_process_that_is_alone_reads_the_settings_rarely(operator: Api) -> None:
    def commands() -> list[str]:
        with COMMANDS.counted() as sent:
            service.look()
        return sent

    processes.here.begin()
    processes.here.beat()
    commands()
    assert commands() == []

    other = processes.ThisProcess()
    other.begin()
    other.beat()
    processes.here.beat()
    assert commands() == ["find settings"]
    assert commands() == ["find settings"]
    other.leave()


def test_a_read_in_progress_does_not_undo_a_newer_change(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    read = service._read

    def slowly() -> dict[str, Any]:
        monkeypatch.setattr(service, "_read", read)
        found = read()
        change(operator, widget=look(theme="dark"))
        return found

    monkeypatch.setattr(service, "_read", slowly)
    service.refresh()

    assert service.current()["version"] == 1


def test_settings_of_an_earlier_release_get_defaults(operator: Api) -> None:
    Settings.collection().insert_one({"_id": "settings", "version": 4, "widget": {"theme": "dark"}, "texts": {}})

    read = settings_of(operator)

    assert read["widget"] == look(theme="dark")
    assert read["texts"] == service.DEFAULTS["texts"]
    assert read["endReasons"] == service.DEFAULTS["endReasons"]
    assert change(operator)["version"] == 5


def test_the_bubble_costs_no_command(apis: Apis, operator: Api) -> None:
    change(operator, widget=look(theme="dark"))

    with COMMANDS.counted() as sent:
        assert given(apis.anonymous()) == {"theme": "dark"}

    assert sent == []
