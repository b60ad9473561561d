import { startAlerts } from "./frame/alerts.js";
import { startKeys } from "./frame/keys.js";
import { createNotices } from "./frame/notices.js";
import { createShell } from "./frame/shell.js";
import { createExpired, createSignIn } from "./frame/sign_in.js";
import { startRouting } from "./route.js";
import { continueSession, loadPicture } from "./server/account.js";
import { opened } from "./server/actions.js";
import { authorize } from "./server/api.js";
import { startEnding } from "./server/ending.js";
import { loadClient, reconnect } from "./server/live.js";
import { startPushes } from "./server/push.js";
import { assign, notify, state, subscribe, unreadTotal } from "./store.js";
import { language, texts } from "./texts.js";

// The agents' console starts here: this connects the parts, and the store drives the views.

const VIEWS = [createSignIn, createShell, createExpired, createNotices];
const CHECK_MS = 60_000;

function start() {
  const views = VIEWS.map((create) => create());
  document.documentElement.lang = language;
  document.body.replaceChildren(...views.map((view) => view.element));
  subscribe((store) => {
    for (const view of views) view.update(store);
    const unread = store.phase === "signed-in" ? unreadTotal() : 0;
    const title = unread ? `(${unread}) ${texts.product}` : texts.product;
    if (document.title !== title) document.title = title;
    if (store.loaded && store.selected) opened(store.selected);
  });
  startAlerts(); // after the views, which mark as read what the agent sees
  startRouting();
  startKeys();
  startEnding();
  startPushes();
  setInterval(() => !document.hidden && state.phase === "signed-in" && notify(), 1_000); // the times that count up
  // An event can be lost between two servers, so the state is compared with the server's once a minute.
  setInterval(() => state.phase === "signed-in" && state.link === "online" && loadPicture(), CHECK_MS);
  addEventListener("online", reconnect);
  for (const name of ["focus", "blur"]) addEventListener(name, notify);
  document.addEventListener("visibilitychange", notify);
}

async function boot() {
  await loadClient();
  start();
  try {
    if (!(await continueSession())) assign({ phase: "signed-out" });
  } catch {
    authorize(null);
    assign({ phase: "signed-out" });
  }
}

/** Rejects if a part cannot be loaded. boot.js then shows a message and tries again. */
export const booted = boot();
