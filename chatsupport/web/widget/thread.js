import { linked } from "../shared/links.js";
import { h, locale, texts, title } from "./page.js";

/** @import { Message, Unsent } from "../shared/types.js" */
/** @import { State } from "./types.js" */

// The messages of the chat, with unsent ones below them.

const NEAR_PX = 60;

export const log = h("div", {
  class: "log",
  role: "log",
  "aria-relevant": "additions",
  "aria-label": title,
  tabindex: "0",
});
/** @param {"medium"} [dateStyle] */
const format = (dateStyle) => new Intl.DateTimeFormat(locale, { timeStyle: "short", dateStyle });
const clock = format();
const calendar = format("medium");
const rows = new Map();
/** @type {Message[]} */
let messages = [];
let isUnplaced = false;
/** Whether the last message is in view, and stays there. */
export let isAtEnd = true;

/** @param {{ senderType?: string }} entry a message, or what is on its way */
export const isOwn = ({ senderType = "user" }) => senderType === "user";

export function toEnd() {
  log.scrollTop = log.scrollHeight;
  isAtEnd = true;
}

/**
 * Shows the end, or the first new message if the new ones do not fit.
 * @param {number} read how far the visitor has read
 */
export function placeThread(read) {
  isUnplaced = !log.offsetParent;
  const first = messages.find((message) => !isOwn(message) && message.seq > read);
  toEnd();
  if (first) log.scrollTop = Math.min(log.scrollTop, rows.get(first.id).offsetTop - 20);
}

/**
 * The log has a new size. It has none before the bubble is on the page, and an open chat may be ready before that.
 * @param {number} read
 */
export function fitThread(read) {
  if (isUnplaced) placeThread(read);
  else if (isAtEnd) toEnd();
}

export function clearThread() {
  rows.clear();
  log.replaceChildren();
}

/**
 * Shows the messages and the unsent ones.
 * @param {State} state
 * @param {(entry: Unsent) => void} onRetry
 */
export function showThread(state, onRetry) {
  const { scrollHeight, scrollTop, firstChild } = log;
  messages = state.messages;
  const entries = [...messages, ...state.unsent];
  for (const i of entries.keys()) showEntry(entries, i, state, onRetry);
  while (log.children[entries.length]) /** @type {ChildNode} */ (log.lastChild).remove();
  if (!firstChild) placeThread(state.read);
  else if (isAtEnd) toEnd();
  // Earlier messages were added above the ones that the visitor is reading.
  else if (log.firstChild !== firstChild) log.scrollTop = scrollTop + log.scrollHeight - scrollHeight;
}

/**
 * Shows an entry. An entry that is already shown keeps its element, so that it is read out only once.
 * @param {readonly any[]} entries
 * @param {number} i
 * @param {State} state
 * @param {(entry: Unsent) => void} onRetry
 */
function showEntry(entries, i, state, onRetry) {
  const entry = entries[i];
  const next = entries[i + 1];
  const mine = isOwn(entry);
  const key = (mine && entry.clientMessageId) || entry.id;
  if (!rows.has(key)) {
    const text = h("p", { dir: "auto" }, ...linked(entry.message ?? entry.text));
    rows.set(key, h("div", { class: mine && "own" }, text, h("small")));
  }
  const row = rows.get(key);
  const { failed, seq } = entry;
  const mark = failed ? texts.failed : !seq ? texts.sending : seq > state.theirs ? texts.sent : texts.read;
  const name = mine ? mark : (state.names[entry.senderId] ?? texts.team);
  // Consecutive messages of one person have one line below them.
  const isLast = failed || !next || next.failed || isOwn(next) !== mine || (!mine && next.senderId !== entry.senderId);
  const time = entry.timestamp ? ` · ${timeOf(entry.timestamp)}` : "";
  // Each part keeps its own direction of writing.
  const note = isLast ? `\u2068${name}\u2069${time}` : "";
  if (row.note !== note) {
    row.note = row.lastChild.textContent = note;
    row.classList.toggle("failed", !!failed);
    if (failed) row.lastChild.append(h("button", { onclick: () => onRetry(entry) }, texts.retry));
  }
  if (log.children[i] !== row) log.insertBefore(row, log.children[i]);
}

/** Returns the time of a message, with its date if it is not today. @param {string} timestamp */
function timeOf(timestamp) {
  const at = new Date(timestamp);
  return (at.toDateString() === new Date().toDateString() ? clock : calendar).format(at);
}

/** Returns the seq of the last message on the screen, or 0. */
export function lastSeen() {
  isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
  const bottom = log.scrollTop + log.clientHeight;
  const isSeen = (/** @type {Message} */ { id, clientMessageId }) => {
    const row = rows.get(id) ?? rows.get(clientMessageId);
    return row.offsetTop + Math.min(row.offsetHeight, NEAR_PX) <= bottom;
  };
  const isWatched = !document.hidden && log.clientHeight; // Nothing is visible while the page hides the chat.
  return (isWatched && messages.findLast(isSeen)?.seq) || 0;
}
