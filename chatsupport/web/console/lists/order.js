import { readOrder, writeOrder } from "../parts/storage.js";
import { notify, unansweredSince } from "../store.js";
import { texts } from "../texts.js";

/** @import { Session } from "../types.js" */
/** @typedef {"newest" | "unanswered" | "unread"} Order */

// The order of my chats, which the agent chooses. No list changes its order while the pointer is over the rows, because a row
// that moves away cannot be clicked; new rows are then at the end.

/** @type {{ value: Order, label: string }[]} */
export const ORDERS = [
  { value: "newest", label: texts.order.newest },
  { value: "unanswered", label: texts.order.unanswered },
  { value: "unread", label: texts.order.unread },
];

let order = readOrder();
let isKept = false;
/** The list that was shown last, and the ids of its rows. @type {{ list: string, ids: readonly (string | null)[] }} */
let shown = { list: "", ids: [] };

export const currentOrder = () => order;

/** @param {Order} value */
export function setOrder(value) {
  order = value;
  writeOrder(value);
  notify();
}

/** Keeps the order until it is let go. @param {boolean} on */
export function holdOrder(on) {
  isKept = on;
  notify();
}

/** Whether the pointer is over the rows. */
export const isHeld = () => isKept;

/** Returns the ids of the rows that the list has shown last. @param {string} list */
export const shownBefore = (list) => (shown.list === list ? shown.ids : []);

/** A time that is later than all. */
const NEVER = "9";

/** @type {Record<Order, (one: Session, other: Session) => number>} Equal ones stay as they are: the newest first. */
const COMPARE = {
  newest: () => 0,
  unanswered: (one, other) => (unansweredSince(one) ?? NEVER).localeCompare(unansweredSince(other) ?? NEVER),
  unread: (one, other) => Number(other.unreadCount > 0) - Number(one.unreadCount > 0),
};

/** Returns my chats, which come newest first, in the chosen order. @param {Session[]} sessions */
export const ordered = (sessions) => [...sessions].sort(COMPARE[order]);

/**
 * Returns a list's rows as they are shown: in their order or, under the pointer, where they were.
 * @template {{ id: string | null }} Row
 * @param {string} list
 * @param {readonly Row[]} rows
 */
export function steady(list, rows) {
  const before = shownBefore(list);
  const steadied = [...rows];
  if (isKept) {
    const place = (/** @type {Row} */ { id }) => (before.includes(id) ? before.indexOf(id) : before.length);
    steadied.sort((one, other) => place(one) - place(other));
  }
  shown = { list, ids: steadied.map(({ id }) => id) };
  return steadied;
}
