/** @import { End, State } from "../types.js" */

// The data that survives a reload of this tab, in sessionStorage (docs/console.md says why). If a browser forbids it, the
// agent has to sign in again after a reload. Choices about alerts and the order of the list are in localStorage, for all tabs of the browser. Stored
// data may be anything, so it is checked.

const TOKEN = "chat-console-token";
const PLAIN_KEYS = "chat-console-plain-keys";
const ALERTS = "chat-console-alerts";
const ORDER = "chat-console-order";

/** @typedef {"sessionStorage" | "localStorage"} Place */

/** @param {string} key @param {Place} [place] @returns {any} */
function read(key, place = "sessionStorage") {
  try {
    return JSON.parse(window[place].getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/** @param {string} key @param {unknown} value @param {Place} [place] */
function write(key, value, place = "sessionStorage") {
  try {
    if (value === null) window[place].removeItem(key);
    else window[place].setItem(key, JSON.stringify(value));
  } catch {
    // Full or forbidden: the data is in memory only, until the page is closed.
  }
}

/** @returns {{ token: string, agentId: string } | null} */
export function readToken() {
  const kept = read(TOKEN);
  return isText(kept?.token) && isText(kept.agentId) ? kept : null;
}
/** @param {{ token: string, agentId: string } | null} value */
export const writeToken = (value) => write(TOKEN, value);

// An agent's drafts, unsent messages and ends of chats. They are stored for each agent, because agents may share a computer.
/** @param {string} agentId */
const writing = (agentId) => `chat-console-writing-${agentId}`;

/** @param {unknown} value @returns {value is string} */
const isText = (value) => typeof value === "string";
/** @param {unknown} value @returns {any[]} */
const list = (value) => (Array.isArray(value) ? value : []);
/** @param {unknown} value @returns {[string, any][]} */
const pairs = (value) => list(value).filter((pair) => Array.isArray(pair) && isText(pair[0]));

/** Earlier releases called the id clientMessageId. Acknowledged messages come with the conversation. */
function unsent(/** @type {any} */ item) {
  const id = item?.id ?? item?.clientMessageId;
  if (!isText(id) || !isText(item.text) || !isText(item.at) || item.seq || item.state === "sent") return [];
  const { text, at, reason, failed = item.state === "failed" ? "FAILED" : undefined } = item;
  return [{ id, text, at, failed, reason }];
}

/** @param {string} agentId */
export function readWriting(agentId) {
  const found = read(writing(agentId));
  const outbox = pairs(found?.outbox).map(
    ([sessionId, items]) => /** @type {const} */ ([sessionId, list(items).flatMap(unsent)]),
  );
  const ends = pairs(found?.ends).filter(([, end]) => isText(end?.reason));
  return {
    drafts: new Map(pairs(found?.drafts).filter(([, text]) => isText(text))),
    outbox: new Map(outbox),
    ends: new Map(ends.map(([id, { reason, internalReason }]) => [id, toEnd(reason, internalReason)])),
  };
}

/** @param {string} reason @param {unknown} internalReason @returns {End} */
const toEnd = (reason, internalReason) => ({
  reason,
  ...(isText(internalReason) && { internalReason }),
  isSent: false,
});

/** @param {string} agentId @param {Pick<State, "drafts" | "outbox" | "ends">} state */
export function writeWriting(agentId, { drafts, outbox, ends }) {
  const open = [...outbox].filter(([, items]) => items.length);
  const isEmpty = !drafts.size && !open.length && !ends.size;
  write(writing(agentId), isEmpty ? null : { drafts: [...drafts], outbox: open, ends: [...ends] });
}

/** @param {string} agentId */
export const forgetWriting = (agentId) => write(writing(agentId), null);

// Single-key shortcuts can be switched off, because speech input and shaky hands press keys by accident.
export const plainKeys = () => read(PLAIN_KEYS) !== false;
/** @param {boolean} on */
export const setPlainKeys = (on) => write(PLAIN_KEYS, on);

/** @typedef {{ notifies: boolean, pushes: boolean, hidesText: boolean, sound: "none" | "chats" | "messages", volume: number }} Alerts */

/** Returns how the agent wants to hear of chats and messages, in this browser. @returns {Alerts} */
export function readAlerts() {
  const { notifies, pushes, hidesText, sound, volume } = read(ALERTS, "localStorage") ?? {};
  return {
    notifies: notifies === true,
    pushes: pushes === true,
    hidesText: hidesText === true,
    sound: sound === "none" || sound === "messages" ? sound : "chats",
    volume: typeof volume === "number" && volume >= 0 && volume <= 1 ? volume : 0.5,
  };
}

/** @param {Partial<Alerts>} choices */
export const writeAlerts = (choices) => write(ALERTS, { ...readAlerts(), ...choices }, "localStorage");

/** Returns the order of the agent's chats. @returns {"newest" | "unanswered" | "unread"} */
export function readOrder() {
  const order = read(ORDER, "localStorage");
  return order === "unanswered" || order === "unread" ? order : "newest";
}
/** @param {string} order */
export const writeOrder = (order) => write(ORDER, order, "localStorage");
