import { isLooking } from "../parts/focus.js";
import { visitorName } from "../parts/names.js";
import { NEW_CHAT, NEW_MESSAGE, play } from "../parts/sound.js";
import { readAlerts } from "../parts/storage.js";
import { go } from "../route.js";
import { lastMessage, mine, state, subscribe, unreadTotal } from "../store.js";
import { texts } from "../texts.js";

/** @import { Session } from "../types.js" */

// Tells an agent who looks elsewhere about new chats and messages: by a sound, a notification, and a dot on the tab. What is
// new follows from the store, so that it does not matter whether an event or a reload has brought it.

const AGAIN_MS = 20_000;
const MOST = 80;
const LOCK = "chat-console-alerts";

/** How many messages of each chat were unread when we last looked; null until the chats are loaded. */
let known = /** @type {Map<string, number> | null} */ (null);
/** The new chats that the agent has not opened. @type {Set<string>} */
const unopened = new Set();
let timer = 0;

// Of several tabs, only one alerts: the one that had the focus last, and if that is closed, another.
let isChosen = false;
let waiting = new AbortController();

/** Takes the lock, at once and from another tab, or as soon as it is free. @param {boolean} atOnce */
async function claim(atOnce) {
  waiting.abort();
  const ours = new AbortController();
  waiting = ours;
  try {
    await navigator.locks.request(LOCK, atOnce ? { steal: true } : { signal: ours.signal }, () => {
      isChosen = true;
      return new Promise(() => {}); // until another tab takes it, or this one is closed
    });
  } catch (error) {
    if (waiting !== ours) return; // We gave up waiting, in order to take it.
    // It was taken from us, or the browser gives no locks to this page.
    isChosen = !(error instanceof DOMException && error.name === "AbortError");
    if (!isChosen) claim(false);
  }
}

export function startAlerts() {
  const icon = /** @type {HTMLLinkElement} */ (document.querySelector('link[rel="icon"]'));
  const plain = icon.href;
  subscribe(() => {
    const dotted = state.phase === "signed-in" && unreadTotal() > 0;
    const href = dotted ? plain.replace("icon.svg", "icon-unread.svg") : plain;
    if (icon.href !== href) icon.href = href;
    look();
  });
  if (!navigator.locks)
    isChosen = true; // Browsers have no locks for pages that came over plain http.
  else {
    claim(isLooking());
    addEventListener("focus", () => !isChosen && claim(true));
  }
}

/** Finds what is new since the last time. */
function look() {
  if (state.phase !== "signed-in" || !state.loaded) {
    unopened.clear();
    if (!state.loaded) known = null;
    return;
  }
  const before = known;
  const sessions = mine();
  known = new Map(sessions.map((session) => [session.id, session.unreadCount]));
  for (const id of unopened) if (!known.has(id)) unopened.delete(id);
  if (!before) return;
  for (const session of sessions) {
    const unread = before.get(session.id);
    if (isLooking() && state.selected === session.id) unopened.delete(session.id);
    else if (unread === undefined) {
      unopened.add(session.id);
      alert(session, true);
    } else if (session.unreadCount > unread) alert(session, false);
    else if (isDealtWith(session, unread)) unopened.delete(session.id);
  }
}

/** Whether a chat was read or answered, perhaps in another tab. @param {Session} session @param {number} unread before */
const isDealtWith = ({ id, unreadCount }, unread) =>
  unreadCount < unread || lastMessage(id)?.senderId === state.agent?.id;

/** @param {Session} session @param {boolean} isNew */
function alert(session, isNew) {
  if (isNew) ring();
  if (!isChosen) return;
  const { sound, volume } = readAlerts();
  if (!isNew && sound === "messages") play(NEW_MESSAGE, volume);
  if (!isLooking()) showNotification(session, isNew);
}

/** Plays the sound of a new chat, and again while one is not opened. */
function ring() {
  const { sound, volume } = readAlerts();
  if (isChosen && sound !== "none") play(NEW_CHAT, volume);
  clearTimeout(timer);
  timer = setTimeout(() => unopened.size && ring(), AGAIN_MS);
}

/** Whether the browser lets us show notifications. */
export const isAllowed = () => "Notification" in window && Notification.permission === "granted";

/** @param {Session} session @param {boolean} isNew */
function showNotification(session, isNew) {
  const { notifies, hidesText } = readAlerts();
  if (!notifies) return;
  const said = session.unreadCount && !hidesText ? lastMessage(session.id)?.message : null;
  const body = said ? cut(said) : isNew ? texts.alerts.newChat : texts.alerts.newMessage;
  notify(visitorName(session), body, session.id, () => go("mine", session.id));
}

/** @param {string} text */
function cut(text) {
  const letters = [...text.replace(/\s+/g, " ")];
  return letters.length > MOST ? `${letters.slice(0, MOST - 1).join("")}…` : letters.join("");
}

/**
 * Shows a notification in the place of an earlier one with this tag. Returns whether the browser can: some, on phones, show
 * none for a page.
 * @param {string} title
 * @param {string} body
 * @param {string} tag
 * @param {() => unknown} open
 */
export function notify(title, body, tag, open) {
  if (!isAllowed()) return false;
  try {
    const notification = new Notification(title, { body, tag, silent: true }); // The sound is ours.
    notification.onclick = () => {
      window.focus();
      open();
      notification.close();
    };
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
