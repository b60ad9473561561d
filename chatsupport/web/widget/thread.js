import { h, locale, say, texts, title, write } from "./page.js";
import { use } from "./use.js";

/** @import { Message } from "../shared/types.js" */
/** @import { Shown, State } from "./types.js" */

// The messages of the chat, with unsent ones below them, and lines between them: days, agents who join, new messages.
//
// What a message has beside plain text is shown by parts of their own (use.js), which are loaded with the first such message.
// To add one, name it in partsOf(). The part exports `show(message, row, view)`, which changes the message's row: an element
// that has a <b> for the name, a <p> for the text, and a <small> for the time. It is called again if the message has changed.

/** @param {any} message @returns {(string | false)[]} */
const partsOf = ({ message, text = message, attachment, content, clientMessageId }) => [
  attachment && "files",
  /https?:/i.test(text) && "links",
  (content || /^handover/.test(clientMessageId)) && "content",
];

const NEAR_PX = 60;

export const log = h("div", {
  class: "log",
  role: "log",
  "aria-relevant": "additions",
  "aria-label": title,
  tabindex: "0",
});
const clock = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
const calendar = new Intl.DateTimeFormat(locale, { dateStyle: "full" });
// The elements of messages and lines, by their keys. Each is made once, so that it is read out only once.
const rows = new Map();
/** @type {Message[]} */
let messages = [];
/** The first message that is shown. @type {Message | undefined} */
let oldest;
let isUnplaced = false;
// The seq of the message with the line "New" above it.
let freshSeq = 0;
/** Whether the last message is in view, and stays there. */
export let isAtEnd = true;

/** @param {{ senderType?: string }} entry a message, or what is on its way */
export const isOwn = ({ senderType = "user" }) => senderType === "user";

export const toEnd = () => {
  log.scrollTop = log.scrollHeight;
  isAtEnd = true;
};

/**
 * Shows the end, or the first new message if the new ones do not fit.
 * @param {number} read how far the visitor has read
 */
export const placeThread = (read) => {
  isUnplaced = !log.offsetParent;
  const first = messages.find((message) => !isOwn(message) && message.seq > read);
  freshSeq = first?.seq ?? 0;
  if (first) rows.get(first.id).before(line("new", texts.fresh));
  toEnd();
  if (first) log.scrollTop = Math.min(log.scrollTop, rows.get("new").offsetTop - 20);
};

/**
 * The log has a new size. It has none before the bubble is on the page, and an open chat may be ready before that.
 * @param {number} read
 */
export const fitThread = (read) => {
  if (isUnplaced) placeThread(read);
  else if (isAtEnd) toEnd();
};

export const clearThread = () => {
  rows.clear();
  log.replaceChildren();
};

/**
 * Shows the messages and the unsent ones.
 * @param {Shown} view
 * @param {Node | false} card is shown below them
 */
export const showThread = (view, card) => {
  const { state } = view;
  const { scrollHeight, scrollTop, firstChild } = log;
  messages = state.messages;
  const entries = [...messages, ...state.unsent];
  const nodes = [];
  for (let i = 0; i <= entries.length; i += 1) {
    const lines = linesAbove(entries, i, state);
    nodes.push(...lines);
    if (entries[i]) nodes.push(rowOf(entries, i, view, !!lines[0]));
  }
  if (card) nodes.push(card);
  for (const [i, node] of nodes.entries()) if (log.children[i] !== node) log.insertBefore(node, log.children[i]);
  while (log.children[nodes.length]) /** @type {ChildNode} */ (log.lastChild).remove();
  if (!firstChild) placeThread(state.read);
  else if (isAtEnd) toEnd();
  // Earlier messages were added above the ones that the visitor is reading.
  else if (messages[0] !== oldest) log.scrollTop = scrollTop + log.scrollHeight - scrollHeight;
  oldest = messages[0];
};

/** @param {string} key @param {string} text */
const line = (key, text) => {
  if (!rows.has(key)) rows.set(key, h("p", { class: `line ${key}` }));
  const element = rows.get(key);
  write(element, text);
  return element;
};

/** @param {any} [entry] */
const dayOf = ({ timestamp, at } = {}) => new Date(timestamp ?? at ?? Date.now()).toDateString();

/**
 * Returns the lines above an entry, or below the last one.
 * @param {readonly any[]} entries
 * @param {number} i
 * @param {State} state
 */
const linesAbove = (entries, i, { joins, names }) => {
  const entry = entries[i];
  const before = entries[i - 1];
  const lines = [];
  if (entry && dayOf(entry) !== dayOf(before)) lines.push(line(dayOf(entry), calendar.format(new Date(dayOf(entry)))));
  const last = before ? before.seq : (entry?.seq ?? 1) - 1;
  for (const [n, { id, seq }] of joins.entries()) {
    if (seq === last) lines.push(line(`join ${n}`, say(n ? texts.took : texts.joined, names[id] ?? texts.team)));
  }
  if (entry?.seq === freshSeq) lines.push(line("new", texts.fresh));
  return lines;
};

/**
 * Returns an entry's element.
 * @param {readonly any[]} entries
 * @param {number} i
 * @param {Shown} view
 * @param {boolean} isBelowLine
 */
const rowOf = (entries, i, view, isBelowLine) => {
  const { state } = view;
  const entry = entries[i];
  const next = entries[i + 1];
  const mine = isOwn(entry);
  const key = (mine && entry.clientMessageId) || entry.id;
  if (!rows.has(key)) {
    const text = h("p", { dir: "auto" }, entry.message ?? entry.text);
    rows.set(key, h("div", { class: mine && "own" }, h("b"), text, h("small")));
  }
  const row = rows.get(key);
  const { failed, seq } = entry;
  const isOther = (/** @type {any} */ one) => !one || isOwn(one) !== mine || (!mine && one.senderId !== entry.senderId);
  // An agent's name is above the first of consecutive messages, and the time is below the last.
  const name = !mine && (isBelowLine || isOther(entries[i - 1])) ? (state.names[entry.senderId] ?? texts.team) : "";
  if (row.name !== name) {
    row.name = name;
    row.firstChild.replaceChildren(...(name ? [h("i", { "aria-hidden": true }, [...name][0]), name] : []));
  }
  const mark = failed ? texts.failed : !seq ? texts.sending : seq > state.theirs ? texts.sent : texts.read;
  const time = entry.timestamp && clock.format(new Date(entry.timestamp));
  const note = failed || next?.failed || isOther(next) ? [mine && mark, time].filter(Boolean).join(" · ") : "";
  if (row.note !== note) {
    row.note = row.lastChild.textContent = note;
    row.classList.toggle("failed", !!failed);
    if (failed) row.lastChild.append(h("button", { onclick: () => view.retry(entry) }, texts.retry));
  }
  if (row.entry !== entry) showMore((row.entry = entry), row, view);
  return row;
};

/** Shows what a message has beside plain text. @param {any} entry @param {Element} row @param {Shown} view */
const showMore = async (entry, row, view) => {
  for (const part of partsOf(entry)) if (part) (await use(part)).show(entry, row, view);
  if (isAtEnd) toEnd();
};

/** Returns the seq of the last message on the screen, or 0. */
export const lastSeen = () => {
  isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
  const bottom = log.scrollTop + log.clientHeight;
  const isSeen = (/** @type {Message} */ { id, clientMessageId }) => {
    const row = rows.get(id) ?? rows.get(clientMessageId);
    return row.offsetTop + Math.min(row.offsetHeight, NEAR_PX) <= bottom;
  };
  const isWatched = !document.hidden && log.clientHeight; // Nothing is visible while the page hides the chat.
  return (isWatched && messages.findLast(isSeen)?.seq) || 0;
};
