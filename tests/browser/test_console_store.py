"""The console's store: who can alter it, and which of an answer and an event is newer."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.browser.conftest import MakePerson
from tests.e2e.server import Server

ATTEMPTS = """async (folder) => {
    "use strict";
    const { change, patchTalk, putSession, state, talkOf } = await import(`${folder}/store.js`);
    putSession({ id: "1", status: "active" }, performance.now());
    patchTalk("1", { lastSeq: 1 });
    const attempts = [
        () => { state.list = "all"; },
        () => Object.assign(state, { list: "all" }),
        () => { delete state.list; },
        () => Object.assign(talkOf("1"), { lastSeq: 2 }),
        () => Object.assign(state.sessions.get("1"), { status: "ended" }),
    ];
    const refused = attempts.map((attempt) => {
        try {
            attempt();
            return false;
        } catch (error) {
            return error instanceof TypeError;
        }
    });
    change((draft) => { draft.list = "queue"; });
    return [refused, state.list, talkOf("1").lastSeq, state.sessions.get("1").status];
}"""


LATE_ANSWER = """async (folder) => {
    const { patchSession, putSession, state } = await import(`${folder}/store.js`);
    const { setTags } = await import(`${folder}/server/desk.js`);
    putSession({ id: "1", messageCount: 0, rating: null, tags: [] }, performance.now());
    const data = { id: "1", messageCount: 0, rating: null, tags: ["VIP"] };
    window.fetch = async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        patchSession("1", { messageCount: 1, rating: { score: 4, comment: null } });
        return Response.json({ success: true, data });
    };
    await setTags("1", ["VIP"]);
    const { messageCount, rating } = state.sessions.get("1");
    return [messageCount, rating?.score ?? null];
}"""

MIXED = """async (folder) => {
    const { patchSession, putSession, state } = await import(`${folder}/store.js`);
    const wait = () => new Promise((resolve) => setTimeout(resolve, 5));
    putSession({ id: "1", tags: [] }, performance.now());
    await wait();
    const asked = performance.now();
    await wait();
    patchSession("1", { status: "active" });
    putSession({ id: "1", tags: ["VIP"], status: "waiting" }, asked);
    const { tags, status } = state.sessions.get("1");
    return [tags, status];
}"""


OLD_PICTURE = """async (folder) => {
    const { assign, state } = await import(`${folder}/store.js`);
    const { handlers } = await import(`${folder}/server/events.js`);
    const { refresh } = await import(`${folder}/server/refresh.js`);
    const agent = { id: "ada", name: "Ada", maxUsers: 1, activeUsers: [], isOnline: true };
    const page = { sessions: [], hasMore: false, nextCursor: null };
    const answers = {
        "/api/agents/ada": agent,
        "/api/chat/sessions": page,
        "/api/chat/queue": { total: 0, sessions: [] },
        "/api/chat/stats": { agents: [], systemHealth: { timestamp: new Date().toISOString() } },
        "/api/settings": { endReasons: [] },
        "/api/departments": { departments: [] },
    };
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    let release, held = new Promise((resolve) => (release = resolve));
    window.fetch = async ({ pathname }) => {
        const data = answers[pathname];
        await held;
        return Response.json({ success: true, data });
    };
    const seen = () => [state.agent.name, state.agent.isOnline, state.queue.total];
    assign({ agent: { id: "ada", name: "A.", maxUsers: 1, activeUsers: [], isOnline: true } });
    const early = refresh();
    await wait(5);
    held = null;
    answers["/api/chat/queue"] = { total: 1, sessions: [] };
    answers["/api/agents/ada"] = { ...agent, name: "Ada L." };
    await refresh();
    release();
    await early;
    const first = seen();
    held = new Promise((resolve) => (release = resolve));
    const last = refresh();
    await wait(5);
    handlers.agent_changed({ ...agent, isOnline: false });
    handlers.queue_changed({ waiting: 2, longestWaitingSince: null, departments: [], sessions: [] });
    release();
    await last;
    return [first, seen()];
}"""


def evaluate(page: Page, script: str) -> Any:
    """Call a function in the page, with the address of the console's modules."""
    version = page.content().split("web/")[1].split("/")[0]
    return page.evaluate(script, f"./web/{version}/console")


def test_the_store_is_read_only_for_its_readers(server: Server, person: MakePerson) -> None:
    page = person().open(f"{server.url}/console")

    assert evaluate(page, ATTEMPTS) == [[True] * 5, "queue", 1, "active"]


def test_an_answer_does_not_undo_what_events_have_said_since_the_question(server: Server, person: MakePerson) -> None:
    page = person().open(f"{server.url}/console")

    assert evaluate(page, LATE_ANSWER) == [1, 4]


def test_an_answer_brings_what_no_event_has_said_since_the_question(server: Server, person: MakePerson) -> None:
    page = person().open(f"{server.url}/console")

    assert evaluate(page, MIXED) == [["VIP"], "active"]


def test_a_late_picture_undoes_nothing_of_the_agent_and_the_queue(server: Server, person: MakePerson) -> None:
    page = person().open(f"{server.url}/console")

    assert evaluate(page, OLD_PICTURE) == [["Ada L.", True, 1], ["Ada", False, 2]]
