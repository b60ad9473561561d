// The agents' console. It starts here: the pieces are put together, and the store drives the views.

import { continueSession, loadPicture } from "./account.js";
import { authorize } from "./api.js";
import { opened } from "./actions.js";
import { startKeys } from "./keys.js";
import { loadClient, reconnect } from "./live.js";
import { startRouting } from "./route.js";
import { change, notify, state, subscribe, unreadTotal } from "./store.js";
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
}

async function boot() {
  await loadClient();
  start();
  try {
    if (!(await continueSession())) change(() => (state.phase = "signed-out"));
  } catch {
    authorize(null);
    change(() => (state.phase = "signed-out"));
  }
}

// Rejects where a part cannot be loaded; boot.js says so and tries again.
export const booted = boot();
