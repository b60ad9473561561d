// The agents' console. It starts here: the pieces are put together, and the store drives the views.

import { continueSession, loadPicture } from "./account.js";
import { authorize } from "./api.js";
import { opened } from "./actions.js";
import { h } from "./dom.js";
import { readTo } from "./following.js";
import { startKeys } from "./keys.js";
import { loadClient, reconnect } from "./live.js";
import { startRouting } from "./route.js";
import { change, conversation, notify, patchSession, state, subscribe, unreadTotal } from "./store.js";
import { listen } from "./tabs.js";
import { createNotices } from "./views/notices.js";
import { createShell } from "./views/shell.js";
import { createExpired, createSignIn } from "./views/sign_in.js";

const TITLE = "Chat Support";
const CHECK_MS = 60_000;

function start() {
  const views = [createSignIn(), createShell(), createExpired(), createNotices()];
  document.body.replaceChildren(...views.map((view) => view.element));
  subscribe((store) => {
    for (const view of views) view.update(store);
    const unread = store.phase === "signed-in" ? unreadTotal() : 0;
    const title = unread ? `(${unread}) ${TITLE}` : TITLE;
    if (document.title !== title) document.title = title;
    if (store.loaded && store.selected) opened(store.selected);
  });
  startRouting();
  startKeys();
  setInterval(() => !document.hidden && state.phase === "signed-in" && notify(), 1_000); // the times that count up
  // An event can be lost between two servers: once a minute the picture is compared with the truth.
  setInterval(() => state.phase === "signed-in" && state.link === "online" && loadPicture(), CHECK_MS);
  addEventListener("online", reconnect);
  for (const name of ["focus", "blur"]) addEventListener(name, notify);
  document.addEventListener("visibilitychange", notify);
  listen(hear);
}

// What another tab of the same agent has done.
function hear({ agentId, readSessionId, seq, isOnline }) {
  if (agentId !== state.agent?.id) return;
  change(() => {
    if (isOnline !== undefined) state.agent = { ...state.agent, isOnline };
    const session = readSessionId && state.sessions.get(readSessionId);
    if (!session) return;
    readTo(conversation(readSessionId), agentId, seq);
    if (session.lastSeq <= seq) patchSession(readSessionId, { unreadCount: 0, countedSeq: seq });
  });
}

async function boot() {
  try {
    await loadClient();
    start();
  } catch {
    const again = h("button", { class: "button", onclick: () => location.reload() }, "Load again");
    const text = h("p", {}, "A part of the console could not be loaded. Check the connection.");
    return document.body.replaceChildren(h("main", { class: "blank" }, h("h1", {}, TITLE), text, again));
  }
  try {
    if (!(await continueSession())) change(() => (state.phase = "signed-out"));
  } catch {
    authorize(null);
    change(() => (state.phase = "signed-out"));
  }
}

boot();
