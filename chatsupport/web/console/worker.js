import { say, texts } from "./texts.js";

/** @typedef {{ type: "assigned" | "message" | "waiting", sessionId?: string, waiting?: number }} Push */
/** @typedef {{ list: string, sessionId: string | null }} Place a list of the console, and a chat in it */

// The console's service worker. It shows what the server pushes while the console is closed, and opens the console. Pushes have
// no names and no texts of visitors. It stores nothing, and answers no requests of the page.

const worker = /** @type {any} */ (globalThis);

/** Returns the open windows with the console. @returns {Promise<any[]>} */
async function consoles() {
  const { pathname } = new URL(worker.registration.scope);
  const windows = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  return windows.filter((/** @type {{ url: string }} */ { url }) => new URL(url).pathname === pathname);
}

/** @param {Push} push */
function titleOf({ type, waiting = 1 }) {
  if (type === "waiting") return say(texts.push.waiting, { count: waiting });
  return type === "assigned" ? texts.alerts.newChat : texts.alerts.newMessage;
}

/** @param {Push} push */
async function show(push) {
  if ((await consoles()).some(({ focused }) => focused)) return; // The agent looks at the console.
  const { sessionId = null } = push;
  /** @type {Place} */
  const data = { list: sessionId ? "mine" : "queue", sessionId };
  const tag = sessionId ?? data.list;
  await worker.registration.showNotification(titleOf(push), { body: texts.push.open, tag, renotify: true, data });
}

/** @param {Place} place */
async function open({ list, sessionId }) {
  const [first] = await consoles();
  const { scope } = worker.registration;
  if (!first) return worker.clients.openWindow(`${scope}#/${list}${sessionId ? `/${sessionId}` : ""}`);
  first.postMessage({ list, sessionId });
  return first.focus();
}

worker.addEventListener("push", (/** @type {any} */ event) => event.waitUntil(show(event.data.json())));
worker.addEventListener("notificationclick", (/** @type {any} */ event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data));
});
