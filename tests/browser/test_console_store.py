"""Only the functions that the console's store exports can alter it."""

from __future__ import annotations

from tests.browser.conftest import MakePerson
from tests.e2e.server import Server

ATTEMPTS = """async (module) => {
    "use strict";
    const { change, patchTalk, putSession, state, talkOf } = await import(module);
    putSession({ id: "1", status: "active" });
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


def test_the_store_is_read_only_for_its_readers(server: Server, person: MakePerson) -> None:
    page = person().open(f"{server.url}/console")
    version = page.content().split("web/")[1].split("/")[0]

    found = page.evaluate(ATTEMPTS, f"./web/{version}/console/store.js")
    assert found == [[True] * 5, "queue", 1, "active"]
